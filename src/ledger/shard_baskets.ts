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
  /** Name of the attempt that prepared them; empty for lines of earlier versions. */
  readonly name: string;
}

/** An attempt, and its lowest shard. */
export interface HomeAsked {
  /** The lowest shard. */
  readonly home: number;
  /** The order. */
  readonly orderId: string;
  /** Name of the attempt. */
  readonly name: string;
}

/** What the ledger has of an attempt in its lowest shard. */
export interface AtHome {
  /** Name of the attempt. */
  readonly name: string;
  /** Last number of that shard in the ledger. */
  readonly applied: number;
  /** State of a line of the attempt in that shard; empty without one. */
  readonly state: "accepted" | "held" | "";
}

/** What a shard's worker does with baskets of several shards, under the shard's lease. */
export interface ShardBaskets {
  /** Orders with lines that are prepared in this shard, oldest first, and what was decided about them. */
  prepared(limit: number): Promise<PreparedOrder[]>;
  /** Aborts an attempt whose time is over. Returns whether this aborts it. */
  abort(order: PreparedOrder): Promise<boolean>;
  /** What the ledger has of these attempts in their lowest shards. */
  atHome(attempts: readonly HomeAsked[]): Promise<AtHome[]>;
  /** Deletes decisions that need no record, of baskets with this as their lowest shard. Returns how many are left. */
  end(): Promise<number>;
}
