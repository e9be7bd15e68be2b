/**
 * Arming: a store that lost data cannot sell, because only the worker arms it, after it has verified it against the
 * ledger.
 *
 * A store's identity (`instance`) changes at every restart, promotion and restore, which disarms it. Then the worker:
 *
 *   1. refuses a wrong server and the store of another deployment, and continues with a store that is still armed;
 *   2. applies the rest of the log: a topic also has the events that the store lost;
 *   3. compares the stock if the store's numbers reach as far as any ever seen, else rebuilds it from the ledger (a whole
 *      store with an incomplete log is refused until an operator decides, and so is a ledger that went back);
 *   4. commits the next epoch in the ledger, and arms the store if it is unchanged since step 1.
 *
 * @module
 */
import { refusalsOf } from "../domain/check_result.ts";
import { changesTo } from "../domain/limits.ts";
import type { ShardControl, ShardView } from "../decide/shard_control.ts";
import type { Cursor } from "../ledger/ledger.ts";
import { applyRest, type CatchUpParts, lastNumber } from "./catch_up.ts";
import type { Recovery } from "../ledger/recovery.ts";
import { compareStock, describe, driftOf } from "./compare_stock.ts";
import { sleep } from "../runtime/world.ts";
import { differs, findFork } from "./fork.ts";
import { readChecks, type ServerCheckParts } from "./server_check_monitor.ts";
import { whileBeating } from "./lease_beat.ts";
import { recall, type Recalled, type RecallParts } from "./recall.ts";
import { acceptedLoss, whyLedgerBehind, whyNumbersMissing } from "./recover.ts";
import { publishStatus } from "./publish.ts";
import { rebuild, type RebuildParts, type Rebuilt } from "./rebuild.ts";
import { whyForeign, whyLedgerWentBack, whyNotTakenOver, whyOtherLedger, whyRebuild } from "./verify.ts";

export interface ArmingParts extends RebuildParts, ServerCheckParts, CatchUpParts, RecallParts {}

/** The result of a verification. */
export type Verdict =
  | {
    readonly kind: "armed";
    readonly epoch: number;
    /** The nonce that the first acknowledgement expects. */
    readonly nonce: string;
    /** Why the store was rebuilt from the ledger; empty when it was intact. */
    readonly rebuilt: string;
    /** Where the previous worker read the log; empty when that is unknown. */
    readonly logWay: string;
    /** Events lost with the store. */
    readonly lost: number;
    /** Settings of the shard that changed with this arming. */
    readonly changedSettings: readonly string[];
  }
  /** The shard must not sell, and only an operator can change that. */
  | {
    readonly kind: "refused";
    readonly reason: string;
    /** Units by which store and ledger differ; 0 when they do not, or were not compared. */
    readonly driftUnits: number;
    /** Numbers are neither in the ledger nor in the log. The whole log was read to find that. */
    readonly missesNumbers?: true;
  }
  /** The store or the ledger changed during the verification: verify again. */
  | { readonly kind: "changed" };

type Refused = Extract<Verdict, { kind: "refused" }>;

/** A store that agrees with the ledger: intact, or rebuilt from it. */
interface Verified {
  readonly kind: "verified";
  readonly view: ShardView;
  readonly cursor: Cursor;
  /** Why it was rebuilt from the ledger; empty when it was intact. */
  readonly loss: string;
  readonly rebuilt: Rebuilt | undefined;
  /** Highest epoch of store, log and callers: never issued again. */
  readonly epochSeen: number;
  /** The loss that an operator accepted; undefined when nothing was lost. */
  readonly recovery: Recovery | undefined;
  /** Brings the ledger to the store's state; undefined when nothing was lost, or the store is rebuilt. */
  readonly recalled: Recalled | undefined;
}

/** Verifies a shard and arms it, or returns why not. */
export async function arm(parts: ArmingParts): Promise<Verdict> {
  const unfit = await refuseUnfit(parts);
  if (unfit) return unfit;
  const view = await parts.control.inspect(parts.ledger.shard);
  if (!view.armed) await publishStatus(parts, { kind: "verifying" });
  const settled = await settleAtOnce(view, parts);
  if (settled) return settled;
  const verified = await verify(view, parts);
  return verified.kind === "verified" ? await issueAndArm(verified, parts) : verified;
}

