/**
 * `rebuild`: empties a shard's store and fills it from the ledger.
 *
 * The shard is marked as one whose last restore did not end. A worker that holds its lease sees that within 200 ms,
 * books what the log still has and rebuilds it; when no worker does, this process takes the lease and does the same.
 *
 * @module
 */
import type { ShardView } from "../../inventory/shard_control.ts";
import { limitsOf } from "../../inventory/limits.ts";
import type { Position } from "../../log/event.ts";
import { sleep } from "../../world.ts";
import { arm } from "../../worker/arming.ts";
import { compareShard } from "./compare.ts";
import { exits, Failure } from "./failure.ts";
import type { Reach } from "./reach.ts";
import { chosenShards } from "./reconcile.ts";
import { table, type Terminal } from "./terminal.ts";

/** A shard that sells again. */
export interface RebuiltShard {
  /** Which. */
  readonly shard: number;
  /** Under which it sells now. */
  readonly epoch: number;
  /** How many it has. */
  readonly skus: number;
  /** Who filled it. */
  readonly by: "worker" | "this process";
}

/** A million SKUs and a day of orders take minutes. */
const patienceMs = 15 * 60_000;
/** Lines of a rebuild are written after its SKUs: a day of them takes less. */
const standstillMs = 120_000;
const noteEveryMs = 5000;
const pollMs = 200;
const neverAborted = new AbortController().signal; // these reads do not wait

/** Asks first. Sales get 503 until a shard is armed again. */
export async function rebuildShards(
  reach: Reach,
  terminal: Terminal,
  only: number | undefined,
): Promise<number> {
  const shards = chosenShards(reach, only);
  await reach.deployment();
  for (const shard of shards) await refuseIncompleteBooks(reach, terminal, shard);
  terminal.confirm(
    `This empties shard ${
      shards.join(", ")
    } in Redis and fills it from the ledger; nothing is sold from it meanwhile.`,
  );
  const rebuilt: RebuiltShard[] = [];
  for (const shard of shards) rebuilt.push(await rebuildShard(reach, terminal, shard));
  terminal.result({ shards: rebuilt }, table(rebuilt.map((one) => ({ ...one }))));
  return exits.ok;
}

/**
 * A rebuild knows what the ledger and the rest of the log know. When the log has lost entries that the ledger lacks,
 * filling the store from the ledger would sell those units again.
 *
 * @throws {Failure}
 */
export async function refuseIncompleteBooks(reach: Reach, terminal: Terminal, shard: number): Promise<void> {
  const [cursor = { epoch: 0, seq: 0, issued: 0 }] = await (await reach.books()).query<
    Position & { issued: number }
  >(
    "select epoch, seq, issued_epoch as issued from log_cursor where shard = $1",
    [shard],
  );
  const view = await (await reach.control()).inspect(shard);
  if (view.position.epoch > cursor.issued) {
    throw new Failure(
      `Cannot rebuild shard ${shard} as the ledger went back: it issued epoch ${cursor.issued} last, and the store ` +
        `was armed under ${view.position.epoch}`,
    );
  }
  if (view.position.epoch === 0 || view.position.seq <= cursor.seq) return;
  const [next] = await (await reach.log()).read(shard, cursor, {
    entriesMax: 1,
    waitMs: 0,
    signal: neverAborted,
  });
  const first = next?.events[0]?.seq;
  const reachesHead = (view.log?.last.seq ?? 0) >= view.position.seq;
  if (first !== undefined && first <= cursor.seq + 1 && reachesHead) {
    return view.armed ? undefined : await refuseUnbookable(reach, terminal, shard);
  }
  throw new Failure(
    `Cannot rebuild shard ${shard} as its events from ${
      cursor.seq + 1
    } to ${view.position.seq} are neither in the ` +
      `ledger nor in the log: their units would be sold again`,
  );
}

/** A worker books the rest of the log before it fills the store, and refuses when it cannot: better said at once. */
async function refuseUnbookable(reach: Reach, terminal: Terminal, shard: number): Promise<void> {
  const { isPending, differences } = await compareShard(reach, terminal, shard, "stock");
  if (!isPending || differences.length === 0) return;
  const some = differences.slice(0, 3).map(({ name, ledger, store }) =>
    `'${name}' is ${ledger} there, ${store} here`
  );
  throw new Failure(
    `Cannot rebuild shard ${shard} as the ledger cannot book its log, and what it says was sold: ${
      some.join(", ")
    }. ` +
      `'inventory correct --reason …' takes the store's figures into the ledger`,
  );
}

/** Rebuilds one shard, and returns when it sells again. */
export async function rebuildShard(reach: Reach, terminal: Terminal, shard: number): Promise<RebuiltShard> {
  const before = await (await reach.control()).inspect(shard);
  const { position: { epoch } } = before;
  // The deployment's limits stay, whatever this shell is set to.
  const limits = before.limits ?? limitsOf(reach.config);
  const control = await reach.control(limits);
  const lease = await (await reach.ledger()).lease(shard);
  if (!lease) {
    await reach.markForRebuild(shard);
    const view = await armedAgain(reach, terminal, shard, epoch);
    return { shard, epoch: view.position.epoch, skus: view.skus, by: "worker" };
  }
  try {
    await reach.markForRebuild(shard);
    const verdict = await arm({
      control,
      ledger: lease,
      log: await reach.log(),
      deployment: await reach.deployment(),
      world: reach.world,
      durability: reach.config.durability,
      signal: neverAborted,
    });
    if (verdict.kind !== "armed") {
      throw new Failure(
        verdict.kind === "refused" ? verdict.reason : `Shard ${shard} changed meanwhile: try again`,
      );
    }
    const { skus } = await control.inspect(shard);
    return { shard, epoch: verdict.epoch, skus, by: "this process" };
  } finally {
    await lease.release();
  }
}

async function armedAgain(
  reach: Reach,
  terminal: Terminal,
  shard: number,
  before: number,
): Promise<ShardView> {
  const control = await reach.control();
  const startedMs = reach.world.elapsedMs();
  const giveUpMs = startedMs + patienceMs;
  let last = { seen: "", atMs: startedMs };
  let notedMs = startedMs;
  while (reach.world.elapsedMs() < giveUpMs) {
    const view = await control.inspect(shard);
    if (view.armed && view.position.epoch > before) return view;
    const seen = `${view.skus} SKUs, number ${view.position.seq}`;
    const nowMs = reach.world.elapsedMs();
    if (seen !== last.seen) last = { seen, atMs: nowMs };
    if (nowMs - last.atMs > standstillMs) break;
    if (nowMs - notedMs >= noteEveryMs) {
      terminal.note(`shard ${shard}: its worker has it, it is not armed yet (${seen})`);
      notedMs = nowMs;
    }
    await sleep(reach.world, pollMs);
  }
  throw new Failure(
    `Shard ${shard} is not armed and does not change (${last.seen}): the line 'shard refused' in its worker's log says why`,
  );
}
