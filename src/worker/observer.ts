/**
 * Observer of worker events, called after the fact. Implementations must not block or throw.
 *
 * @module
 */
import type { LogEntry } from "../domain/event.ts";
import type { Applied } from "../ledger/ledger.ts";

/** Observer of one batch of entries that is being applied. */
export interface ApplyObserver {
  /** W3C `traceparent` of the batch, for log lines about it. */
  readonly traceparent: string;
  /** The ledger returned a result. */
  ended(applied: Applied): void;
  /** The call failed; the entries may or may not be in the ledger. */
  failed(error: unknown): void;
}

/** Result of a verification. */
export type ArmingResult = "armed" | "rebuilt" | "refused" | "changed";

/** Metrics of a shard that are read every 10 s, because each costs a query. */
export interface ShardLedgerMetrics {
  /** Events that wait for an operator. */
  readonly deadLetters: number;
  /** SKUs that are nearly sold out; null when they were not read. */
  readonly lowStock: readonly { readonly sku: string; readonly available: number }[] | null;
}

/** Progress of the continuous reconciliation of a shard. */
export interface ReconciliationProgress {
  /** Number of SKUs compared since the last call. */
  readonly skus: number;
  /** Differences that are known and not gone. */
  readonly differences: number;
  /** When every SKU had been compared, ms since 1970; undefined before the first time. */
  readonly endedAtMs: number | undefined;
}

/** Observer of a worker's shards. */
export interface WorkerObserver {
  /** The lease of a shard was taken. */
  leased(shard: number): void;
  /** The lease is lost or was released. */
  released(shard: number): void;
  /** A shard was verified. `driftUnits`: units by which store and ledger differ. */
  verified(shard: number, result: ArmingResult, driftUnits: number): void;
  /** The store is no longer the one that was verified. */
  disarmed(shard: number): void;
  /** Entries will be applied. */
  applying(shard: number, entries: readonly LogEntry[]): ApplyObserver;
  /** The store was acknowledged: the last number issued, and the last one applied. */
  acknowledged(shard: number, head: number, applied: number): void;
  /** Entries were appended to the topic, between two readings of the monotonic clock. */
  appended(shard: number, entries: readonly LogEntry[], startMs: number, endMs: number): void;
  /** A topic was read; `unread` messages follow. */
  topicRead(shard: number, unread: number): void;
  /** The shard's servers were checked: the number of guarantees that are off or in doubt. */
  guaranteesOff(shard: number, count: number): void;
  /** Ledger metrics were read. */
  ledgerMetrics(shard: number, metrics: ShardLedgerMetrics): void;
  /** A part of the shard was compared with the ledger. */
  reconciled(shard: number, progress: ReconciliationProgress): void;
}

/** An observer that does nothing. */
export const noObserver: WorkerObserver = {
  leased() {},
  released() {},
  verified() {},
  disarmed() {},
  applying: () => ({ traceparent: "", ended() {}, failed() {} }),
  acknowledged() {},
  appended() {},
  topicRead() {},
  guaranteesOff() {},
  ledgerMetrics() {},
  reconciled() {},
};