async function refuseUnfit(parts: ArmingParts): Promise<Refused | undefined> {
  const refusals = refusalsOf(await readChecks(parts), parts.durability);
  if (refusals.length === 0) return undefined;
  // It may have been armed before a setting changed. A server without the script was not armed by this program.
  await disarmUnacknowledged(parts).catch(() => {});
  return refused(refusals.join("; "));
}

/** Settles the cases that need no comparison: a foreign store, a ledger that went back, a store that is armed. */
async function settleAtOnce(view: ShardView, parts: ArmingParts): Promise<Verdict | undefined> {
  const { ledger, deployment } = parts;
  const { shard } = ledger;
  const foreign = whyForeign(view, { deployment, shard });
  if (foreign) return refused(foreign);

  // Its log may lack entries of its master's, and it accepts no write.
  if (view.refusal.startsWith("READONLY")) {
    return refused(`Cannot arm shard ${shard} as its server is a replica: REDIS_URL must lead to the master`);
  }

  const cursor = await ledger.cursor();
  const wentBack = whyLedgerWentBack(view, cursor);
  if (!view.armed) {
    // Recorded in the ledger, because the store may be emptied before it is armed.
    if (wentBack) await ledger.recordSeen({ epoch: view.epochSeen, seq: view.position.seq }, view.applied);
    return undefined;
  }
  const why = wentBack ?? whyNotTakenOver(view, cursor) ??
    (await differs(view, cursor, parts) ? "its log has other events under applied numbers" : undefined);
  if (!why) {
    // Verified by the previous worker, and still the same server: it sells, and its log continues.
    const { position: { epoch }, nonce, logWay } = view;
    return { kind: "armed", epoch, nonce, logWay, rebuilt: "", lost: 0, ...changes(view, parts.control) };
  }
  if (!await disarmUnacknowledged(parts)) {
    return refused(`Cannot arm shard ${shard} as a worker with another ledger keeps it armed: ${why}`);
  }
  return { kind: "changed" };
}

/** A worker acknowledges its shards five times a second, and after every batch. */
const acknowledgedWithinMs = 1000;

/**
 * An armed store that does not fit this ledger may fit another one, of which this one is a copy: a store that a running
 * worker acknowledges is not disarmed.
 *
 * @returns whether the shard is disarmed
 */
async function disarmUnacknowledged(
  { control, ledger, deployment, world, signal }: ArmingParts,
): Promise<boolean> {
  const nonce = world.uuid();
  const disarm = () => control.disarmUnacknowledged(ledger.shard, deployment.id, nonce);
  if (await disarm() === "disarmed") return true;
  await ledger.beat();
  await sleep(world, acknowledgedWithinMs, signal);
  await ledger.beat();
  return await disarm() === "disarmed";
}

/** Applies the rest of the log, then compares the store with the ledger or rebuilds it. */
async function verify(
  view: ShardView,
  parts: ArmingParts,
): Promise<Verified | Exclude<Verdict, { kind: "armed" }>> {
  const { ledger } = parts;
  const { shard } = ledger;
  const fork = await findFork(view, await ledger.cursor(), parts);
  const otherLedger = whyOtherLedger(view, fork.first);
  if (otherLedger) {
    return refused(`Cannot arm shard ${shard} as it belongs to another ledger: ${otherLedger}`);
  }
  const gap = await applyRest(view, fork.events > 0, parts);
  if (gap?.kind === "mismatch") return refused(describe(gap.differences, shard), driftOf(gap.differences));
  const cursor = await ledger.cursor();
  // Before an epoch is issued that cannot be used. Above `maxmemory` arming succeeds: an acknowledgement can then trim the log.
  if (view.refusal !== "" && !view.refusal.startsWith("OOM")) {
    return refused(`Cannot arm shard ${shard} as its store refuses writes: ${view.refusal}`);
  }

  const tail = await whileBeating(ledger, parts.world, parts.log.tail(shard));
  const highest = Math.max(cursor.seq, cursor.recordedHead, gap?.last.seq ?? 0, tail.seq);
  const epochSeen = Math.max(view.epochSeen, gap?.last.epoch ?? 0, tail.epoch);
  const seen = { view, cursor, epochSeen, recovery: undefined, recalled: undefined };
  const loss = whyRebuild(view, highest, fork.events, fork.sold);
  if (loss) {
    const last = Math.max(await lastNumber(highest, gap, parts), view.position.seq);
    // Lost events whose numbers are applied have no numbers of their own: as many numbers are skipped, so that they are counted.
    const toSeq = last + fork.events;
    const recovery = await acceptedLoss(ledger, { fromSeq: cursor.seq, toSeq, source: "ledger" });
    if (!recovery && (gap?.needsOperator || cursor.seenApplied > cursor.seq)) {
      return misses(whyLedgerBehind(cursor, toSeq, gap, shard));
    }
    const rebuilt = await rebuild(view, toSeq, parts);
    return { kind: "verified", ...seen, loss, rebuilt, recovery };
  }
  // The store has the sales and only its log lost them: a rebuild from the ledger would sell them again.
  if (cursor.seq < view.position.seq) {
    // The log was read after the view, possibly from a server that took over meanwhile.
    if (!isSame(view, await parts.control.inspect(shard))) return { kind: "changed" };
    const toSeq = view.position.seq;
    const recovery = await acceptedLoss(ledger, { fromSeq: cursor.seq, toSeq, source: "store" });
    if (!recovery) return misses(whyNumbersMissing(view, cursor, gap, shard));
    const recalled = await recall(view, { ...recovery, fromSeq: cursor.seq, toSeq }, parts);
    const { missing } = recalled;
    if (missing.length > 0) return refused(describe(missing, shard), driftOf(missing));
    return { kind: "verified", ...seen, loss: "", rebuilt: undefined, recovery, recalled };
  }
  const differences = await compareStock(view, parts);
  if (differences.length > 0) return refused(describe(differences, shard), driftOf(differences));
  return { kind: "verified", ...seen, loss: "", rebuilt: undefined };
}

