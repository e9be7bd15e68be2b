/**
 * The worker's life with one shard:
 *
 *     lease ──▶ arm ──▶ follow ──┐
 *       ▲        ▲               │ the store lost its right to sell: arm again
 *       │        └───────────────┤
 *       └────────────────────────┘ the lease or the ledger is gone: wait, take the lease again
 *
 * @module
 */
import type { StockStore } from "../inventory/store.ts";
import type { Ledger, ShardLedger } from "../ledger/ledger.ts";
import { describeError, type Logger } from "../telemetry/logger.ts";
import { sleep, type World } from "../world.ts";
import { apply, LedgerMismatch, whyNotBooked } from "./apply.ts";
import { compensate } from "./compensate.ts";
import { Retention } from "./retention.ts";
import { arm, type ArmingParts, describe } from "./arming.ts";

/** What a shard's worker needs. */
export interface ShardWorkerParts extends Omit<ArmingParts, "ledger"> {
  /** Leases the shard's books, again after each loss. */
  readonly ledger: Ledger;
  /** Where the worker's own adjustments are decided. */
  readonly store: StockStore;
  /** Order lines older than this are deleted, ms; at least the idempotency window. */
  readonly retentionMs: number;
  /** Told of every change: lease, arming, refusal, loss. */
  readonly logger: Logger;
  /** Told after each commit: everything up to `seq` is in the ledger. */
  readonly onBooked?: (shard: number, seq: number) => void;
  /** Told of a failure before the next attempt; may end the process instead. */
  readonly onFailure?: (error: unknown) => void;
}

/** An idle shard is visited this often, so a store that restarted is found within it. */
const visitEveryMs = 200;
/** Between two attempts at a lease, an arming or a broken ledger. */
const retryEveryMs = 250;
/** A refusal is for a person to lift: no need to ask the servers four times a second. */
const refusedRetryMs = 1000;
/** Entries a transaction: at most 64 batches of the store. */
const entriesMax = 64;

/** Keeps one shard until `parts.signal` aborts. */
export async function keepShard(shard: number, parts: ShardWorkerParts): Promise<void> {
  const { signal, world, logger } = parts;
  while (!signal.aborted) {
    let lease: ShardLedger | undefined;
    try {
      lease = await parts.ledger.lease(shard);
      if (lease) {
        logger.debug("lease taken", { shard });
        await hold(lease, parts);
      }
    } catch (error) {
      if (signal.aborted) break;
      parts.onFailure?.(error);
      logger.warn("shard interrupted", { shard, error: describeError(error) });
    } finally {
      await lease?.release().catch(() => {}); // the lease ends with its connection in any case
    }
    await sleep(world, retryEveryMs, signal);
  }
}

async function hold(ledger: ShardLedger, parts: ShardWorkerParts): Promise<void> {
  let lastRefusal = "";
  while (!parts.signal.aborted) {
    const verdict = await arm({ ...parts, ledger }).catch((error) => refuseOnMismatch(error, ledger));
    switch (verdict.kind) {
      case "armed":
        lastRefusal = "";
        parts.logger.info("shard armed", { shard: ledger.shard, ...verdict });
        await follow(ledger, verdict.epoch, parts);
        break;
      case "refused":
        if (verdict.reason !== lastRefusal) {
          parts.logger.error("shard refused", { shard: ledger.shard, reason: verdict.reason });
          parts.onFailure?.(new Error(verdict.reason));
        }
        lastRefusal = verdict.reason;
        await pause(parts.world, refusedRetryMs, ledger, parts.signal);
        break;
      case "changed":
        await pause(parts.world, retryEveryMs, ledger, parts.signal);
    }
  }
}

/** Books the log and visits the store until the store is no longer the one that was armed. */
async function follow(ledger: ShardLedger, epoch: number, parts: ShardWorkerParts): Promise<void> {
  const { log, control, signal, logger, world } = parts;
  const { shard } = ledger;
  let position = { epoch, seq: (await ledger.cursor()).seq };
  parts.onBooked?.(shard, position.seq);
  await giveBackDue(ledger, parts);
  const retention = new Retention(ledger, world, parts.retentionMs);
  let noted = { head: position.seq, atMs: world.elapsedMs() };
  try {
    while (!signal.aborted) {
      const entries = await log.read(shard, position, { entriesMax, waitMs: visitEveryMs, signal });
      if (entries.length > 0) {
        const applied = await apply(ledger, entries);
        if (applied.kind !== "applied") {
          logger.error("log cannot be booked", { shard, why: whyNotBooked(applied) });
          await control.disarm(shard, parts.deployment.id);
          return;
        }
        const { deadLetters, compensations } = applied;
        if (deadLetters > 0) logger.error("dead letters", { shard, deadLetters });
        if (compensations > 0) await giveBackDue(ledger, parts);
        position = applied.cursor;
        parts.onBooked?.(shard, position.seq);
      } else {
        await ledger.beat();
        // Nobody asks, so nobody sees that reservations have lapsed: an empty batch gives them back.
        await parts.store.decide(shard, []);
      }
      const visit = await control.visit(shard, { epoch, seq: position.seq }, parts.deployment.id);
      if (visit.kind === "lost") {
        logger.warn("store lost its right to sell", { shard });
        return;
      }
      // A commit of its own, so once a tick: what is booked by then the cursor knows.
      const nowMs = world.elapsedMs();
      if (visit.head > Math.max(noted.head, position.seq) && nowMs - noted.atMs >= visitEveryMs) {
        noted = { head: visit.head, atMs: nowMs };
        await ledger.noteHead(noted.head);
      }
      const forgotten = await retention.step();
      if (forgotten > 0) logger.info("old order lines deleted", { shard, lines: forgotten });
    }
  } catch (error) {
    if (error instanceof LedgerMismatch) await control.disarm(shard, parts.deployment.id);
    throw error;
  }
}

async function giveBackDue(ledger: ShardLedger, { store, logger }: ShardWorkerParts): Promise<void> {
  const { shard } = ledger;
  const { given, refused } = await compensate(ledger, store);
  if (given > 0) logger.warn("sold twice after the window, given back", { shard, lines: given });
  for (const reason of refused) {
    logger.error("sold twice after the window, not given back", { shard, reason });
  }
}

function refuseOnMismatch(error: unknown, { shard }: ShardLedger) {
  if (!(error instanceof LedgerMismatch)) throw error;
  return { kind: "refused", reason: describe(error.differences, shard) } as const;
}

/** Waits, and keeps the lease meanwhile: an idle session is ended by the ledger. */
async function pause(world: World, ms: number, ledger: ShardLedger, signal: AbortSignal): Promise<void> {
  await ledger.beat();
  await sleep(world, ms, signal);
}
