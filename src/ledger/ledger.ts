/**
 * The port to the ledger: what was sold, for good.
 *
 * @module
 */
import type { FoundAdjustment } from "../domain/adjustment.ts";
import type { CheckResult } from "../domain/check_result.ts";
import type { Membership } from "./peers.ts";
import type { LogEntry, Position } from "../domain/event.ts";
import type { Closed, Correction, CorrectionNote, UnitsOf } from "./corrections.ts";
import type { Queries } from "./database.ts";
import type { QuotaCursor, QuotaPage } from "./pages.ts";
import type { Fault, ProofWalk } from "./proof_walk.ts";
import type { Jump, LossAccepted, Recovery } from "./recovery.ts";
import type {
  Compensation,
  Forgotten,
  FoundOrder,
  LinePage,
  OrderLineRow,
  StockRow,
} from "../domain/rows.ts";

export type { Membership, Peers, Standing } from "./peers.ts";

/** Who owns this ledger. A store that carries another id belongs to somebody else. */
export interface Deployment {
  /** UUID, made with the ledger. */
  readonly id: string;
  /** Fixed for a deployment; changing it is a rebuild. */
  readonly shards: number;
}

/** A script that decides, of this version or of another one. */
export interface StoredScript {
  /** SHA-1 of the source, 40 lower-case hexadecimal digits. */
  readonly sha: string;
  /** The whole text. */
  readonly source: string;
}

/** How far a shard's log is in the ledger. */
export interface Cursor extends Position {
  /** The epoch that was issued last; at least `epoch`. */
  readonly issuedEpoch: number;
  /** Highest number that a worker has seen issued; what lies between it and `seq` is not applied yet. */
  readonly recordedHead: number;
  /** Highest number that a store said is applied. More than `seq`: this ledger went back to an older state. */
  readonly seenApplied: number;
}

/** What became of a batch of log entries. */
export type Applied =
  /**
   * In the ledger, or already there. `events` is how many were new; `deadLetters` how many of them were also set
   * aside, because something beside their movement could not be applied.
   */
  | {
    readonly kind: "applied";
    readonly cursor: Position;
    readonly events: number;
    readonly deadLetters: number;
    /** How many of them took units a second time, which are to be given back. */
    readonly compensations: number;
  }
  /** The log goes on after a number that the ledger has not seen: nothing was applied. */
  | { readonly kind: "gap"; readonly cursor: Position; readonly found: Position }
  /**
   * New numbers under an epoch older than the ledger's: a server that was replaced wrote them. Nothing was applied;
   * the shard must be verified again.
   */
  | { readonly kind: "stale_epoch"; readonly cursor: Position; readonly found: Position }
  /**
   * An event has a number that is applied with other contents: the store went back to an older state and sold on, or
   * these are not the ledger that it sold into. Nothing was applied; the shard must be verified again.
   */
  | { readonly kind: "diverged"; readonly cursor: Position; readonly found: Position }
  /** The sums differ from what the store said: nothing was applied, the shard must not sell. */
  | { readonly kind: "mismatch"; readonly differences: readonly Difference[] };

/** A SKU whose figures differ between the ledger and the store. */
export interface Difference {
  /** Whose figures. */
  readonly sku: string;
  /** What the ledger say, or would say; undefined when they do not know the SKU. */
  readonly ledger: { readonly available: number; readonly reserved: number } | undefined;
  /** What the store says; undefined when it does not know the SKU. */
  readonly store: { readonly available: number; readonly reserved: number } | undefined;
}

/**
 * The right to write one shard's rows, and the only way to: the connection that holds the lock is the
 * one that writes, so losing the lock ends the writing. After that every call rejects with {@link LeaseLost}.
 */
