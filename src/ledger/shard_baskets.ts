/**
 * What a shard has prepared of baskets of several shards.
 *
 * @module
 */

/** Prepared lines of an order in a shard. */
export interface PreparedOrder {
  /** The order. */
  readonly orderId: string;
  /** Number of the event that prepared them. */
  readonly seq: number;
  /** The attempt of the order that has not ended; empty without one. */
  readonly attempt: string;
  /** `open`: not decided, or decided just now; `over`: not decided in time. */
  readonly decision: "commit" | "abort" | "open" | "over";
}

/** What a shard's worker does with baskets of several shards, under the shard's lease. */
export interface ShardBaskets {
  /** Orders with lines that are prepared in this shard, oldest first, and what was decided about them. */
  prepared(limit: number): Promise<PreparedOrder[]>;
  /** Aborts an attempt whose time is over. Returns whether this aborts it. */
  abort(order: PreparedOrder): Promise<boolean>;
  /** Deletes decisions that need no record, of baskets with this as their lowest shard. Returns how many are left. */
  end(): Promise<number>;
}
