/**
 * What an order takes of memory, disk and network: sold while the worker is away, so that the log stands whole, and then
 * applied.
 *
 *     deno task bench bench/footprint.ts                 50,000 orders
 *     deno task bench bench/footprint.ts -- 500000
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { withConnection } from "../tools/servers/database.ts";
import { startRedis } from "../tools/servers/redis.ts";
import { sharedPostgres } from "../tools/servers/shared.ts";
import { waitFor } from "../tools/servers/wait.ts";
import { startStack } from "../tests/system/stack.ts";

const [orders = 50_000] = Deno.args.map(Number);
const itemsAPost = 1000;
const skus = 100;
const appliedDeadlineMs = 600_000;

await using redis = await startRedis();
const databaseUrl = await sharedPostgres().freshDatabase();
await using stack = await startStack({ redisUrl: redis.url, databaseUrl });
const { api, worker } = stack;
for (let n = 0; n < skus; n++) {
  await api.post(`/api/v1/inventory/sku-${n}/adjustments`, { adjustment_id: "first", delta: 1_000_000 });
}
await applied(0);

const before = { redis: await redisBytes(), ledger: await ledgerBytes() };
await worker.kill();
for (let first = 0; first < orders; first += itemsAPost) {
  const items = Array.from({ length: Math.min(itemsAPost, orders - first) }, (_, i) => ({
    sku: `sku-${(first + i) % skus}`,
    user_id: `user-${String(first + i).padStart(10, "0")}`,
    order_id: crypto.randomUUID(),
    amount: 1,
  }));
  const { status } = await api.post("/api/v1/inventory/deduct/batch", { items });
  if (status !== 200) throw new Error(`Cannot sell: ${status}`);
}
const sold = await redisBytes();
await worker.restart();
await applied(orders);
const after = { redis: await redisBytes(), ledger: await ledgerBytes() };

const each = (bytes: number) => `${(bytes / orders).toFixed(0)} bytes an order`;
console.log(`${orders} orders of ids with 36 and 15 characters, in batches of ${itemsAPost} over HTTP`);
console.log(`Redis remembers    ${each(after.redis.memory - before.redis.memory)}, for IDEMPOTENCY_WINDOW_S`);
console.log(`an event waits in  ${each(sold.events - before.redis.events)}, until it is applied`);
console.log(`API to Redis       ${each(sold.received - before.redis.received)}`);
console.log(`Redis to API       ${each(sold.sent - before.redis.sent)}`);
console.log(`append-only file   ${each(sold.written - before.redis.written)}, before it is rewritten`);
console.log(`PostgreSQL         ${each(after.ledger.tables - before.ledger.tables)} in tables and indexes`);
console.log(`write-ahead log    ${each(after.ledger.wal - before.ledger.wal)}`);

/** Waits until the ledger has as many sales. */
async function applied(sales: number): Promise<void> {
  await waitFor(() =>
    withConnection(databaseUrl, async (sql) => {
      const [row] = await sql`select count(*)::int as lines from inventory.order_lines where kind = 'deduct'`;
      return row?.lines === sales;
    }), { deadlineMs: appliedDeadlineMs, what: "the ledger" });
}

async function redisBytes() {
  const field = (info: string, name: string) =>
    Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
  const [memory, stats, persistence, events] = await Promise.all([
    redis.cli("INFO", "memory"),
    redis.cli("INFO", "stats"),
    redis.cli("INFO", "persistence"),
    redis.cli("MEMORY", "USAGE", "{inventory:0}:events", "SAMPLES", "0"),
  ]);
  return {
    memory: field(memory, "used_memory_dataset"),
    received: field(stats, "total_net_input_bytes"),
    sent: field(stats, "total_net_output_bytes"),
    written: field(persistence, "aof_current_size"),
    events: Number(events) || 0,
  };
}

async function ledgerBytes(): Promise<{ readonly tables: number; readonly wal: number }> {
  return await withConnection(databaseUrl, async (sql) => {
    const [row] = await sql`
      select sum(pg_total_relation_size(c.oid))::float as tables,
        (pg_current_wal_lsn() - '0/0'::pg_lsn)::float as wal
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'inventory' and c.relkind = 'r'`;
    return { tables: Number(row?.tables), wal: Number(row?.wal) };
  });
}
