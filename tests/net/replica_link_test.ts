/**
 * Packets that are dropped between a master and its replica, which every other node of the cluster still sees.
 */
import assert from "node:assert/strict";
import { note } from "../fault/fault_scenario.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { type Fixture, openFixture } from "./network_fixture.ts";

const STEP_DEADLINE_MS = 60_000;
const REPLICA_TIMEOUT_MS = 4_000;
/** A look at the replicas each second, and what a busy machine adds. */
const ROOM_MS = 6_000;
const ENV = { REPLICA_TIMEOUT_MS: String(REPLICA_TIMEOUT_MS) };

/** Drops the packets between the master of shard 0 and its replica. Returns when that began and was done, ms. */
async function cutReplica({ network, nodes, masterOf }: Fixture): Promise<[beginMs: number, cutMs: number]> {
  const index = await masterOf(0);
  const [master, replica] = [nodes[index], nodes[index + 3]];
  assert.ok(master && replica);
  const beginMs = performance.now();
  await network.cut(master, replica);
  return [beginMs, performance.now()];
}

async function untilSaid({ api }: Fixture, pattern: RegExp): Promise<number> {
  let said = "";
  await waitFor(async () => pattern.test(said = JSON.stringify((await api.service.get("/readyz")).body)), {
    deadlineMs: STEP_DEADLINE_MS,
    what: `/readyz to say ${pattern}`,
  }).catch((error) => {
    throw new Error(`${error.message}: it said ${said} last`, { cause: error });
  });
  return performance.now();
}

Deno.test("packets dropped between a master and its replica: selling goes on without it, and says so at once", async () => {
  await using fixture = await openFixture({ shards: 3, env: ENV });
  const { network, workers: [worker], skus: [sku = ""] } = fixture;
  assert.ok(worker);
  await fixture.untilReplicated(0);
  await using sale = await fixture.sale();

  const [beginMs, cutMs] = await cutReplica(fixture);
  const saidMs = await untilSaid(fixture, /survives the loss of a Redis server: replicas 0 of 1 acknowledge/);
  const soldMs = await sale.sells(sku, STEP_DEADLINE_MS);
  const offMs = Math.round(saidMs - cutMs);
  note(`said ${offMs} ms after the cut, sold after ${Math.round(soldMs - cutMs)}`);
  note(`pauses of the sale ${sale.pauses(cutMs)}`, sale.unavailable);
  assert.ok(saidMs - beginMs >= REPLICA_TIMEOUT_MS - 1000, "the limit was waited for");
  assert.ok(offMs < REPLICA_TIMEOUT_MS + ROOM_MS, `said ${offMs} ms after the cut`);
  assert.ok(sale.pauseMs(sku, cutMs) < REPLICA_TIMEOUT_MS + ROOM_MS, "and sold on");
  const logged = worker.service.logged("guarantees off").map(({ off }) => String(off));
  assert.ok(logged.some((off) => off.includes("0 of 1 acknowledge")), "the worker's log says it");

  await network.heal();
  await fixture.untilReplicated(0);
  await waitFor(
    async () => !/acknowledge/.test(JSON.stringify((await fixture.api.service.get("/readyz")).body)),
    {
      deadlineMs: STEP_DEADLINE_MS,
      what: "the promise that is kept again",
    },
  );
  const tables = await sale.audit();
  note(`${tables.lines.length} accepted`);
});

Deno.test("packets dropped between a master and its replica, DURABILITY=strict: the shard stops, says so, and sells again", async () => {
  await using fixture = await openFixture({
    shards: 1,
    env: { ...ENV, DURABILITY: "strict" },
    redisArgs: ["--min-replicas-to-write", "1"],
  });
  const { network, workers: [worker], skus: [sku = ""] } = fixture;
  assert.ok(worker);
  await using sale = await fixture.sale();

  const [, cutMs] = await cutReplica(fixture);
  const stoppedMs = await untilSaid(fixture, /shard 0: unarmed/) - cutMs;
  note(`stopped ${Math.round(stoppedMs)} ms after the cut`, sale.unavailable);
  assert.ok(stoppedMs < REPLICA_TIMEOUT_MS + ROOM_MS, `stopped after ${stoppedMs} ms`);
  const [why] = worker.service.logged("shard disarmed: server requirements not met");
  assert.match(JSON.stringify(why), /DURABILITY is strict: .*0 of 1 acknowledge/);

  await network.heal();
  const healedMs = performance.now();
  const soldMs = await sale.sells(sku, STEP_DEADLINE_MS);
  note(`sold ${Math.round(soldMs - healedMs)} ms after healing`);
  const tables = await sale.audit();
  note(`${tables.lines.length} accepted`);
});
