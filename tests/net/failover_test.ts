/**
 * How soon a shard sells again once the cluster has chosen a successor of its master.
 */
import assert from "node:assert/strict";
import { note } from "../fault/fault_scenario.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { type Fixture, openFixture } from "./network_fixture.ts";

const STEP_DEADLINE_MS = 40_000;
/** 1.5 s are promised after the successor took over, on a machine that has nothing else to do. */
const SOLD_AFTER_MAX_MS = 5_000;

/** Strikes the master of shard 0, and returns how long after its successor took over the shard sold again, ms. */
async function failOver(fixture: Fixture, strike: (index: number) => Promise<void>): Promise<number> {
  const { cluster, skus: [sku = ""], masterOf, untilReplicated } = fixture;
  await untilReplicated(0);
  await using sale = await fixture.sale();
  const index = await masterOf(0);
  const successor = cluster.node((index + 3) % 6);
  const strikeMs = performance.now();
  await strike(index);
  await waitFor(async () => (await successor.cli("INFO", "replication")).includes("role:master"), {
    deadlineMs: STEP_DEADLINE_MS,
    what: "a successor",
  });
  const chosenMs = performance.now();
  const soldMs = await sale.sells(sku, STEP_DEADLINE_MS);
  const [tookMs, afterMs] = [chosenMs - strikeMs, soldMs - chosenMs].map(Math.round);
  note(`successor after ${tookMs} ms, sold ${afterMs} ms after it`);
  note(`pauses of the sale ${sale.pauses(strikeMs)}`, sale.unavailable);
  await fixture.network.heal();
  const tables = await sale.audit();
  note(`${tables.lines.length} accepted`);
  assert.deepEqual(tables.jumps, [], "no number was lost");
  return soldMs - chosenMs;
}

Deno.test("failover: a master killed with -9 is sold from again soon after its successor took over", async () => {
  await using fixture = await openFixture({ shards: 3, workers: 2 });
  const afterChosenMs = await failOver(fixture, (index) => fixture.cluster.node(index).kill());
  assert.ok(afterChosenMs < SOLD_AFTER_MAX_MS, `sold ${afterChosenMs} ms after the successor took over`);
});

Deno.test("failover: a master that its cluster cannot reach, and API and worker can, is left for its successor", async () => {
  await using fixture = await openFixture({ shards: 3, workers: 2 });
  const { network, nodes } = fixture;
  const afterChosenMs = await failOver(fixture, async (index) => {
    const master = nodes[index];
    assert.ok(master);
    for (const node of nodes) if (node !== master) await network.cut(master, node);
  });
  assert.ok(afterChosenMs < SOLD_AFTER_MAX_MS, `sold ${afterChosenMs} ms after the successor took over`);
});
