/** nginx before three API processes that die in a rush: buyers notice nothing, and the ledger agree to the unit. */
import assert from "node:assert/strict";
import { startNginx } from "../../tools/servers/nginx.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { assertLedger, readLedger, stockOf, stockUp, unitsOf } from "./ledger_audit.ts";
import { LoadClients } from "./load_clients.ts";
import { planOrders, runSeed, wanted } from "./plan.ts";
import { startStack } from "./stack.ts";

const ORDERS = 20_000;
const CONNECTIONS = 64;
/** As long as draining takes; an order waits for a frozen Redis, and for an API without a core. */
const REQUEST_TIMEOUT_MS = 4_000;
/** Far below it: no order is given up meanwhile. */
const STALLED_DEADLINE_MS = 1_500;
const HIDDEN_DEADLINE_MS = 60_000;
/** Around the moment when the stock ends, after about a third of the orders: then the sold-out caches fill. */
const KILLED_AFTER = [6_000, 7_000, 8_000, 12_000];

Deno.test("nginx: API processes killed in a rush of 20,000 orders cost no buyer an answer", async () => {
  const seed = runSeed();
  await using redis = await startRedis();
  const databaseUrl = await sharedPostgres().freshDatabase();
  const limits = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS) };
  const env = { SHARDS: "4", TRUST_PROXY: "1", BLOCKED: "198.51.100.7", ...limits };
  await using stack = await startStack({ redisUrl: redis.url, databaseUrl, apis: 3, env });
  await using nginx = await startNginx({ apis: stack.apis.map(({ url }) => url) });

  const skus = ["hot-1", "hot-2", "hot-3", "hot-4"];
  const orders = planOrders({ seed, orders: ORDERS, skus, users: 8000 });
  const initial = new Map(skus.map((sku) => [sku, Math.floor(wanted(orders, sku) / 3)]));
  const history = await stockUp(stack.api, initial);
  await using clients = new LoadClients({
    orders,
    urls: [nginx.url],
    connections: CONNECTIONS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    declaresFirst: true,
    history,
  });
  const rush = clients.rush();
  const inFlight: number[] = [];
  const hidden = () => clients.heard.filter((heard) => heard.kind === "accepted" && heard.replayed).length;
  const kill = async (turn: number) => {
    const api = stack.apis[turn % stack.apis.length] ?? assert.fail();
    inFlight.push(clients.inFlight);
    await api.kill();
    return api;
  };
  // First with orders in Redis: it decides them when it goes on, and no client is there to hear it.
  const untilMs = performance.now() + HIDDEN_DEADLINE_MS;
  for (let turn = 0; hidden() === 0; turn++) {
    assert.ok(performance.now() < untilMs, "no killed process had accepted an order and not answered it");
    await clients.answeredAtLeast(clients.answered + CONNECTIONS);
    redis.freeze();
    const killed = await clients.stalled(STALLED_DEADLINE_MS) ? await kill(turn) : undefined;
    redis.thaw();
    await killed?.restart();
  }
  for (const [turn, count] of KILLED_AFTER.entries()) {
    await clients.answeredAtLeast(count);
    await (await kill(turn)).restart();
  }
  await rush;
  const unknown = clients.heard.flatMap((heard) => heard.kind === "unknown" ? [heard.code] : []);
  await clients.settle();

  const stock = await stockOf(stack.api, skus);
  const tables = await readLedger({ databaseUrl }, stock);
  // deno-lint-ignore no-console -- the seed repeats the run, the values are what people ask for
  console.log(
    `seed ${seed}, ${clients.ordersPerSecond} orders/s through nginx: ${
      clients.count("accepted")
    } accepted, ` +
      `${
        clients.count("insufficient_stock")
      } sold out; in flight at each kill ${inFlight}, of which ${hidden()} had been ` +
      `accepted and lost their answer`,
  );
  assert.deepEqual(unknown, [], "a buyer was left without an answer");
  assertLedger({ orders, heard: clients.heard, initial, left: unitsOf(stock), history }, tables);
  assert.deepEqual([...new Set(unitsOf(stock).values())], [0], "the last units were sold too");
  assert.ok(clients.count("insufficient_stock") > ORDERS / 4, "the stock was too little");
});
