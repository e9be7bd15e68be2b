/**
 * The worker's life with one shard, from the lease to its end:
 *
 *     arm ──▶ run ─────┐
 *      ▲               │ the store lost its right to sell: arm again
 *      └───────────────┤
 *                      └──▶ the shard is given back; or the lease, the store or the ledger is gone
 *
 * @module
 */
import { LeaseLost } from "../domain/errors.ts";
import { type ShardLedger } from "../ledger/ledger.ts";
import { describeError } from "../runtime/logger.ts";
import { LedgerMismatch } from "./apply.ts";
import { unwatched } from "./observer.ts";
import { arm, type Verdict, whatDecides } from "./arming.ts";
import { publishBeside, publishLogWay, reasonOf } from "./publish.ts";
import { RunLoop } from "./run_loop.ts";
import { pause, refusedRetryMs, type ShardWorkerParts } from "./shard_parts.ts";
import { describe, driftOf } from "./compare_stock.ts";
import { refusalOf } from "./refusals.ts";

/** Between two attempts at an arming. */
const retryEveryMs = 250;
/** Numbers are missing: a topic of months takes minutes to read, so it is read again when something changed, or now. */
const rereadEveryMs = 60_000;

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
    await verifyAndRun(ledger, parts);
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

/** Verifies and arms the shard, then runs it until it must be verified again; for as long as the lease lasts. */
async function verifyAndRun(ledger: ShardLedger, parts: ShardWorkerParts): Promise<void> {
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
        const { seq } = await ledger.cursor();
        await new RunLoop(ledger, { epoch: verdict.epoch, seq }, verdict.nonce, parts).run();
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
