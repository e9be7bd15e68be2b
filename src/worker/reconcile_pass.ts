/**
 * The form of a pass: one kind of comparison of store and ledger, in bounded steps between two batches.
 *
 * @module
 */
import type { Position } from "../domain/event.ts";
import type { Unequal } from "./stock_difference.ts";

/** A difference that was found, and found again when it was read a second time. */
export interface Found extends Unequal {
  /** SKU, or the number of an event. */
  readonly name: string;
  /** When both sides agreed last; undefined when this is not known. */
  readonly agreed: Moment | undefined;
}

/** A number of the shard, and a time. */
export interface Moment {
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** What a step compared. */
export interface Compared {
  /** Differences among the compared names. */
  readonly found: readonly Found[];
  /** Whether a name was compared: an earlier difference of it that was not found again is over. */
  readonly has: (what: string, name: string) => boolean;
  /** Number of SKUs whose stock was compared. */
  readonly skus: number;
  /** The pass is over, and begins again with the next step. */
  readonly isOver: boolean;
}

/** One kind of comparison. */
export interface Pass {
  /**
   * One bounded step. `applied`: the ledger's cursor, which only this worker moves.
   *
   * @returns undefined when nothing was settled yet
   */
  step(applied: Position): Promise<Compared | undefined>;
}
