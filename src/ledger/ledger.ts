/**
 * The port to the ledger: what was sold, for good.
 *
 * @module
 */
import type { FoundAdjustment } from "../domain/adjustment.ts";
import type { CheckResult } from "../domain/check_result.ts";
import type { BasketDecisions } from "../decide/basket_decisions.ts";
import type { Membership } from "./peers.ts";
import type { LogEntry, Position } from "../domain/event.ts";
import type { Closed, Correction, CorrectionNote, UnitsOf } from "./corrections.ts";
import type { Queries } from "./database.ts";
import type { Forgetting } from "./forgetting.ts";
import type { Folded, Openings } from "./openings.ts";
import type { MovementRange, QuotaCursor, QuotaPage, StockAt } from "./pages.ts";
import type { ShardBaskets } from "./shard_baskets.ts";
import type { Fault, ProofWalk } from "./proof_walk.ts";
import type { Jump, LossAccepted, Recovery } from "./recovery.ts";
import type {
  Compensation,
  Forgotten,
  FoundOrder,
  LinePage,
  LineRow,
  OrderLineRow,
  StockRow,
} from "../domain/rows.ts";

export type { MovementRange, StockAt } from "./pages.ts";
export type { Membership, Peers, Standing } from "./peers.ts";

/** The owner of the ledger. A store with another id belongs to another deployment. */
export interface Deployment {
  /** UUID, created with the ledger. */
  readonly id: string;
  /** Fixed for a deployment; another number requires a rebuild. */
  readonly shards: number;
}

/** A decision script of this version or of another one. */
export interface StoredScript {
  /** SHA-1 of the source, 40 lower-case hexadecimal digits. */
  readonly sha: string;
  /** Its text. */
  readonly source: string;
}

/** The last position that the ledger has applied, and numbers beyond it. */
export interface Cursor extends Position {
  /** The last issued epoch; at least `epoch`. */
  readonly issuedEpoch: number;
  /** Highest number that a worker has seen issued. Numbers between `seq` and this are not applied yet. */
  readonly recordedHead: number;
  /**
   * Highest number that a store reported as applied. If it is more than `seq`, the ledger was restored to an older
   * state.
   */
  readonly seenApplied: number;
}

/** The result of applying a batch of log entries. */
export type Applied =
  /**
   * Applied, now or before. `events` is the number of new ones; `deadLetters` is how many of them were also set
   * aside, because something other than their movement could not be applied.
   */
  | {
    readonly kind: "applied";
    readonly cursor: Position;
    readonly events: number;
    readonly deadLetters: number;
    /** Number of events that took units a second time; these units must be returned. */
    readonly compensations: number;
  }
  /** The entries begin after a number that the ledger does not have; nothing was applied. */
  | { readonly kind: "gap"; readonly cursor: Position; readonly found: Position }
  /**
   * New numbers under an epoch older than the ledger's, written by a server that was replaced. Nothing was applied;
   * the shard must be verified again.
   */
  | { readonly kind: "stale_epoch"; readonly cursor: Position; readonly found: Position }
  /**
   * An event has a number that is applied with other contents: the store was restored to an older state and sold on,
   * or it belongs to another ledger. Nothing was applied; the shard must be verified again.
   */
  | { readonly kind: "diverged"; readonly cursor: Position; readonly found: Position }
  /** The sums differ from the store's values. Nothing was applied; the shard must not sell. */
  | { readonly kind: "mismatch"; readonly differences: readonly Difference[] };

/** A SKU whose values differ between ledger and store. */
export interface Difference {
  /** The SKU. */
  readonly sku: string;
  /** The value in the ledger, after the batch; undefined when the SKU is not in it. */
  readonly ledger: { readonly available: number; readonly reserved: number } | undefined;
  /** The value in the store; undefined when the SKU is not in it. */
  readonly store: { readonly available: number; readonly reserved: number } | undefined;
}

/**
 * The exclusive right to write one shard's rows. The connection that holds the lock is the one that writes, so losing
 * the lock ends the writing. After that every call rejects with {@link LeaseLost}.
 */
