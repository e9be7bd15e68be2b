/**
 * The worker's life with one shard, from the lease to its end:
 *
 *     arm ──▶ follow ──┐
 *      ▲               │ the store lost its right to sell: arm again
 *      └───────────────┤
 *                      └──▶ the shard is given back; or the lease, the store or the ledger is gone
 *
 * @module
 */
import type { StockStore } from "../decide/store.ts";
import type { LogEntry } from "../domain/event.ts";
import { LeaseLost } from "../domain/errors.ts";
import { type Ledger, type ShardLedger } from "../ledger/ledger.ts";
import { describeError, type Logger, traceIds } from "../runtime/logger.ts";
import type { Reminder } from "../runtime/reminder.ts";
import { sleep, type World } from "../runtime/world.ts";
import { apply, type Booked, LedgerMismatch, whyNotApplied } from "./apply.ts";
import { Compensator } from "./compensate.ts";
import { FitnessWatch } from "./server_checks.ts";
import { QuotaSweep } from "./quota_sweep.ts";
import { Retention } from "./retention.ts";
import { unwatched, type WorkerObserver } from "./observer.ts";
import { arm, type ArmingParts, type Verdict, whatDecides } from "./arming.ts";
import { publishBeside, publishLogWay, reasonOf } from "./publish.ts";
import { Visits } from "./heartbeat.ts";
import { describe, driftOf } from "./compare_stock.ts";
import { Figures } from "./figures.ts";
import { refusalOf, Refusals } from "./refusals.ts";

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

/** An idle shard is visited this often, so a store that restarted is found within it. */
const visitEveryMs = 200;
/** Between two attempts at an arming. */
const retryEveryMs = 250;
/** A refusal is for a person to lift: no need to ask the servers four times a second. */
const refusedRetryMs = 1000;
/** Numbers are missing: a topic of months takes minutes to read, so it is read again when something changed, or now. */
const rereadEveryMs = 60_000;
/** How long the worker gives back what has lapsed before it books that: its own calls are not to outrun its ledger. */
const lapseForMs = 25;
/** Entries a transaction: at most 64 batches of the store. */
const entriesMax = 64;

/** How a shard came to be kept no longer. */
export type Ending =
  /** As asked: it was stopped, and the lease given back. */
  | "stopped"
  /** Another worker may have it by now. */
  | "lost"
  /** The lease was good, and something else was not. */
  | "failed";

/** Keeps a shard whose lease was just taken, until `parts.signal` aborts or it cannot go on. Gives the lease back. */
export async function keepShard(ledger: ShardLedger, parts: ShardWorkerParts): Promise<Ending> {
  const { signal, logger } = parts;
  const { shard } = ledger;
  try {
    logger.debug("lease taken", { shard });
    parts.watch?.leased(shard);
    await hold(ledger, parts);
    return "stopped";
  } catch (error) {
    if (signal.aborted) return "stopped";
    parts.onFailure?.(error);
    parts.interruption.say(describeError(error));
    return error instanceof LeaseLost ? "lost" : "failed";
  } finally {
    parts.watch?.released(shard);
    await ledger.release().catch(() => {}); // the lease ends with its connection in any case
    logger.debug("lease given back", { shard });
  }
}