export interface ShardLedger {
  /** Whose rows. */
  readonly shard: number;
  /** What the ledger's server says of itself, judged. */
  checkResults(): Promise<CheckResult[]>;
  /** Where the ledger is. */
  cursor(): Promise<Cursor>;
  /**
   * Applies entries in order: movements, order lines, stock, the audit, the cursor, in transactions of at most 16,384
   * lines. What is already applied is compared and skipped, so applying again is harmless. After a rejection, and after an answer
   * other than `applied`, a beginning of the entries may be in the ledger, up to the end of an event.
   *
   * @throws {LeaseLost}
   */
  apply(entries: readonly LogEntry[]): Promise<Applied>;
  /** Numbers of events in `entries` that are at or below the cursor and are applied with other contents, or not at all. */
  divergent(entries: readonly LogEntry[]): Promise<number[]>;
  /**
   * Issues the next epoch by compare-and-set and commits it. An epoch is never issued twice, also when this ledger was
   * restored from an older copy: it is one more than `previous` and than `seen`.
   *
   * @param previous the epoch issued last, as the caller read it
   * @param seen highest epoch seen in the store, its log, the topic, or by an API; 0 = none
   * @returns the new epoch, or undefined when another worker issued one meanwhile
   */
  issueEpoch(previous: number, seen: number): Promise<number | undefined>;
  /** Stock of this shard by SKU, `limit` rows after `afterSku` (empty string = from the start). */
  stock(afterSku: string, limit: number): Promise<StockRow[]>;
  /** How many SKUs this shard has. */
  countSkus(): Promise<number>;
  /** How many events of this shard wait for a person. */
  countDeadLetters(): Promise<number>;
  /** SKUs with fewer units than `below`, at most `limit`; those that are nearly gone before those that are gone. */
  lowStock(below: number, limit: number): Promise<Pick<StockRow, "sku" | "available">[]>;
  /** Lines accepted since `sinceMs`, by number, `limit` rows after (`seq`, `line`). */
  lines(sinceMs: number, after: { seq: number; line: number }, limit: number): Promise<LinePage>;
  /** What users have bought of SKUs with a quota, within their windows: `limit` order lines after a place. */
  quotas(after: QuotaCursor, limit: number): Promise<QuotaPage>;
  /**
   * What is to be given back: lines that returned after the idempotency window and were sold again; `limit` rows after
   * (`seq`, `sku`). The transaction that books the adjustment closes it; one whose adjustment is applied is not open.
   */
  compensations(after: Pick<Compensation, "seq" | "sku">, limit: number): Promise<Compensation[]>;
  /**
   * Deletes order lines accepted more than `ageMs` before the newest one, out of the `limit` after (`seq`, `line`).
   * What is held or counts for a quota stays at any age; movements always do.
   *
   * @returns how many, and where the next page starts; undefined when nothing old is left after that place
   */
  forgetLines(
    ageMs: number,
    after: { seq: number; line: number },
    limit: number,
  ): Promise<Forgotten | undefined>;
  /** Notes the highest number seen issued, never backwards. */
  recordHead(head: number): Promise<void>;
  /**
   * Notes what a store knows beyond this ledger, never backwards. It is kept when the store is emptied afterwards: the
   * numbers are counted as lost, and neither they nor the epoch are issued again.
   *
   * @param seen last number and epoch that the store issued
   * @param applied last number that the store was told is applied
   */
  recordSeen(seen: Position, booked: number): Promise<void>;
  /** A loss that a person accepted and the worker has not acted on; undefined without one. */
  recovery(): Promise<Recovery | undefined>;
  /**
   * Moves the cursor over numbers that are lost, and writes how many as a row of its own, with who decided it and why.
   * Corrections are applied behind them in the same transaction.
   *
   * @throws {RangeError} when `to` is not ahead of the cursor
   */
  jump(jump: Jump): Promise<void>;
  /**
   * Keeps the lease. Call it at least once a second: a session that is silent for 3 s loses it.
   *
   * @throws {LeaseLost}
   */
  beat(): Promise<void>;
  /** Gives the lease back; every later call rejects with {@link LeaseLost}. */
  release(): Promise<void>;
}

/** How far the ledger of one shard are, as everybody may ask. */
export interface Progress {
  /** Which. */
  readonly shard: number;
  /** Number of the last event in the ledger. */
  readonly seq: number;
  /** Highest number that a worker has seen issued. */
  readonly recordedHead: number;
  /** Events that wait for a person. */
  readonly deadLetters: number;
}

/** The ledger. */
export interface Ledger {
  /**
   * Makes or upgrades the schema and says whose it is.
   *
   * @throws {RangeError} when the ledger was made for another number of shards
   */
  prepare(shards: number): Promise<Deployment>;
  /**
   * Keeps the texts of scripts for the workers of every version, and notes that they are in use. At most 8 are kept, of
   * 256 KiB each, and none longer than 90 days after it was last kept.
   */
  keepScripts(scripts: readonly StoredScript[]): Promise<void>;
  /** The scripts that are kept. */
  scripts(): Promise<StoredScript[]>;
  /** Takes the lease of a shard, or returns undefined while another worker has it. */
  lease(shard: number): Promise<ShardLedger | undefined>;
  /** Takes part in the sharing out of the shards; not counted before the first look. */
  join(): Promise<Membership>;
  /** Whose ledger these are; undefined before they are prepared. */
  deployment(): Promise<Deployment | undefined>;
  /** What the ledger's server says of itself, judged. */
  checkResults(): Promise<CheckResult[]>;
  /** Every line of an order, in all shards, and how far the ledger is in each: one snapshot. */
  findOrder(orderId: string): Promise<FoundOrder>;
  /** Every line of a return, in all shards, oldest first. */
  findReturn(orderId: string, returnId: string): Promise<OrderLineRow[]>;
  /** The first change of a SKU under an adjustment id, and how far the ledger of the shard is: one snapshot. */
  findAdjustment(shard: number, adjustmentId: string, sku: string): Promise<FoundAdjustment>;
  /** How far the ledger of every shard are, by number. Takes no lease. */
  progress(): Promise<Progress[]>;
  /** Notes that a person accepts a loss. The shard's worker acts on it if it finds exactly what was accepted. */
  acceptLoss(shard: number, loss: LossAccepted): Promise<void>;
  /**
   * Applies corrections of a shard in one transaction, behind the last number applied. Takes no lease: the cursor's row
   * is locked meanwhile, as it is while a worker books.
   *
   * @param decide says what to correct, within 3 s, while nothing is applied; it may read through `queries`
   * @returns how many were applied
   */
  correct(
    shard: number,
    decide: (at: Position, queries: Queries) => Promise<readonly Correction[]>,
    note: CorrectionNote,
  ): Promise<number>;
  /**
   * Closes a dead letter: notes who decided what, in its row and as a correction of 0 units.
   *
   * @param units `give back`: the worker gives back what the event took, as it does for a line that was sold twice
   */
  closeDeadLetter(id: number, note: CorrectionNote, units: UnitsOf): Promise<Closed>;
  /**
   * Proves that the ledger of a shard is whole, while the worker books on. Yields what is wrong as it is found, and
   * returns the sums of the movements.
   *
   * @param retentionMs order lines older than this may be missing
   * @param onProgress told of the number of movements read so far
   */
  prove(
    shard: number,
    retentionMs: number,
    onProgress: (movements: number) => void,
  ): AsyncGenerator<Fault, ProofWalk | undefined>;
  /** Closes connections; leases end with them. */
  close(): Promise<void>;
}