export interface ShardLedger {
  /** The shard. */
  readonly shard: number;
  /** Checks of the ledger's server. */
  checkResults(): Promise<CheckResult[]>;
  /** Reads the cursor. */
  cursor(): Promise<Cursor>;
  /**
   * Applies entries in order: movements, order lines, stock, audit and cursor, in transactions of at most 16,384
   * lines. Applied entries are compared and skipped, so applying them again is harmless. After a rejection, and after
   * a result other than `applied`, the first events may be in the ledger, up to the end of an event.
   *
   * @throws {LeaseLost}
   */
  apply(entries: readonly LogEntry[]): Promise<Applied>;
  /** Numbers of events in `entries` at or below the cursor that are applied with other contents, or not at all. */
  divergent(entries: readonly LogEntry[]): Promise<number[]>;
  /**
   * Issues the next epoch by compare-and-set and commits it. An epoch is never issued twice, even when this ledger
   * was restored from an older copy: it is one more than `previous` and `seen`.
   *
   * @param previous the last issued epoch, as the caller read it
   * @param seen highest epoch seen in the store, its log, the topic, or by an API; 0 = none
   * @returns the new epoch, or undefined when another worker issued one meanwhile
   */
  issueEpoch(previous: number, seen: number): Promise<number | undefined>;
  /** Stock of this shard by SKU, `limit` rows after `afterSku` (empty string = from the start). */
  stock(afterSku: string, limit: number): Promise<StockRow[]>;
  /** Number of SKUs in this shard. */
  countSkus(): Promise<number>;
  /** SKUs as they were just after number `seq`, without those created later. One snapshot. */
  stockAt(skus: readonly string[], seq: number): Promise<StockAt[]>;
  /** The sums of movements, by SKU; a SKU without any is left out. */
  sumMovements(range: MovementRange): Promise<Omit<StockAt, "policy">[]>;
  /** The SKU that is `count` rows after `afterSku`; undefined when fewer follow. */
  nthSku(afterSku: string, count: number): Promise<string | undefined>;
  /** Number of open dead letters in this shard. */
  countDeadLetters(): Promise<number>;
  /** SKUs with fewer units than `below`, at most `limit`; SKUs with units left come before sold-out ones. */
  lowStock(below: number, limit: number): Promise<Pick<StockRow, "sku" | "available">[]>;
  /** Lines accepted since `sinceMs`, by number, `limit` rows after (`seq`, `line`). */
  lines(sinceMs: number, after: { seq: number; line: number }, limit: number): Promise<LinePage>;
  /**
   * Held lines that are in no page of {@link ShardLedger.lines}: of reservations that are dead letters, and what baskets have
   * prepared again. They have not ended.
   */
  heldAside(): Promise<LineRow[]>;
  /** Units that users bought of SKUs with a quota, within their windows: `limit` order lines after a cursor. */
  quotas(after: QuotaCursor, limit: number): Promise<QuotaPage>;
  /**
   * Open compensations: lines that were sold again after the idempotency window; `limit` rows after (`seq`, `sku`).
   * The transaction that applies the adjustment, or the abort of a line that was prepared again, closes the compensation,
   * so an applied one is not open.
   */
  compensations(after: Pick<Compensation, "seq" | "sku">, limit: number): Promise<Compensation[]>;
  /** Its baskets of several shards. */
  readonly baskets: ShardBaskets;
  /**
   * Deletes order lines accepted more than `ageMs` before the newest one, out of the `limit` after (`seq`, `line`).
   * Held lines and lines that count for a quota are never deleted.
   *
   * @returns how many, and the start of the next page; undefined when no old lines are left
   */
  forgetLines(
    ageMs: number,
    after: { seq: number; line: number },
    limit: number,
  ): Promise<Forgotten | undefined>;
  /** Makes room for the numbers that follow, where movements are in partitions. Returns whether it added one. */
  extendRanges(): Promise<boolean>;
  /**
   * Adds movements older than `ageMs` to the opening balances, of `limit` numbers at most, or drops what is in them.
   *
   * @returns undefined when none are old enough
   */
  foldMovements(ageMs: number, limit: number): Promise<Folded | undefined>;
  /** Opening balances of SKUs after `afterSku`, up to `toSku` (empty string = all that follow). */
  openings(afterSku: string, toSku: string): Promise<Openings>;
  /** Records the highest number seen issued, never backwards. */
  recordHead(head: number): Promise<void>;
  /**
   * Records what a store has issued beyond this ledger, never backwards. It remains when the store is emptied
   * afterwards: the numbers count as lost, and neither they nor the epoch are issued again.
   *
   * @param seen last number and epoch that the store issued
   * @param applied last number that was acknowledged to the store
   */
  recordSeen(seen: Position, applied: number): Promise<void>;
  /** A loss that an operator accepted and the worker has not acted on; undefined without one. */
  recovery(): Promise<Recovery | undefined>;
  /**
   * Moves the cursor over lost numbers, and stores their range as a row, with actor and reason. Corrections are
   * applied after them in the same transaction.
   *
   * @throws {RangeError} when `to` is not ahead of the cursor
   */
  jump(jump: Jump): Promise<void>;
  /**
   * Renews the lease. Call it at least once a second: a session that is silent for 3 s loses it.
   *
   * @throws {LeaseLost}
   */
  beat(): Promise<void>;
  /** Releases the lease; every later call rejects with {@link LeaseLost}. */
  release(): Promise<void>;
}

