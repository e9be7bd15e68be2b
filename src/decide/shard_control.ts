/**
 * The port through which the worker verifies a shard's store, brings it up to date and lets it sell.
 * The API never uses it.
 *
 * @module
 */
import type { CheckResult } from "../domain/check_result.ts";
import type { LineRow, QuotaRow, StockRow } from "../domain/rows.ts";
import type { LogEntry, Position } from "../domain/event.ts";
import type { DecisionLimits } from "../domain/limits.ts";

/** What a shard's store says of itself, read in one atomic step. */
export interface ShardView {
  /** Identity of the running server: changes at every restart, promotion and restore. */
  readonly instance: string;
  /** Whose stock this is; null = nobody's yet. */
  readonly deployment: string | null;
  /** The number of shards this store was armed for; 0 = never. */
  readonly shards: number;
  /** Whether it may sell now. */
  readonly armed: boolean;
  /** Epoch it was last armed under and last number issued; 0-0 when never armed. */
  readonly position: Position;
  /** Last number that it was told is in the ledger. */
  readonly applied: number;
  /** Highest epoch that the store or one of its callers has seen; at least the position's. */
  readonly epochSeen: number;
  /** First and last entry that the log still has. */
  readonly log: { readonly first: Position; readonly last: Position } | null;
  /** The limits that decide here; null = none were written yet. */
  readonly limits: DecisionLimits | null;
  /** Noted at the last visit that found the head moved; empty = never armed. */
  readonly nonce: string;
  /** It went back to an older state since it was armed: all that its log has must be compared with the ledger. */
  readonly suspect: boolean;
  /** Where the last worker read the log, as it noted; empty when none did. */
  readonly logWay: string;
  /** How many SKUs it has. */
  readonly skus: number;
  /** No key of this shard exists. */
  readonly empty: boolean;
  /** The server's error when it refuses writes now, e.g. `OOM …`, `READONLY …`; empty when it takes them. */
  readonly refusal: string;
}

/** What arming writes, and what must still be true for it. */
export interface Arming {
  /** What was verified: the store arms only if it is still exactly so. */
  readonly seen: Pick<ShardView, "instance" | "position">;
  /** The epoch that the ledger issued for this. */
  readonly epoch: number;
  /** Id of the deployment whose ledger verified it. */
  readonly deployment: string;
  /** The deployment's number of shards. */
  readonly shards: number;
  /** How far the ledger is. */
  readonly applied: number;
  /** The token of the restore that filled it; empty when nothing was restored. */
  readonly token: string;
}

/**
 * Shows a worker that a shard's keys are still those that it visited. Arming notes the epoch; keys that were copied and put back later carry
 * the nonce of their own time.
 */
export interface Nonce {
  /** What the last visit found or left. */
  readonly known: string;
  /** What this one notes if the head has moved. Stays the same until a visit returns it, as a reply may be lost. */
  readonly next: string;
}

/** A shard's store at the worker's regular visit. */
export interface AckResult {
  /**
   * `lost`: armed under another epoch, or not armed. `replaced`: another nonce is noted than was known. `went_back`: its
   * head is below what was applied from it, and it was disarmed. In each case it must be verified again.
   */
  readonly kind: "armed" | "lost" | "replaced" | "went_back";
  /** Last number issued. */
  readonly head: number;
  /** Replicas that answers wait for no longer, as they were silent for too long; 0 without replicas. */
  readonly silentReplicas: number;
  /** The server's error when it refused the visit's writes. */
  readonly refusal?: string;
  /** What is noted now. */
  readonly nonce: string;
}

/** A restore was overtaken by another one: this worker must write nothing more. */
export class RestoreOvertaken extends Error {
  /** What logs show; callers test with `instanceof`. */
  override name = "RestoreOvertaken";
}

