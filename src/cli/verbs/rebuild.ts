/**
 * `rebuild`: empties a shard's store and rebuilds it from the ledger.
 *
 * The shard is marked as one with an unfinished restore. The worker with its lease finds that within 200 ms, applies the
 * rest of the log and rebuilds it; without a worker, this process takes the lease and does the same.
 *
 * @module
 */
import type { ShardView } from "../../decide/shard_control.ts";
import { limitsOf } from "../../domain/limits.ts";
import { sleep } from "../../runtime/world.ts";
import { arm } from "../../worker/arming.ts";
import { compareShard } from "./compare.ts";
import { exits, Failure } from "../context/failure.ts";
import { acceptLoss, confirmLoss, countLost, findLoss, type Loss, stopAndFindLoss } from "./loss.ts";
import type { CliContext } from "../context/context.ts";
import { chosenShards } from "./reconcile.ts";
import { table, type Terminal } from "../context/terminal.ts";

export interface RebuiltShard {
  readonly shard: number;
  readonly epoch: number;
  readonly skus: number;
  /** Lost numbers: the units that they sold are for sale again, unless the store's values were copied. */
  readonly lost: number;
  readonly by: "worker" | "this process";
}

/** A million SKUs and a day of orders take minutes. */
const patienceMs = 15 * 60_000;
/** Lines of a rebuild are written after its SKUs: a day of them takes less. */
const standstillMs = 120_000;
const noteEveryMs = 5000;
const pollMs = 200;
const neverAborted = new AbortController().signal; // these reads do not wait

/** Asks first, with the number of lost events. Sales get 503 until a shard is armed again. */
export async function rebuildShards(
  context: CliContext,
  terminal: Terminal,
  only: number | undefined,
  accepted: number | undefined,
): Promise<number> {
  const shards = chosenShards(context, only);
  await context.deployment();
  const losses: Loss[] = [];
  for (const shard of shards) {
    const loss = await stopAndFindLoss(context, shard);
    if (loss.lost === 0) await refuseUnbookable(context, terminal, shard);
    losses.push(loss);
  }
  const empties = `This empties shard ${shards.join(", ")} in Redis and rebuilds it from the ledger; ` +
    `it does not sell until that has ended.`;
  if (losses.some(({ lost }) => lost > 0)) {
    const whole = losses.some((one) => one.lost > 0 && one.isStoreWhole)
      ? " 'inventory recover' keeps the store's stock instead."
      : "";
    confirmLoss(
      terminal,
      losses,
      `${empties} The units that these numbers sold are for sale again.${whole}`,
      accepted,
    );
  } else {
    terminal.confirm(empties);
  }
  const rebuilt: RebuiltShard[] = [];
  for (const loss of losses) {
    if (loss.lost > 0) await acceptLoss(context, loss, "ledger", "rebuild");
    rebuilt.push(await rebuildShard(context, terminal, loss.shard));
  }
  terminal.result({ shards: rebuilt }, table(rebuilt.map((one) => ({ ...one }))));
  const lost = rebuilt.reduce((sum, one) => sum + one.lost, 0);
  return lost <= losses.reduce((sum, one) => sum + one.lost, 0) ? exits.ok : exits.failed;
}

/**
 * A rebuild uses the ledger and the rest of the log. When the log has lost entries that the ledger lacks, a rebuild would
 * sell those units again.
 *
 * @throws {Failure}
 */
export async function refuseIncompleteLedger(
  context: CliContext,
  terminal: Terminal,
  shard: number,
): Promise<void> {
  const { fromSeq, toSeq, lost } = await findLoss(context, shard);
  if (lost === 0) return await refuseUnbookable(context, terminal, shard);
  throw new Failure(
    `Cannot rebuild shard ${shard} as ${lost} numbers, ${
      fromSeq + 1
    } to ${toSeq}, are neither in the ledger nor in ` +
      `the log: the units that they sold would be for sale again; 'inventory recover' continues without them`,
  );
}

