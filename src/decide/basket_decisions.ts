/**
 * The port to the decisions on baskets of several shards. The first decision on an attempt is final.
 *
 * @module
 */
import type { Line } from "../domain/command.ts";

/** One request of a basket: an order has one at a time. */
export interface Attempt {
  /** The order. */
  readonly orderId: string;
  /** UUID of the attempt. */
  readonly attempt: string;
  /** Its lowest shard. */
  readonly home: number;
  /** The buyer. */
  readonly userId: string;
  /** Each of another SKU, in the order of the request. */
  readonly lines: readonly Line[];
}

/** What one shard prepared. */
export interface PreparedPart {
  /** The shard. */
  readonly shard: number;
  /** Number of the event that prepared the lines. */
  readonly seq: number;
  /** Number of its lines. */
  readonly lines: number;
  /** Available units of each line after it, in the order of the request. */
  readonly newStock: readonly number[];
}

/** A basket that is sold, and not yet in every shard. */
export interface CommittedBasket {
  /** The decision. */
  readonly kind: "committed";
  /** The buyer. */
  readonly userId: string;
  /** In the order of the request. */
  readonly lines: readonly Line[];
  /** By shard. */
  readonly parts: readonly PreparedPart[];
}

/** An attempt that is neither committed nor aborted. */
export interface UndecidedBasket {
  /** The state. */
  readonly kind: "undecided";
  /** It cannot be committed after this, ms since 1970. */
  readonly decideByMs: number;
}

/** The result of beginning an attempt; with another kind than `begun`, nothing began. */
export type Begun = { readonly kind: "begun" } | UndecidedBasket | CommittedBasket;

/** Decides baskets of several shards. */
export interface BasketDecisions {
  /**
   * Begins an attempt, before anything is prepared. It is aborted when it is not committed in time.
   *
   * @param timeoutMs until then it must be committed
   */
  begin(attempt: Attempt, timeoutMs: number): Promise<Begun>;
  /**
   * Commits an attempt if the ledger has all of its lines as prepared; `waiting` while it does not have them yet.
   *
   * @param parts all of it
   */
  commit(
    attempt: Attempt,
    parts: readonly PreparedPart[],
  ): Promise<"committed" | "waiting" | "aborted">;
  /** Aborts an attempt, unless it is committed. */
  abort(attempt: Attempt): Promise<"aborted" | "committed">;
  /** The attempt of an order that every shard has not carried out yet; undefined without one. */
  find(orderId: string): Promise<UndecidedBasket | CommittedBasket | undefined>;
}