async function hold(ledger: ShardLedger, parts: ShardWorkerParts): Promise<void> {
  const { watch = unwatched } = parts;
  let lastRefusal = "";
  let settled: { readonly by: string; readonly atMs: number } | undefined;
  while (!parts.signal.aborted) {
    if (settled && parts.world.elapsedMs() - settled.atMs < rereadEveryMs) {
      const now = await whatDecides({ ...parts, ledger }).catch(() => ""); // arming finds out why
      if (now === settled.by) {
        await pause(parts.world, refusedRetryMs, ledger, parts.signal);
        continue;
      }
    }
    settled = undefined;
    const verdict = await arm({ ...parts, ledger }).catch((error) => asRefusal(error, ledger));
    switch (verdict.kind) {
      case "armed": {
        lastRefusal = "";
        parts.interruption.clear();
        watch.verified(ledger.shard, verdict.rebuilt === "" ? "armed" : "rebuilt", 0);
        const { nonce: _, logWay, ...armed } = verdict;
        parts.logger.info("shard armed", { shard: ledger.shard, ...armed });
        if (verdict.changedSettings.length > 0) {
          parts.logger.warn("settings changed", { shard: ledger.shard, changed: verdict.changedSettings });
        }
        await publishLogWay({ ...parts, ledger }, logWay);
        await follow(ledger, verdict, parts);
        watch.disarmed(ledger.shard);
        break;
      }
      case "refused":
        watch.verified(ledger.shard, "refused", verdict.driftUnits);
        if (verdict.reason !== lastRefusal) {
          parts.logger.error("shard refused", { shard: ledger.shard, reason: verdict.reason });
          parts.onFailure?.(new Error(verdict.reason));
        }
        await publishBeside({ ...parts, ledger }, { kind: "refusal", reason: reasonOf(verdict) });
        lastRefusal = verdict.reason;
        if (verdict.missesNumbers) {
          settled = { by: await whatDecides({ ...parts, ledger }), atMs: parts.world.elapsedMs() };
        }
        await pause(parts.world, refusedRetryMs, ledger, parts.signal);
        break;
      case "changed":
        watch.verified(ledger.shard, "changed", 0);
        await pause(parts.world, retryEveryMs, ledger, parts.signal);
    }
  }
}

/** Applies the log and visits the store until the store is no longer the one that was armed. */
async function follow(
  ledger: ShardLedger,
  { epoch, nonce }: { epoch: number; nonce: string },
  parts: ShardWorkerParts,
): Promise<void> {
  const { log, control, signal, logger, world, watch = unwatched } = parts;
  const { shard } = ledger;
  let position = { epoch, seq: (await ledger.cursor()).seq };
  parts.onApplied?.(shard, position.seq);
  const compensator = new Compensator(ledger, parts.store, world);
  const refusals = new Refusals(shard, world, logger, parts.onFailure);
  const fitness = new FitnessWatch({ ...parts, ledger, refusals });
  const retention = new Retention(ledger, world, parts.retentionMs);
  const sweep = new QuotaSweep(control, world);
  const figures = parts.watch && new Figures(ledger, world, parts.watch);
  const visits = new Visits(nonce, { ...parts, ledger, refusals });
  // A shard that was armed before this worker came may decide by other settings, or have none yet.
  if (!await visits.step(position)) return;
  let noted = { head: position.seq, atMs: world.elapsedMs() };
  let isMoreDue = false;
  try {
    while (!signal.aborted) {
      const waitMs = isMoreDue ? 1 : visitEveryMs;
      const entries = await log.read(shard, position, { entriesMax, waitMs, signal });
      if (entries.length > 0) {
        let booked: Counted | undefined;
        const isTaken = await refusals.attempt(async () =>
          booked = await bookEntries(ledger, entries, parts)
        );
        if (!isTaken) await pause(world, refusedRetryMs, ledger, signal);
        else if (!booked) {
          const isSuspect = true; // the log may be that of keys that were put back
          await refusals.attempt(() => control.disarm(shard, parts.deployment.id, isSuspect));
          return;
        } else {
          refusals.over("ledger");
          if (booked.compensations > 0) compensator.due();
          position = booked.cursor;
          parts.onApplied?.(shard, position.seq);
        }
      } else {
        await ledger.beat();
      }
      // Nobody asks, so nobody sees that reservations have lapsed: an empty batch gives them back.
      if (isMoreDue || entries.length === 0) {
        isMoreDue = false;
        const giveBack = async () => void (isMoreDue = await giveBackLapsed(shard, parts));
        if (await refusals.attempt(giveBack)) refusals.over("store");
      }
      const visit = await visits.step({ epoch, seq: position.seq });
      if (!visit) return;
      const { head } = visit;
      watch.visited(shard, head, position.seq);
      await refusals.attempt(() => giveBackDue(shard, compensator, head, position.seq, logger));
      // A commit of its own, so once a tick: what is applied by then the cursor knows.
      const nowMs = world.elapsedMs();
      if (head > Math.max(noted.head, position.seq) && nowMs - noted.atMs >= visitEveryMs) {
        noted = { head, atMs: nowMs };
        await refusals.attempt(() => ledger.noteHead(head));
      }
      await figures?.step();
      const unfit = await fitness.step(visit);
      if (unfit.length > 0) {
        logger.error("servers must not be sold on any more", { shard, why: unfit });
        await refusals.attempt(() => control.disarm(shard, parts.deployment.id));
        return;
      }
      await refusals.attempt(() => sweep.step(shard, parts.deployment.id));
      await refusals.attempt(async () => {
        const forgotten = await retention.step();
        if (forgotten > 0) logger.info("old order lines deleted", { shard, lines: forgotten });
      });
    }
  } catch (error) {
    if (error instanceof LedgerMismatch) {
      await refusals.attempt(() => control.disarm(shard, parts.deployment.id));
    }
    throw error;
  }
}

