/**
 * The states of a worker for one shard, while it has the lease:
 *
 *     arm ──▶ run ─────┐
 *      ▲               │ the store is no longer armed: arm again
 *      └───────────────┤
 *                      └──▶ the shard is released; or the lease, the store or the ledger is lost
 *
 * @module
 */
import { LeaseLost } from "../domain/errors.ts";
import { type ShardLedger } from "../ledger/ledger.ts";
import { describeError } from "../runtime/logger.ts";
import { noObserver } from "./observer.ts";
import { arm, type Verdict, whatDecides } from "./arming.ts";
import { publishLogWay, publishStatus, reasonOf } from "./publish.ts";
import { RunLoop } from "./run_loop.ts";
import { pause, refusedRetryMs, type ShardWorkerParts } from "./shard_parts.ts";
import { refusalOf } from "./refusals.ts";

const retryEveryMs = 250;
/** When numbers are missing: a topic of months takes minutes to read, so it is read again after a change, or after this. */
const rereadEveryMs = 60_000;

/** Why a shard is no longer run. */
export type Ending =
  /** On request; the lease was released. */
  | "stopped"
  /** The lease was lost: another worker may have it. */
  | "lost"
  /** The lease was valid; the store or the ledger failed. */
  | "failed";

/** Runs a leased shard until `parts.signal` aborts or it fails, then releases the lease. */
export async function runShard(ledger: ShardLedger, parts: ShardWorkerParts): Promise<Ending> {
  const { signal, logger } = parts;
  const { shard } = ledger;
  try {
    logger.debug("lease taken", { shard });
    parts.observer?.leased(shard);
    await verifyAndRun(ledger, parts);
    return "stopped";
  } catch (error) {
    if (signal.aborted) return "stopped";
    parts.onFailure?.(error);
    parts.interruption.say(describeError(error));
    return error instanceof LeaseLost ? "lost" : "failed";
  } finally {
    parts.observer?.released(shard);
    await ledger.release().catch(() => {}); // the lease ends with its connection in any case
    logger.debug("lease released", { shard });
  }
}

/** Verifies and arms the shard, then runs it until it must be verified again, as long as the lease lasts. */
async function verifyAndRun(ledger: ShardLedger, parts: ShardWorkerParts): Promise<void> {
  const { observer = noObserver } = parts;
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
    // Read before the verification: what changes during it, as a loss that is accepted, counts at once.
    const by = await whatDecides({ ...parts, ledger }).catch(() => undefined);
    const verdict = await arm({ ...parts, ledger }).catch((error) => asRefusal(error, ledger));
    switch (verdict.kind) {
      case "armed": {
        lastRefusal = "";
        parts.interruption.clear();
        observer.verified(ledger.shard, verdict.rebuilt === "" ? "armed" : "rebuilt", 0);
        const { nonce: _, logWay, ...armed } = verdict;
        parts.logger.info("shard armed", { shard: ledger.shard, ...armed });
        if (verdict.changedSettings.length > 0) {
          parts.logger.warn("settings changed", { shard: ledger.shard, changed: verdict.changedSettings });
        }
        await publishLogWay({ ...parts, ledger }, logWay);
        const { seq } = await ledger.cursor();
        await new RunLoop(ledger, { epoch: verdict.epoch, seq }, verdict.nonce, parts).run();
        observer.disarmed(ledger.shard);
        break;
      }
      case "refused":
        observer.verified(ledger.shard, "refused", verdict.driftUnits);
        if (verdict.reason !== lastRefusal) {
          parts.logger.error("shard refused", { shard: ledger.shard, reason: verdict.reason });
          parts.onFailure?.(new Error(verdict.reason));
        }
        await publishStatus({ ...parts, ledger }, { kind: "refusal", reason: reasonOf(verdict) });
        lastRefusal = verdict.reason;
        if (verdict.missesNumbers && by !== undefined) settled = { by, atMs: parts.world.elapsedMs() };
        await pause(parts.world, refusedRetryMs, ledger, parts.signal);
        break;
      case "changed":
        observer.verified(ledger.shard, "changed", 0);
        await pause(parts.world, retryEveryMs, ledger, parts.signal);
    }
  }
}

/** A server's refusal of a command, as a verdict: only an operator can change it. */
function asRefusal(error: unknown, { shard }: ShardLedger): Verdict {
  const refusal = refusalOf(error);
  if (!refusal) throw error;
  const reason = `Cannot arm shard ${shard} as its ${refusal.by} refused a command: ${refusal.why}`;
  return { kind: "refused", reason, driftUnits: 0 };
}
