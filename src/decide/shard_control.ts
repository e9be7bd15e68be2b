/**
 * The port by which the worker verifies, rebuilds and arms a shard's store. The API does not use it.
 *
 * @module
 */
import type { CheckResult } from "../domain/check_result.ts";
import type { LineRow, QuotaRow, StockRow } from "../domain/rows.ts";
import type { LogEntry, Position } from "../domain/event.ts";
import type { DecisionLimits } from "../domain/limits.ts";

/** The state of a shard's store, read in one atomic step. */
export interface ShardView {
  /** Identity of the running server: changes at every restart, promotion and restore. */
  readonly instance: string;
  /** Id of the owning deployment; null = none yet. */
  readonly deployment: string | null;
  /** The number of shards this store was armed for; 0 = never. */
  readonly shards: number;
  /** Whether it may sell now. */
  readonly armed: boolean;
  /** Epoch it was last armed under and last number issued; 0-0 when never armed. */
  readonly position: Position;
  /** Last number acknowledged to it. */
  readonly applied: number;
  /** Highest epoch that the store or one of its callers has seen; at least the position's. */
  readonly epochSeen: number;
  /** First and last entry in the log. */
  readonly log: { readonly first: Position; readonly last: Position } | null;
  /** The limits of its decisions; null = none were written yet. */
  readonly limits: DecisionLimits | null;
  /** Written by the last acknowledgement that found the head moved; empty = never armed. */
  readonly nonce: string;
  /** It went back to an older state since it was armed: its whole log must be compared with the ledger. */
  readonly suspect: boolean;
  /** The published log source of the last worker; empty when there is none. */
  readonly logWay: string;
  /** The last reconciliation with the ledger; null before the first one. */
  readonly reconciled: Reconciled | null;
  /** Number of SKUs. */
  readonly skus: number;
  /** No key of this shard exists. */
  readonly empty: boolean;
  /** The store's clock, ms since 1970: its lines have times by it. The clock of a worker may be another. */
  readonly nowMs: number;
  /** The server's error when it refuses writes now, e.g. `OOM …`, `READONLY …`; empty when it accepts them. */
  readonly refusal: string;
}

/** Values that arming writes, and its preconditions. */
export interface Arming {
  /** The verified state: the store is armed only if it is unchanged. */
  readonly seen: Pick<ShardView, "instance" | "position">;
  /** The epoch that the ledger issued for this arming. */
  readonly epoch: number;
  /** Id of the deployment whose ledger verified it. */
  readonly deployment: string;
  /** The deployment's number of shards. */
  readonly shards: number;
  /** Last number in the ledger. */
  readonly applied: number;
  /** The token of the restore that filled it; empty when nothing was restored. */
  readonly token: string;
  /** Number of chunks that this restore wrote, empty ones not counted; 0 when nothing was restored. */
  readonly chunks: number;
}

/**
 * Shows a worker that a shard's keys are those that it acknowledged last. Arming writes the epoch; keys that were restored
 * from a copy have the nonce of their own time.
 */
export interface Nonce {
  /** The nonce that the last acknowledgement found or wrote. */
  readonly known: string;
  /** Written if the head has moved. Unchanged until an acknowledgement returns it, as a reply may be lost. */
  readonly next: string;
}

/** The store's reply to an acknowledgement. */
export interface AckResult {
  /**
   * `lost`: armed under another epoch, or not armed. `replaced`: it has another nonce. `went_back`: its head is below the
   * ledger's cursor, and it was disarmed. In each case it must be verified again.
   */
  readonly kind: "armed" | "lost" | "replaced" | "went_back";
  /** Last number issued. */
  readonly head: number;
  /** Replicas for which responses no longer wait, as they were silent for too long; 0 without replicas. */
  readonly silentReplicas: number;
  /** The server's error when it refused the writes. */
  readonly refusal?: string;
  /** The present nonce. */
  readonly nonce: string;
}

/** A restore was overtaken by another one: this worker must write nothing more. */
export class RestoreOvertaken extends Error {
  /** What logs show; callers test with `instanceof`. */
  override name = "RestoreOvertaken";
}