type Counted = Extract<Booked, { kind: "applied" }>;

/** Applies entries, watched. Undefined when they do not follow on the ledger: the log says why. */
async function bookEntries(
  ledger: ShardLedger,
  entries: readonly LogEntry[],
  { logger, watch = unwatched }: ShardWorkerParts,
): Promise<Counted | undefined> {
  const { shard } = ledger;
  const booking = watch.booking(shard, entries);
  const applied = await apply(ledger, entries).catch((error) => {
    booking.failed(error);
    throw error;
  });
  booking.ended(applied);
  const trace = traceIds(booking.traceparent);
  if (applied.kind !== "applied") {
    logger.error("log cannot be booked", { shard, why: whyNotApplied(applied), ...trace });
    return undefined;
  }
  if (applied.deadLetters > 0) {
    logger.error("dead letters", { shard, deadLetters: applied.deadLetters, ...trace });
  }
  return applied;
}

/** Empty batches, 256 lines each, as long as more is due; what they leave in the log is applied in between. */
async function giveBackLapsed(shard: number, { store, world }: ShardWorkerParts): Promise<boolean> {
  const untilMs = world.elapsedMs() + lapseForMs;
  for (;;) {
    const result = await store.decide(shard, []);
    const isMoreDue = result.kind === "decided" && result.isMoreDue;
    if (!isMoreDue || world.elapsedMs() >= untilMs) return isMoreDue;
  }
}

async function giveBackDue(
  shard: number,
  compensator: Compensator,
  head: number,
  booked: number,
  logger: Logger,
): Promise<void> {
  const { given, refused } = await compensator.step(head, booked);
  if (given > 0) logger.warn("sold twice after the window, given back", { shard, lines: given });
  for (const reason of refused) {
    logger.error("sold twice after the window, not given back", { shard, reason });
  }
}

/** What an arming threw and only a person can change, as a verdict. */
function asRefusal(error: unknown, { shard }: ShardLedger): Verdict {
  const refusal = refusalOf(error);
  if (refusal) {
    const reason = `Cannot arm shard ${shard} as its ${refusal.by} refused a command: ${refusal.why}`;
    return { kind: "refused", reason, driftUnits: 0 };
  }
  if (!(error instanceof LedgerMismatch)) throw error;
  const { differences } = error;
  return { kind: "refused", reason: describe(differences, shard), driftUnits: driftOf(differences) };
}

/** Waits, and keeps the lease meanwhile: an idle session is ended by the ledger. */
async function pause(world: World, ms: number, ledger: ShardLedger, signal: AbortSignal): Promise<void> {
  await ledger.beat();
  await sleep(world, ms, signal);
}
