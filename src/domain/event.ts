/**
 * The events of a shard's log, in the order of their numbers.
 *
 * @module
 */

/** The change of one SKU by an event. */
export interface EventLine {
  /** SKU of the units. */
  readonly sku: string;
  /** Change of available units. */
  readonly delta: number;
  /** Change of reserved units. */
  readonly reservedDelta: number;
  /** Available units after it. */
  readonly available: number;
  /** Reserved units after it. */
  readonly reserved: number;
}

/** Members of only some kinds of event. */
export interface EventData {
  /** `reserve`, `extend`, `expire`: expiry of the hold, ms since 1970. */
  readonly expires?: number;
  /** `reserve`: duration, ms. */
  readonly hold?: number;
  /** `jump`, in a topic only: the last number before it; the numbers between are missing. */
  readonly from?: number;
  /**
   * `pause`, `resume`, `rules`, and the first stock of a SKU that its rules made: the SKU's policy from now on, as the
   * store keeps it.
   */
  readonly policy?: StoredPolicy;
}

/** A SKU's rules as stored in store and ledger; a rule that does not apply is absent. */
export interface StoredPolicy {
  /** Not sold until it is resumed. */
  readonly paused?: true;
  /** ms since 1970. */
  readonly opens?: number;
  /** ms since 1970. */
  readonly closes?: number;
  /** Units a user may buy within the window. */
  readonly quota?: number;
  /** A sale needs a purchase token. */
  readonly token?: true;
  /** Number of the event that began the quota: sales with a higher number count for it. */
  readonly sale?: number;
  /** Number of the event that set these rules; absent when none did, or when an earlier version of Holdfast set them. */
  readonly version?: number;
  /** The SKU was created by its rules and has had no stock yet. */
  readonly unstocked?: true;
}

/** A command that took effect. Its number is one more than its predecessor's in the shard. */
export interface InventoryEvent {
  /** Number in the shard's log. */
  readonly seq: number;
  /**
   * Sales: `deduct`, `order`, `reserve`; `confirm`, `cancel`, `expire`, `extend`; `return`. Baskets of several shards:
   * `prepare`, then `commit` or `abort`. Stock keeping:
   * `adjust`, `set`, `create` (either of them when it created the SKU), `pause`, `resume`, `rules`.
   */
  readonly kind: string;
  /** Order id, or adjustment id; empty for `pause`, `resume` and `rules`. */
  readonly id: string;
  /** The buyer; empty unless the event belongs to a sale. */
  readonly userId: string;
  /** Name of the caller's token; empty when access is open. */
  readonly actor: string;
  /** W3C `traceparent` of the request; empty without one. */
  readonly traceparent: string;
  /** Reason as text; empty for a sale. */
  readonly reason: string;
  /** A document of another system; the return id of a `return`. */
  readonly reference: string;
  /** Members of this kind only; empty for most. */
  readonly data: EventData;
  /** When the store decided it, milliseconds since 1970. */
  readonly atMs: number;
  /** At least one, each of another SKU. */
  readonly lines: readonly EventLine[];
}

/** A position in a shard's log. `seq` never restarts; `epoch` increases each time the shard is armed. */
export interface Position {
  /** Issued by the ledger; 0 = not armed since the shard was created or emptied. */
  readonly epoch: number;
  /** Number of an event; 0 = before the first. */
  readonly seq: number;
}

/** `<epoch>-<seq>` as a position; null for anything else. */
export function parsePosition(id: string): Position | null {
  const match = /^(\d+)-(\d+)$/.exec(id);
  return match ? { epoch: Number(match[1]), seq: Number(match[2]) } : null;
}

/** One atomic step of the store: events with consecutive numbers, the last at `position`. */
export interface LogEntry {
  /** Position of the last event; `<epoch>-<seq>` is the entry's id in a stream. */
  readonly position: Position;
  /** At least one, with consecutive numbers. */
  readonly events: readonly InventoryEvent[];
}

/** Compares positions in the order of the log: by epoch, then by number. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.seq - b.seq;
}