/** Verifies, rebuilds and arms shards. One worker per shard uses it; an overtaken one is harmless. */
export interface ShardControl {
  /** Written into the shards that it arms and acknowledges. */
  readonly limits: DecisionLimits;
  /** Checks the shard's server. */
  checkResults(shard: number): Promise<CheckResult[]>;
  /** Publishes the status of a shard of this deployment, for readiness checks. */
  publish(shard: number, deployment: string, note: ShardStatus): Promise<void>;
  /** Loads the scripts of the API, and reads the shard. */
  inspect(shard: number): Promise<ShardView>;
  /** Stock in pages, for comparison. `cursor` starts with "0" and ends when `next` is null. */
  stock(shard: number, cursor: string): Promise<{ rows: StockRow[]; next: string | null }>;
  /** Entries of the shard's own log after `after`, oldest first; empty at its end. Does not wait. */
  entries(shard: number, after: Position, entriesMax: number): Promise<LogEntry[]>;
  /** Disarms the shard at once. `suspect` goes into {@link ShardView.suspect}. */
  disarm(shard: number, deployment: string, suspect?: boolean): Promise<void>;
  /**
   * Disarms the shard and marks its contents as incomplete, in one step: the next arming rebuilds it first.
   *
   * @returns false when the shard belongs to another deployment
   */
  markForRebuild(shard: number, deployment: string): Promise<boolean>;
  /**
   * Disarms the shard unless a running worker acknowledges it: the first call writes `word`, which the next acknowledgement
   * removes; a later call with the same word disarms the shard if it is still there.
   *
   * @returns `recorded`: nothing was disarmed; at a later call that means that a worker acknowledges the shard
   */
  disarmUnacknowledged(shard: number, deployment: string, word: string): Promise<"recorded" | "disarmed">;
  /**
   * Empties the shard and starts a restore under `token`; numbers continue after `at.seq`. The chunks that it takes are
   * counted with the token, so that keys of an older copy have an older count. An empty chunk is not written.
   */
  beginRestore(shard: number, token: string, seen: ShardView, arming: RestoreStart): Promise<void>;
  /**
   * Writes a chunk of SKUs into the shard that is being restored.
   *
   * @throws {RestoreOvertaken} when another restore began: nothing was written
   */
  restoreStock(shard: number, token: string, rows: readonly StockRow[]): Promise<void>;
  /**
   * Adds a chunk of users' purchases of SKUs with a quota to those written before.
   *
   * @throws {RestoreOvertaken} when another restore began: nothing was written
   */
  restoreQuotas(shard: number, token: string, rows: readonly QuotaRow[]): Promise<void>;
  /**
   * Writes a chunk of remembered lines into the shard that is being restored, open reservations among them.
   *
   * @throws {RestoreOvertaken} when another restore began: nothing was written
   */
  restoreLines(shard: number, token: string, rows: readonly LineRow[]): Promise<void>;
  /**
   * Arms the shard, with this control's limits, if it is unchanged since the verification, and has every chunk of its
   * restore. Returns whether it did.
   */
  arm(shard: number, arming: Arming): Promise<boolean>;
  /**
   * Acknowledges the ledger's cursor (never backwards), writes this control's limits, and trims the log behind the cursor.
   * On a server that refuses writes it only reads.
   */
  acknowledge(shard: number, applied: Position, deployment: string, nonce: Nonce): Promise<AckResult>;
  /**
   * Deletes purchase counts of quotas that have ended, a page at a time.
   *
   * @param cursor "0" at first, then the result of the previous call
   * @returns the next cursor; "0" after the last page
   */
  sweepQuotas(shard: number, deployment: string, cursor: string): Promise<string>;
  /** Closes connections. */
  close(): Promise<void>;
}

/** The result of the last reconciliation of a shard with the ledger. */
export interface Reconciled {
  /** When every SKU had been compared, ms since 1970; 0 before the first time. */
  readonly atMs: number;
  /** Number of SKUs. */
  readonly skus: number;
  /** Differences that were found and are not gone. */
  readonly differences: number;
  /** Last number and time at which the stock of every SKU agreed. */
  readonly agreed?: { readonly seq: number; readonly atMs: number };
}

/** The status that a worker publishes with a shard. */
export type ShardStatus =
  /** Guarantees that its servers do not keep, as text. */
  | { readonly kind: "promises_off"; readonly off: readonly string[] }
  /** The worker verifies it from now on. */
  | { readonly kind: "verifying" }
  /** Why the worker did not arm it; without SKUs and stock. */
  | { readonly kind: "refusal"; readonly reason: string }
  /** Where the worker reads the log: `stream`, or the topic and its cluster. */
  | { readonly kind: "log_way"; readonly way: string }
  /** What the continuous reconciliation found. */
  | { readonly kind: "reconciled"; readonly result: Reconciled };

/** The start of a restored shard. */
export interface RestoreStart {
  /** Id of the deployment of the ledger. */
  readonly deployment: string;
  /** The deployment's number of shards. */
  readonly shards: number;
  /** Highest number ever seen: numbers never restart. */
  readonly seq: number;
  /** Last number in the ledger, at most `seq`. A ledger with a lower one that finds the restore unfinished went back since. */
  readonly applied: number;
}
