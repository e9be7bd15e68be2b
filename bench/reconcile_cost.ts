/**
 * What the continuous reconciliation costs: one shard of many SKUs, with movements of sales, whose worker compares
 * everything. Prints the CPU time of worker, Redis and PostgreSQL with it and without it, over the same time while nothing
 * is sold, as a share of one core, and how many SKUs were compared.
 *
 *     deno task bench bench/reconcile_cost.ts                            1,000,000 SKUs, 1,000,000 movements more, 120 s
 *     deno task bench bench/reconcile_cost.ts -- 100000 0 60
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { openPostgres } from "../src/ledger/postgres/server.ts";
import { openLedger } from "../src/ledger/postgres/ledger.ts";
import { realWorld as world } from "../src/runtime/world.ts";
import { withConnection } from "../tools/servers/database.ts";
import { cpuMs } from "../tools/load/oha.ts";
import { childrenOf } from "../tools/servers/pid.ts";
import { startPostgres } from "../tools/servers/postgres.ts";
import { startRedis } from "../tools/servers/redis.ts";
import { waitFor } from "../tools/servers/wait.ts";
import { Service } from "../tests/system/stack.ts";

const [skus = 1_000_000, sales = 1_000_000, seconds = 120] = Deno.args.map(Number);
const ARMED_DEADLINE_MS = 600_000;

/** The ledger of a deployment whose SKUs were made and partly sold. */
async function seed(databaseUrl: string): Promise<void> {
  const database = openPostgres({
    url: databaseUrl,
    namespace: "inventory",
    applicationName: "bench",
    world,
  });
  const ledger = await openLedger(database, world);
  await ledger.prepare(1);
  await ledger.close();
  await withConnection(databaseUrl, async (sql) => {
    await sql`set search_path = inventory`;
    const total = skus + sales;
    await sql`
      insert into movements (
        shard, epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after,
        reserved_after, fingerprint, reason, reference, actor, traceparent, occurred_at
      )
      select
        0, 1, n, 0, case when n <= ${skus}::int then 'create' else 'deduct' end, 'id-' || n, '',
        'SKU_' || lpad((n % ${skus}::int)::text, 8, '0'), case when n <= ${skus}::int then 1000000 else -1 end, 0,
        1000000 - (n - 1) / ${skus}::int, 0, '', '', '', '', '', now() - interval '2 days'
      from generate_series(1, ${total}::int) n`;
    await sql`insert into stock (shard, sku, available, reserved)
      select shard, sku, sum(delta), 0 from movements group by shard, sku`;
    await sql`update log_cursor set epoch = 1, issued_epoch = 1, seq = ${total}::int, noted_head = ${total}::int`;
    await sql`vacuum analyze`;
  });
}

/** CPU time of processes and their children, seconds. */
async function cpuOf(pids: readonly number[]): Promise<number> {
  let ms = 0;
  for (const pid of pids) {
    for (const one of [pid, ...await childrenOf(pid)]) ms += await cpuMs(one) ?? 0;
  }
  return ms / 1000;
}

await using redis = await startRedis();
await using postgres = await startPostgres();
await seed(postgres.url);
const shares: number[] = [];
for (const minutes of ["0", "60", "0", "60"]) {
  const env = {
    REDIS_URL: redis.url,
    DATABASE_URL: postgres.url,
    RECONCILE_MINUTES: minutes,
    LOG_LEVEL: "info",
  };
  await using worker = await Service.start("worker", env);
  await waitFor(() => worker.logged("shard armed").length > 0, {
    deadlineMs: ARMED_DEADLINE_MS,
    what: "an armed shard",
  });
  await new Promise((resolve) => setTimeout(resolve, 10_000)); // what follows an arming
  const pids = [worker.pid, redis.pid, postgres.pid];
  const [before, startMs] = [await cpuOf(pids), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const share = (await cpuOf(pids) - before) / ((performance.now() - startMs) / 1000);
  shares.push(share);
  console.log(`RECONCILE_MINUTES=${minutes}: ${(share * 100).toFixed(2)} % of a core`);
}
const [off = 0, on = 0, off2 = 0, on2 = 0] = shares;
console.log(`${skus} SKUs: ${(((on + on2) - (off + off2)) / 2 * 100).toFixed(2)} % of a core`);
