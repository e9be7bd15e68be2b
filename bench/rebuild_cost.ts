/**
 * How long an empty Redis takes until it sells again: PostgreSQL is filled by SQL, and a worker started that finds
 * nothing in Redis. Prints seconds from the worker's start to the armed shard, and the memory of both.
 *
 *     deno task bench bench/rebuild_cost.ts                        100,000 SKUs, 500,000 remembered lines
 *     deno task bench bench/rebuild_cost.ts -- 1000000 5000000     what is promised: under two minutes
 *     deno task bench bench/rebuild_cost.ts -- 100000 500000 10000000
 *                                                          the same on an old ledger: 10 million lines of a year, of
 *                                                          which half were bought under quotas that are over, and a fifth is
 *                                                          returns and adjustments
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { openPostgres } from "../src/ledger/postgres/server.ts";
import { openLedger } from "../src/ledger/postgres/ledger.ts";
import { realWorld as world } from "../src/runtime/world.ts";
import { watchMemory } from "../tests/fault/process_memory.ts";
import { withConnection } from "../tools/servers/database.ts";
import { startRedis } from "../tools/servers/redis.ts";
import { sharedPostgres } from "../tools/servers/shared.ts";
import { waitFor } from "../tools/servers/wait.ts";
import { Service } from "../tests/system/stack.ts";

const [skus = 100_000, lines = 500_000, history = 0] = Deno.args.map(Number);
/** SKUs that have a quota now. */
const limited = Math.min(500, skus);
// Five times what is promised, so that a slow machine shows by how much.
const rebuildDeadlineMs = 600_000;

/** The ledger of a deployment whose SKUs were made long ago, and whose lines all are of the last day. */
async function seed(databaseUrl: string): Promise<void> {
  const ledger = await openLedger(
    openPostgres({ url: databaseUrl, namespace: "inventory", applicationName: "holdfast-bench", world }),
    world,
  );
  await ledger.prepare(1);
  await ledger.close();
  await withConnection(databaseUrl, async (sql) => {
    await sql`set search_path = inventory`;
    await sql`
      insert into stock (shard, sku, available, reserved)
      select 0, 'SKU_' || lpad(n::text, 8, '0'), 1000, 0 from generate_series(1, ${skus}::int) n`;
    await sql`
      insert into movements (
        shard, epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after,
        reserved_after, fingerprint, reason, reference, actor, traceparent, occurred_at
      )
      select
        0, 1, n, 0, 'create', 'opening-' || n, '', 'SKU_' || lpad(n::text, 8, '0'), 1000, 0, 1000, 0,
        left(md5(n::text), 16), '', '', '', '', now() - interval '2 days'
      from generate_series(1, ${skus}::int) n`;
    // No movements of sales: a rebuild does not read them, and they would double the time of filling.
    await sql`
      insert into order_lines (
        shard, order_id, sku, user_id, amount, kind, state, units, has_quota, fingerprint, new_stock, seq, line,
        accepted_at
      )
      select
        0, md5(n::text)::uuid::text, 'SKU_' || lpad((1 + n % ${skus}::int)::text, 8, '0'), 'user-' || n, 1,
        'deduct', 'accepted', 1, ${
      history > 0
    } and n % ${skus}::int < ${limited}::int, left(md5(n::text), 16), 1000, ${skus}::int + n, 0,
        now() - interval '23 hours' * (1 - n / ${lines}::float)
      from generate_series(1, ${lines}::int) n`;
    if (history > 0) await fillHistory(sql);
    await sql`update log_cursor set epoch = 1, issued_epoch = 1, seq = ${skus + lines}`;
    await sql`vacuum analyze`;
  });
}

/** A year of sales, returns and adjustments before that, under numbers below 0: a rebuild reads the same either way. */
async function fillHistory(sql: Parameters<Parameters<typeof withConnection>[1]>[0]): Promise<void> {
  await sql`
    update stock set policy = json_build_object('quota', 5, 'sale', ${skus}::int)
    where sku <= 'SKU_' || lpad(${limited}::text, 8, '0')`;
  await sql`
    insert into order_lines (
      shard, order_id, sku, user_id, amount, kind, state, units, has_quota, fingerprint, new_stock, seq, line, accepted_at
    )
    select
      0, 'old-' || n, 'SKU_' || lpad((1 + n % ${limited}::int)::text, 8, '0'), 'user-' || n, 1, 'deduct', 'accepted',
      1, n % 10 < 5, '', 1000, n - ${history}::int, 0, now() - interval '2 days' - interval '365 days' * (1 - n / ${history}::float)
    from generate_series(1, ${history}::int) n where n % 10 < 8`;
  await sql`
    insert into movements (
      shard, epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after, reserved_after,
      fingerprint, reason, reference, actor, traceparent, occurred_at
    )
    select
      0, 1, n - ${history}::int, 0, case n % 10 when 8 then 'return' when 9 then 'adjust' else 'deduct' end,
      'old-' || n, 'user-' || n, 'SKU_' || lpad((1 + n % ${limited}::int)::text, 8, '0'), 1, 0, 1000, 0, '', '', '', '',
      '', now() - interval '2 days' - interval '365 days' * (1 - n / ${history}::float)
    from generate_series(1, ${history}::int) n`;
}

const databaseUrl = await sharedPostgres().freshDatabase();
const seedStartMs = performance.now();
await seed(databaseUrl);
console.log(`${skus} SKUs, ${lines} lines and ${history} old ones written in ${seconds(seedStartMs)} s`);

await using redis = await startRedis();
const startMs = performance.now();
await using worker = await Service.start("worker", { REDIS_URL: redis.url, DATABASE_URL: databaseUrl });
using memory = watchMemory({ worker: worker.pid, redis: redis.pid });
await waitFor(() => worker.output().includes('"shard armed"'), {
  deadlineMs: rebuildDeadlineMs,
  what: "an armed shard",
}).catch((error) => {
  throw new Error(`${error.message}, and the worker says:\n${worker.output()}`, { cause: error });
});
const took = seconds(startMs);

const [stock, orders] = await Promise.all(
  ["stock", "orders:0"].map((name) => redis.cli("HLEN", `{inventory:0}:${name}`)),
);
if (Number(stock) !== skus || Number(orders) !== lines) {
  throw new Error(`Cannot count this as a rebuild as Redis has ${stock} SKUs and ${orders} orders`);
}
console.log(
  `rebuilt and armed in ${took} s; highest memory: worker ${memory.highest.worker} MB, Redis ${memory.highest.redis} MB`,
);

function seconds(sinceMs: number): string {
  return ((performance.now() - sinceMs) / 1000).toFixed(1);
}
