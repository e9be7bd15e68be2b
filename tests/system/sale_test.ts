/**
 * The main promise on real servers: a rush on too little stock, API, worker, Redis and PostgreSQL as
 * processes of their own, and a ledger that agrees to the unit.
 */
import assert from "node:assert/strict";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { assertLedger, readLedger, stockOf, stockUp, unitsOf } from "./ledger_audit.ts";
import { LoadClients } from "./load_clients.ts";
import { planOrders, runSeed, wanted } from "./plan.ts";
import { startStack } from "./stack.ts";

const ORDERS = 20_000;
const CONNECTIONS = 128;
/** As long as draining takes: an order without an answer has met a failure, and not a busy machine. */
const REQUEST_TIMEOUT_MS = 4_000;

for (
  const { shards, skus } of [
    { shards: 1, skus: ["hot-1", "hot-2", "hot-3", "hot-4"] },
    { shards: 4, skus: ["hot-1", "hot-2", "hot-3", "hot-4", "hot-5", "hot-6", "hot-7", "hot-8"] },
  ]
) {
  Deno.test(`a rush of 20,000 orders on too little stock, ${shards} shards: accepted = applied = initial − left`, async () => {
    const seed = runSeed();
    await using redis = await startRedis();
    const databaseUrl = await sharedPostgres().freshDatabase();
    await using stack = await startStack({
      redisUrl: redis.url,
      databaseUrl,
      env: { SHARDS: String(shards), REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS) },
    });

    const orders = planOrders({ seed, orders: ORDERS, skus, users: 8000 });
    // A third of what is wanted: sold out in the middle of the rush, with thousands of orders to come.
    const initial = new Map(skus.map((sku) => [sku, Math.floor(wanted(orders, sku) / 3)]));
    const history = await stockUp(stack.api, initial);
    await using clients = new LoadClients({
      orders,
      urls: [stack.api.url],
      connections: CONNECTIONS,
      requestTimeoutMs: REQUEST_TIMEOUT_MS,
      history,
    });
    await clients.rush();
    const settled = await clients.settle();

    const stock = await stockOf(stack.api, skus);
    const tables = await readLedger({ databaseUrl }, stock);
    // deno-lint-ignore no-console -- the seed repeats the run, the rate is what people ask for
    console.log(
      `seed ${seed}, ${clients.ordersPerSecond} orders/s: ${clients.count("accepted")} accepted, ` +
        `${clients.count("insufficient_stock")} sold out, ${clients.count("rate_limited")} limited`,
      settled,
    );
    assertLedger({ orders, heard: clients.heard, initial, left: unitsOf(stock), history }, tables);
    assert.equal(new Set([...stock.values()].map(({ shard }) => shard)).size, shards, "every shard has sold");
    assert.equal(settled.unknown, 0, "nothing failed, so every order had its answer at once");
    assert.ok(clients.count("insufficient_stock") > ORDERS / 4, "the stock was too little");
    assert.ok(clients.count("rate_limited") > 0, "some came back too early");
    assert.deepEqual([...new Set(unitsOf(stock).values())], [0], "the last units were sold too");
  });
}
