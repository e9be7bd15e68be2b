/**
 * What can become of a command. Refusals are values, and so is not knowing; a throw means broken code.
 * The table from here to HTTP is `src/http/answer.ts`, the one from Lua is `redis/wire.ts`.
 *
 * @module
 */

/** A line that a shard remembers: what was accepted, and the first answer to it. */
export interface RememberedLine {
  /** With the order or adjustment id, what identifies the line. */
  readonly sku: string;
  /** Digest that the command carried: the same line with another one is a conflict. */
  readonly fingerprint: string;
  /** The event's kind: `deduct`, `adjust`, `create`. */
  readonly kind: string;
  /** Units sold, or the delta of an adjustment. */
  readonly amount: number;
  /** Available units right after it: the first answer. */
  readonly newStock: number;
  /** Number of its event in the shard's log. */
  readonly seq: number;
  /** When it was decided, milliseconds since 1970 by the store's clock. */
  readonly atMs: number;
  /** Who bought; empty for an adjustment. */
  readonly userId: string;
}

/** The store decided: the command took effect, was refused, or was a read. */
export type Decided =
  | {
    readonly kind: "accepted";
    readonly seq: number;
    /** Available units of each line after it, in the order of the lines. */
    readonly newStock: readonly number[];
    /** The same line again: this is the first answer, and nothing happened now. */
    readonly replayed: boolean;
    /** An adjustment that made the SKU. */
    readonly created: boolean;
  }
  | { readonly kind: "conflict"; readonly sku: string }
  | { readonly kind: "unknown_sku"; readonly sku: string }
  | { readonly kind: "paused"; readonly sku: string }
  | { readonly kind: "insufficient"; readonly sku: string; readonly available: number }
  | { readonly kind: "rate_limited"; readonly sku: string; readonly retryAfterMs: number }
  | { readonly kind: "stock_limit"; readonly sku: string; readonly available: number }
  | { readonly kind: "order_full" }
  | { readonly kind: "backlog_full" }
  /** The deadline had passed when the command reached the store: it took no effect and never will. */
  | { readonly kind: "late" }
  | {
    readonly kind: "stock";
    readonly sku: string;
    readonly available: number;
    readonly reserved: number;
    readonly paused: boolean;
    /** Head of the shard's log when it was read. */
    readonly seq: number;
  }
  | { readonly kind: "order"; readonly lines: readonly RememberedLine[] };

/** The store did not decide. All but `outcome_unknown` are certain: the command took no effect. */
export type Undecided =
  | { readonly kind: "unarmed" }
  | { readonly kind: "overloaded" }
  | { readonly kind: "store_unavailable"; readonly reason: string }
  /** It may have taken effect, or still will until the deadline (store's clock, ms). */
  | { readonly kind: "outcome_unknown"; readonly deadlineMs: number };

/** A line of an order, wherever it was found. */
export interface OrderLine {
  /** With the order id, what identifies the line. */
  readonly sku: string;
  /** Who bought. */
  readonly userId: string;
  /** Units sold. */
  readonly amount: number;
  /** Available units right after it: the first answer. */
  readonly newStock: number;
  /** Number of its event in the log of the SKU's shard. */
  readonly seq: number;
  /** When it was accepted, milliseconds since 1970. */
  readonly atMs: number;
  /** What became of it: `accepted`. */
  readonly state: string;
}

/** What is known of an order. No lines: it was never accepted, or still may be until its deadline. */
export type OrderOutcome = { readonly kind: "order_found"; readonly lines: readonly OrderLine[] } | Undecided;

/** What became of a command. */
export type Outcome = Decided | Undecided;
