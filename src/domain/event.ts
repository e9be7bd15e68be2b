/**
 * The facts of a shard's log: what changed, in order, one number a fact.
 *
 * @module
 */

/** What happened to one SKU within one event. */
export interface EventLine {
  /** Whose units. */
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

/** What only some kinds of event have. */
export interface EventData {
  /** `reserve`, `extend`, `expire`: when the hold lapses or lapsed, ms since 1970. */
  readonly expires?: number;
  /** `reserve`: how long it was made for, ms. */
  readonly hold?: number;
  /** `jump`, in a topic only: the last number before it; those between do not come. */
  readonly from?: number;
  /**
   * `pause`, `resume`, `rules`, and the first stock of a SKU that its rules made: the SKU's policy from now on, as the
   * store keeps it.
   */
  readonly policy?: StoredPolicy;
}

/** A SKU's rules as they are kept in store and ledger; a rule that does not apply is absent. */
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
  /** Number of the event that began the count of the quota: sales with a higher number count for it. */
  readonly sale?: number;
  /** Number of the event that set these rules; absent when none did, or an earlier version of Holdfast. */
  readonly version?: number;
  /** The SKU was made by its rules and has had no stock yet. */
  readonly unstocked?: true;
}

/** One command that took effect. Its number is one more than its predecessor's in the shard. */
export interface InventoryEvent {
  /** Its number in the shard's log. */
  readonly seq: number;
  /**
   * Sales: `deduct`, `order`, `reserve`; `confirm`, `cancel`, `expire`, `extend`; `return`. Stock keeping:
   * `adjust`, `set`, `create` (either of them when it made the SKU), `pause`, `resume`, `rules`.
   */
  readonly kind: string;
  /** Order id, or adjustment id; empty for `pause`, `resume` and `rules`. */
  readonly id: string;
  /** Who bought; empty for what is not a sale or follows one. */
  readonly userId: string;
  /** Name of the token that asked; empty when access is open. */
  readonly actor: string;
  /** W3C `traceparent` of the request; empty without one. */
  readonly traceparent: string;
  /** Why, in the operator's words; empty for a sale. */
  readonly reason: string;
  /** The document that a stock keeper names; the return id of a `return`. */
  readonly reference: string;
  /** What only this kind has; empty for most. */
  readonly data: EventData;
  /** When the store decided it, milliseconds since 1970. */
  readonly atMs: number;
  /** At least one, each of another SKU. */
  readonly lines: readonly EventLine[];
}

/** A place in a shard's log. `seq` never starts again; `epoch` rises each time the shard is armed. */
export interface Position {
  /** The ledger issues it; 0 = not armed since the shard was made or emptied. */
  readonly epoch: number;
  /** Number of an event; 0 = before the first. */
  readonly seq: number;
}

/** `<epoch>-<seq>` as a position; null for anything else. */
export function parsePosition(id: string): Position | null {
  const match = /^(\d+)-(\d+)$/.exec(id);
  return match ? { epoch: Number(match[1]), seq: Number(match[2]) } : null;
}

/** What one atomic step of the store wrote: events with consecutive numbers, the last at `position`. */
export interface LogEntry {
  /** That of the last event; `<epoch>-<seq>` is the entry's id in a stream. */
  readonly position: Position;
  /** At least one, with consecutive numbers. */
  readonly events: readonly InventoryEvent[];
}

/** Orders positions as the log does: by epoch, then by number. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.seq - b.seq;
}
