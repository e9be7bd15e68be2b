/**
 * Packets that are dropped between servers: nobody is refused, and no connection is closed.
 */
import assert from "node:assert/strict";
import { waitFor } from "../servers/wait.ts";
import { note } from "../fault/season.ts";
import { openScene } from "./scene.ts";

const STEP_DEADLINE_MS = 30_000;
const REPLICA_TIMEOUT_MS = 5_000;

Deno.test("packets dropped between a master and its replica: selling goes on without it, and says so", async () => {
  await using scene = await openScene({ shards: 3, env: { REPLICA_TIMEOUT_MS: String(REPLICA_TIMEOUT_MS) } });
  const { network, nodes, api, workers: [worker], skus } = scene;
  const index = await scene.masterOf(0);
  const [master, replica] = [nodes[index], nodes[index + 3]];
  assert.ok(master && replica && worker);
  await scene.untilReplicated(0);
  await using sale = await scene.sale();

  await network.cut(master, replica);
  const cutMs = performance.now();
  const sku = skus[0] ?? "";
  const soldMs = await sale.sells(sku, STEP_DEADLINE_MS);
  note(`a sale ${Math.round(soldMs - cutMs)} ms after the cut; pauses ${sale.pauses(cutMs)}`, sale.unknown);
  await waitFor(async () => /replicas 0 of 1/.test(JSON.stringify((await api.service.get("/readyz")).body)), {
    deadlineMs: STEP_DEADLINE_MS,
    what: "the guarantee that is off",
  });
  note(worker.service.logged("promises off"));
  await network.heal();
  await scene.untilReplicated(0);
  const books = await sale.audit();
  note(`${books.lines.length} accepted`);
});