/** Commits the next epoch in the ledger, then arms the store if it is unchanged since the verification. */
async function issueAndArm(
  { view, cursor, loss, rebuilt, epochSeen, recovery, recalled }: Verified,
  { control, ledger, deployment }: ArmingParts,
): Promise<Verdict> {
  const epoch = await ledger.issueEpoch(cursor.issuedEpoch, epochSeen);
  if (epoch === undefined) return { kind: "changed" };
  const seq = rebuilt?.seq ?? Math.max(cursor.seq, view.position.seq);
  const lost = seq - cursor.seq;
  if (lost > 0) {
    const { actor, reason, id } = recovery ?? { actor: "worker", reason: loss };
    await ledger.jump({
      to: { epoch, seq },
      actor,
      reason,
      ...recalled && { corrections: recalled.corrections, recalled: recalled.events },
      ...id !== undefined && { recoveryId: id },
    });
  }
  const armed = await control.arm(ledger.shard, {
    seen: { instance: view.instance, position: rebuilt ? { epoch: 0, seq } : view.position },
    epoch,
    deployment: deployment.id,
    shards: deployment.shards,
    applied: seq,
    token: rebuilt?.token ?? "",
    chunks: rebuilt?.chunks ?? 0,
  });
  if (!armed) return { kind: "changed" };
  return {
    kind: "armed",
    epoch,
    nonce: String(epoch),
    logWay: view.logWay,
    rebuilt: loss,
    lost,
    ...changes(view, control),
  };
}

function changes({ limits }: ShardView, control: ShardControl): { changedSettings: readonly string[] } {
  return { changedSettings: limits ? changesTo(control.limits, limits) : [] };
}

function refused(reason: string, driftUnits = 0): Refused {
  return { kind: "refused", reason, driftUnits };
}

function misses(reason: string): Refused {
  return { ...refused(reason), missesNumbers: true };
}

/**
 * The state on which a refusal for missing numbers depends, without the log's contents. While it is unchanged the
 * verdict is, too, unless the log regains the lost entries.
 */
export async function whatDecides({ control, ledger }: ArmingParts): Promise<string> {
  const [view, cursor, recovery] = [
    await control.inspect(ledger.shard),
    await ledger.cursor(),
    await ledger.recovery(),
  ];
  const { instance, armed, position, applied, epochSeen, refusal, log } = view;
  return JSON.stringify([
    instance,
    armed,
    position,
    applied,
    epochSeen,
    refusal,
    log?.last,
    cursor,
    recovery,
  ]);
}

/** Whether nothing was written between the two views, and the same server returned both. */
function isSame(before: ShardView, now: ShardView): boolean {
  const facts = ({ instance, position, log }: ShardView) => JSON.stringify([instance, position, log?.last]);
  return facts(before) === facts(now);
}
