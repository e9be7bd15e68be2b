/**
 * Packets that are dropped between a worker and its servers: its shards go to the other worker.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Sql } from "postgres";
import { note } from "../fault/season.ts";
import { withConnection } from "../servers/database.ts";
import { waitFor } from "../servers/wait.ts";
import { type Hosted, openScene } from "./scene.ts";

const SHARDS = 4;
const STEP_DEADLINE_MS = 40_000;
/** 5 s are promised; twice that on a machine that does other things as well. */
const STANDSTILL_MAX_MS = 10_000;
const POLL_MS = 50;

/** How long the ledger of each shard stood still at most, while `during` ran; ms. */
async function standstills(sql: Sql, during: () => Promise<void>): Promise<number[]> {
  const moved = Array.from({ length: SHARDS }, () => ({ seq: -1, atMs: performance.now(), maxMs: 0 }));
  const running = { is: true };
  const watching = (async () => {
    while (running.is) {
      const rows = await sql<{ shard: number; seq: number }[]>`
        select shard, seq::int from inventory.log_cursor order by shard`;
      const nowMs = performance.now();
      for (const { shard, seq } of rows) {
        const last = moved[shard];
        if (!last) continue;
        last.maxMs = Math.max(last.maxMs, nowMs - last.atMs);
        if (seq > last.seq) Object.assign(last, { seq, atMs: nowMs });
      }
      await sleep(POLL_MS);
    }
  })();
  try {
    await during();
  } finally {
    running.is = false;
    await watching;
  }
  return moved.map(({ maxMs }) => Math.round(maxMs));
}

/** How many shards each worker has. */
async function shares(sql: Sql, workers: readonly Hosted[]): Promise<number[]> {
  const rows = await sql<{ pid: number }[]>`
    select split_part(application_name, ':', 2)::int as pid
    from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and granted and objsubid = 2 and objid::bigint < 2147483648`;
  return workers.map(({ service }) => rows.filter(({ pid }) => pid === service.pid).length);
}

async function untilShares(sql: Sql, workers: readonly Hosted[], wanted: readonly number[]): Promise<number> {
  const fromMs = performance.now();
  let found: number[] = [];
  await waitFor(async () => {
    found = await shares(sql, workers);
    return JSON.stringify(found) === JSON.stringify(wanted);
  }, { deadlineMs: STEP_DEADLINE_MS, what: `shares ${wanted}` }).catch((error) => {
    throw new Error(`${error.message}: found ${found}`, { cause: error });
  });
  return Math.round(performance.now() - fromMs);
}

Deno.test("packets dropped between a worker and Redis: the other worker takes its shards, also with a master killed", async () => {
  await using scene = await openScene({ shards: SHARDS, workers: 2 });
  const { network, nodes, cluster, workers, databaseUrl, skus } = scene;
  const [cut] = workers;
  assert.ok(cut);
  await withConnection(databaseUrl, async (sql) => {
    await untilShares(sql, workers, [2, 2]);
    await using sale = await scene.sale();

    const cutMs = performance.now();
    const stood = await standstills(sql, async () => {
      for (const node of nodes) await network.cut(cut.host, node);
      note(`shares moved ${await untilShares(sql, workers, [0, SHARDS])} ms after the cut`);
      for (const sku of skus) await sale.sells(sku, STEP_DEADLINE_MS);
      await sleep(1000); // and are booked
    });
    note(`the ledger stood still for ${stood} ms; pauses of the sale ${sale.pauses(cutMs)}`);
    assert.ok(Math.max(...stood) < STANDSTILL_MAX_MS, `the ledger stood still for ${stood} ms`);

    const master = cluster.node(await scene.masterOf(0));
    await master.kill();
    const killedMs = performance.now();
    for (const sku of skus) await sale.sells(sku, STEP_DEADLINE_MS);
    note(`a master killed meanwhile: pauses of the sale ${sale.pauses(killedMs)}`);
    await network.heal();
    note(`shares are even again ${await untilShares(sql, workers, [2, 2])} ms after healing`);
    const books = await sale.audit();
    note(`${books.lines.length} accepted`, sale.unknown);
  });
});
