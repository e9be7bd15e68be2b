/**
 * What the states of a shard's worker share.
 *
 * @module
 */
import type { StockStore } from "../decide/store.ts";
import type { Ledger, ShardLedger } from "../ledger/ledger.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Reminder } from "../runtime/reminder.ts";
import { sleep, type World } from "../runtime/world.ts";
import type { ArmingParts } from "./arming.ts";
import type { WorkerObserver } from "./observer.ts";

/** What a shard's worker needs. */
export interface ShardWorkerParts extends Omit<ArmingParts, "ledger"> {
  /** Leases shards' books. */
  readonly ledger: Ledger;
  /** Where the worker's own adjustments are decided. */
  readonly store: StockStore;
  /**
   * Where this worker reads the log, noted beside each shard that it arms: `stream`, or the topic and its cluster.
   * Undefined while nobody can tell; left out = nothing is noted.
   */
  readonly logWay?: () => Promise<string | undefined>;
  /** Order lines older than this are deleted, ms; at least the idempotency window. */
  readonly retentionMs: number;
  /** Told of every change: lease, arming, refusal, loss. */
  readonly logger: Logger;
  /** Logs why the shard is kept no longer although its lease was good; over when it is armed. */
  readonly interruption: Reminder;
  /** Watches what becomes of the shard; left out = nobody does. */
  readonly watch?: WorkerObserver;
  /** Told after each commit: everything up to `seq` is in the ledger. */
  readonly onApplied?: (shard: number, seq: number) => void;
  /** Told of a failure before the next attempt; may end the process instead. */
  readonly onFailure?: (error: unknown) => void;
}

/** A refusal is for a person to lift: no need to ask the servers four times a second. */
export const refusedRetryMs = 1000;

/** Waits, and keeps the lease meanwhile: an idle session is ended by the ledger. */
export async function pause(
  world: World,
  ms: number,
  ledger: ShardLedger,
  signal: AbortSignal,
): Promise<void> {
  await ledger.beat();
  await sleep(world, ms, signal);
}
