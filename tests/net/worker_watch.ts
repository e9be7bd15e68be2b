/**
 * Who keeps which shards, and how long the ledger of a shard stands still.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Sql } from "postgres";
import { waitFor } from "../../tools/servers/wait.ts";
import type { Hosted } from "./network_fixture.ts";

const STEP_DEADLINE_MS = 60_000;
const POLL_MS = 50;

/** How long the ledger of each shard stood still at most, while `during` ran; ms. */
export async function standstills(sql: Sql, shards: number, during: () => Promise<void>): Promise<number[]> {
  const moved = Array.from({ length: shards }, () => ({ seq: -1, atMs: performance.now(), maxMs: 0 }));
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
    select split_part(split_part(application_name, ':', 2), '@', 1)::int as pid
    from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and granted and objsubid = 2 and objid::bigint < 2147483648`;
  return workers.map(({ service }) => rows.filter(({ pid }) => pid === service.pid).length);
}

/** Waits until each worker keeps so many shards. Returns how long that took, ms. */
export async function untilShares(
  sql: Sql,
  workers: readonly Hosted[],
  wanted: readonly number[],
): Promise<number> {
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
