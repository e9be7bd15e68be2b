/**
 * Types and helpers that the states of a shard's worker share.
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

export interface ShardWorkerParts extends Omit<ArmingParts, "ledger"> {
  /** Issues the leases of shards. */
  readonly ledger: Ledger;
  /** Decides the worker's own adjustments. */
  readonly store: StockStore;
  /**
   * Where this worker reads the log, published with each shard that it arms: `stream`, or the topic and its cluster.
   * Undefined while that is unknown; left out = not published.
   */
  readonly logWay?: () => Promise<string | undefined>;
  /** Order lines older than this are deleted, ms; at least the idempotency window. */
  readonly retentionMs: number;
  /** Every SKU is compared with the ledger within this time while the shard sells, ms; left out or 0 = never. */
  readonly reconcileMs?: number;
  /** Movements older than this go into opening balances, ms; at least `retentionMs`. 0, or left out = never. */
  readonly movementsRetentionMs?: number;
  readonly logger: Logger;
  /** Logs why the shard was released although its lease was valid; cleared when it is armed. */
  readonly interruption: Reminder;
  readonly observer?: WorkerObserver;
  /** Called after each commit: everything up to `seq` is in the ledger. */
  readonly onApplied?: (shard: number, seq: number) => void;
  /**
   * After a small commit the worker waits this long before it reads the log again, ms: larger commits cost less an
   * event. Left out = 0, for a store whose callers wait for the commit.
   */
  readonly gatherMs?: number;
  /** Called with a failure before the next attempt; may end the process instead. */
  readonly onFailure?: (error: unknown) => void;
}

/** Only an operator can lift a refusal: no need to ask the servers four times a second. */
export const refusedRetryMs = 1000;

/** Waits at most 1 s, and keeps the lease: the ledger ends a session that is silent for 3 s. */
export async function pause(
  world: World,
  ms: number,
  ledger: ShardLedger,
  signal: AbortSignal,
): Promise<void> {
  await ledger.beat();
  await sleep(world, ms, signal);
}