/** A worker applies the rest of the log before a rebuild, and refuses when it cannot; checked here first. */
async function refuseUnbookable(context: CliContext, terminal: Terminal, shard: number): Promise<void> {
  const { armed, position } = await (await context.control()).inspect(shard);
  if (armed || position.epoch === 0) return; // an empty or half restored shard has no valid log
  const { isPending, differences } = await compareShard(context, terminal, shard, "stock");
  if (!isPending || differences.length === 0) return;
  const some = differences.slice(0, 3).map(({ name, ledger, store }) =>
    `'${name}' is ${ledger} there, ${store} here`
  );
  throw new Failure(
    `Cannot rebuild shard ${shard} as the ledger cannot apply its log, whose units were sold: ${
      some.join(", ")
    }. ` +
      `'inventory correct --reason …' copies the store's values into the ledger`,
  );
}

/** Rebuilds one shard; resolves when it sells again. */
export function rebuildShard(context: CliContext, terminal: Terminal, shard: number): Promise<RebuiltShard> {
  return armAgain(context, terminal, shard, async () => {
    const { id } = await context.deployment();
    if (await (await context.control()).markForRebuild(shard, id)) return;
    throw new Failure(`Cannot rebuild shard ${shard} as its store belongs to another deployment than ${id}`);
  });
}

/**
 * Gets a shard verified and armed, by its worker or else by this process.
 *
 * @param prepare makes the change before the verification
 */
export async function armAgain(
  context: CliContext,
  terminal: Terminal,
  shard: number,
  prepare: () => Promise<void>,
): Promise<RebuiltShard> {
  const before = await (await context.control()).inspect(shard);
  const { position: { epoch }, epochSeen } = before;
  // The deployment's limits, not those of this shell.
  const limits = before.limits ?? limitsOf(context.config);
  const control = await context.control(limits);
  const lease = await (await context.ledger()).lease(shard);
  if (!lease) {
    await prepare();
    const view = await armedAgain(context, terminal, shard, epoch);
    const lost = await countLost(context, shard, epochSeen);
    return { shard, epoch: view.position.epoch, skus: view.skus, lost, by: "worker" };
  }
  try {
    await prepare();
    const verdict = await arm({
      control,
      reader: await context.reader(),
      ledger: lease,
      log: await context.log(),
      deployment: await context.deployment(),
      world: context.world,
      durability: context.config.durability,
      signal: neverAborted,
    });
    if (verdict.kind !== "armed") {
      throw new Failure(
        verdict.kind === "refused" ? verdict.reason : `Shard ${shard} changed meanwhile: try again`,
      );
    }
    const { skus } = await control.inspect(shard);
    return { shard, epoch: verdict.epoch, skus, lost: verdict.lost, by: "this process" };
  } finally {
    await lease.release();
  }
}

async function armedAgain(
  context: CliContext,
  terminal: Terminal,
  shard: number,
  before: number,
): Promise<ShardView> {
  const control = await context.control();
  const startedMs = context.world.elapsedMs();
  const giveUpMs = startedMs + patienceMs;
  let last = { seen: "", atMs: startedMs };
  let notedMs = startedMs;
  while (context.world.elapsedMs() < giveUpMs) {
    const view = await control.inspect(shard);
    if (view.armed && view.position.epoch > before) return view;
    const seen = `${view.skus} SKUs, number ${view.position.seq}`;
    const nowMs = context.world.elapsedMs();
    if (seen !== last.seen) last = { seen, atMs: nowMs };
    if (nowMs - last.atMs > standstillMs) break;
    if (nowMs - notedMs >= noteEveryMs) {
      terminal.note(`shard ${shard}: a worker has it, and it is not armed yet (${seen})`);
      notedMs = nowMs;
    }
    await sleep(context.world, pollMs);
  }
  throw new Failure(
    `Shard ${shard} is not armed and does not change (${last.seen}): see the line 'shard refused' in its worker's log`,
  );
}