/** The progress of one shard, readable without a lease. */
export interface Progress {
  /** The shard. */
  readonly shard: number;
  /** Number of the last applied event. */
  readonly seq: number;
  /** Highest number that a worker has seen issued. */
  readonly recordedHead: number;
  /** Number of open dead letters. */
  readonly deadLetters: number;
}

/** The ledger. */
export interface Ledger {
  /**
   * Creates or upgrades the schema and returns its owner.
   *
   * @throws {RangeError} when the ledger was created for another number of shards
   */
  prepare(shards: number): Promise<Deployment>;
  /**
   * Stores the texts of scripts for workers of all versions, and that they are in use. At most 8 are stored, of 256
   * KiB each, for at most 90 days after their last use.
   */
  keepScripts(scripts: readonly StoredScript[]): Promise<void>;
  /** The stored scripts. */
  scripts(): Promise<StoredScript[]>;
  /** Takes the lease of a shard, or returns undefined while another worker has it. */
  lease(shard: number): Promise<ShardLedger | undefined>;
  /** Joins the peers; not active before the first heartbeat. */
  join(): Promise<Membership>;
  /** The owner of the ledger; undefined before it is prepared. */
  deployment(): Promise<Deployment | undefined>;
  /** Checks of the ledger's server. */
  checkResults(): Promise<CheckResult[]>;
  /** All lines of an order in all shards, and the progress of each shard: one snapshot. */
  findOrder(orderId: string): Promise<FoundOrder>;
  /** All lines of a return in all shards, oldest first. */
  findReturn(orderId: string, returnId: string): Promise<OrderLineRow[]>;
  /** Decisions on baskets of several shards. */
  readonly baskets: BasketDecisions;
  /** Pseudonyms in place of a user. */
  readonly forgetting: Forgetting;
  /** The first change of a SKU under an adjustment id, and the progress of the shard: one snapshot. */
  findAdjustment(shard: number, adjustmentId: string, sku: string): Promise<FoundAdjustment>;
  /** The progress of all shards, by number. Takes no lease. */
  progress(): Promise<Progress[]>;
  /** Records that an operator accepts a loss. The shard's worker acts on it if it finds exactly that loss. */
  acceptLoss(shard: number, loss: LossAccepted): Promise<void>;
  /**
   * Applies corrections of a shard in one transaction, after the last applied number. Takes no lease: it locks the
   * row of the cursor, as a worker does while it applies events.
   *
   * @param decide returns the corrections, within 3 s, while no events are applied; it may read through `queries`
   * @returns how many were applied
   */
  correct(
    shard: number,
    decide: (at: Position, queries: Queries) => Promise<readonly Correction[]>,
    note: CorrectionNote,
  ): Promise<number>;
  /**
   * Closes a dead letter: stores actor and decision in its row and as a correction of 0 units.
   *
   * @param units `give back`: the worker returns the units that the event took, as for a line that was sold twice
   */
  closeDeadLetter(id: number, note: CorrectionNote, units: UnitsOf): Promise<Closed>;
  /**
   * Proves that the ledger of a shard is complete, while the worker continues. Yields faults as they are found, and
   * returns the sums of the movements.
   *
   * @param retentionMs order lines older than this may be missing
   * @param onProgress called with the number of movements read so far
   */
  prove(
    shard: number,
    retentionMs: number,
    onProgress: (movements: number) => void,
  ): AsyncGenerator<Fault, ProofWalk | undefined>;
  /** Closes connections; leases end with them. */
  close(): Promise<void>;
}