/** Verifies, fills and arms shards. One worker a shard uses it, but an overtaken one does no harm. */
export interface ShardControl {
  /** By which the shards decide that it arms and visits. */
  readonly limits: DecisionLimits;
  /** What the shard's server says of itself, judged. */
  checkResults(shard: number): Promise<CheckResult[]>;
  /** Notes beside the shard how it stands, if it is this deployment's: for those who ask whether it is ready. */
  publish(shard: number, deployment: string, note: ShardStatus): Promise<void>;
  /** Loads what the API needs to decide, and reads the shard. */
  inspect(shard: number): Promise<ShardView>;
  /** Stock in pages, for comparison. `cursor` starts with "0" and ends when `next` is null. */
  stock(shard: number, cursor: string): Promise<{ rows: StockRow[]; next: string | null }>;
  /** What the shard's own log has after `after`, oldest first; empty at its end. Does not wait. */
  entries(shard: number, after: Position, entriesMax: number): Promise<LogEntry[]>;
  /** Takes the right to sell away, at once. `suspect` goes into {@link ShardView.suspect}. */
  disarm(shard: number, deployment: string, suspect?: boolean): Promise<void>;
  /**
   * Takes the right to sell away and marks the contents as not whole, in one step: who arms the shard next fills it from
   * the ledger first.
   *
   * @returns whether it did; false = the shard is another deployment's
   */
  markForRebuild(shard: number, deployment: string): Promise<boolean>;
  /**
   * Disarms the shard unless a living worker visits it: the first call notes `word`, which the next visit takes away; a
   * later call with the same word disarms the shard if it is still there.
   *
   * @returns `noted`: nothing was disarmed; at a later call that means that a worker visits the shard
   */
  disarmUnacknowledged(shard: number, deployment: string, word: string): Promise<"noted" | "disarmed">;
  /** Empties the shard and starts a restore under `token`; numbers go on after `at.seq`. */
  beginRestore(shard: number, token: string, seen: ShardView, arming: RestoreStart): Promise<void>;
  /**
   * Writes a chunk of SKUs into the shard that is being restored.
   *
   * @throws {RestoreOvertaken} when another restore began: nothing was written
   */
  restoreStock(shard: number, token: string, rows: readonly StockRow[]): Promise<void>;
  /**
   * Adds a chunk of what users have bought of SKUs with a quota to what was written before.
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
  /** Lets the shard sell, by this control's limits, if it is still what was verified. Returns whether it did. */
  arm(shard: number, arming: Arming): Promise<boolean>;
  /**
   * Tells the shard how far the ledger is (never backwards) and by which limits it decides: this control's. Trims its
   * log behind the ledger. On a server that refuses writes it only reads.
   */
  acknowledge(shard: number, applied: Position, deployment: string, nonce: Nonce): Promise<AckResult>;
  /**
   * Drops what users have bought under quotas that are over, a page at a time.
   *
   * @param cursor "0" at first, then what the call before returned
   * @returns where the next page starts; "0" after the last
   */
  sweepQuotas(shard: number, deployment: string, cursor: string): Promise<string>;
  /** Closes connections. */
  close(): Promise<void>;
}

/** What a worker notes beside a shard. */
export type ShardStatus =
  /** Guarantees that its servers do not keep, as text. */
  | { readonly kind: "promises_off"; readonly off: readonly string[] }
  /** The worker verifies it from now on. */
  | { readonly kind: "verifying" }
  /** Why the worker did not arm it; names no SKU and no figure. */
  | { readonly kind: "refusal"; readonly reason: string }
  /** Where the worker reads the log: `stream`, or the topic and its cluster. */
  | { readonly kind: "log_way"; readonly way: string };

/** What a restored shard starts from. */
export interface RestoreStart {
  /** Id of the deployment whose ledger fills it. */
  readonly deployment: string;
  /** The deployment's number of shards. */
  readonly shards: number;
  /** Highest number ever seen: numbers never start again. */
  readonly seq: number;
  /** Last number in the ledger, at most `seq`. A ledger with less that finds the restore unfinished went back since. */
  readonly booked: number;
}
