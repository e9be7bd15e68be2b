/**
 * A sale of baskets of one shard and of several while API processes and the worker are killed: every basket is sold whole
 * or not at all, as its buyer heard.
 */
import assert from "node:assert/strict";
import { Router } from "../../src/decide/router.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { startPostgres } from "../../tools/servers/postgres.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { Service } from "./stack.ts";

const DEADLINE_MS = 60_000;
const SHARDS = 3;
const ORDERS = 600;
const CLIENTS = 12;
/** Too few for all orders, so that baskets are refused, too. */
const UNITS_EACH = 450;

interface Order {
  readonly id: string;
  readonly lines: readonly { readonly sku: string; readonly amount: number }[];
  /** The status that its buyer heard at last. */
  status: number;
  /** Of the first success. */
  body: string;
}

const router = new Router(SHARDS);
const skus = router.all().map((shard) => {
  for (let n = 0;; n++) if (router.route(`SKU-${n}`) === shard) return `SKU-${n}`;
});

/** Every third basket is in one shard, the others in two or three. */
function orderOf(n: number): Order {
  const shards = n % 3 === 0 ? [n % SHARDS] : n % 3 === 1 ? [n % SHARDS, (n + 1) % SHARDS] : [0, 1, 2];
  const lines = shards.map((shard) => ({ sku: skus[shard] ?? "", amount: 1 + n % 2 }));
  return { id: `order-${n}`, lines, status: 0, body: "" };
}

Deno.test("baskets of several shards are whole while API processes and the worker are killed", async () => {
  await using redis = await startRedis();
  await using postgres = await startPostgres();
  const databaseUrl = await postgres.freshDatabase();
  const env = {
    REDIS_URL: redis.url,
    DATABASE_URL: databaseUrl,
    SHARDS: String(SHARDS),
    USER_LIMIT_MS: "0",
    REQUEST_TIMEOUT_MS: "1500",
  };
  await using worker = await Service.start("worker", env);
  const apis = [await Service.start("api", env), await Service.start("api", env)];
  await using owned = new AsyncDisposableStack();
  for (const api of apis) {
    owned.use(api);
    await api.ready(DEADLINE_MS);
  }
  for (const sku of skus) {
    const answer = await apis[0]?.post(`/api/v1/inventory/${sku}/adjustments`, {
      adjustment_id: "opening",
      delta: UNITS_EACH,
    });
    assert.equal(answer?.status, 201);
  }

  const orders = Array.from({ length: ORDERS }, (_, n) => orderOf(n));
  let [next, unknown, settled, first] = [0, 0, 0, 0];
  const client = async () => {
    for (let order = orders[next++]; order; order = orders[next++]) {
      // A final answer: sold, or refused for lack of units. Everything else is asked again, at the other API.
      for (let attempt = 0; order.status !== 200 && order.status !== 409; attempt++) {
        const { id, lines } = order;
        const api = apis[attempt % apis.length];
        if (attempt === 0) first++;
        const answer = await api?.post("/api/v1/orders", { order_id: id, user_id: "u", lines }).catch(() =>
          undefined
        );
        if (attempt === 0) first--;
        order.status = answer?.status ?? 0;
        if (answer === undefined || answer.status === 503) unknown++;
        else order.body = JSON.stringify({ ...answer.body, success: true });
        assert.ok(
          [0, 200, 409, 503].includes(order.status),
          `${id}: ${order.status} ${JSON.stringify(answer?.body)}`,
        );
      }
      settled++;
    }
  };
  const selling = Promise.all(Array.from({ length: CLIENTS }, client));
  for (let round = 0; settled < ORDERS; round++) {
    const until = settled + ORDERS / 12;
    await waitFor(() => settled >= Math.min(until, ORDERS), {
      deadlineMs: DEADLINE_MS,
      what: "orders to be settled",
    });
    const victim = round % 3 === 2 ? worker : apis[round % 2];
    if (settled === ORDERS || !victim) break;
    if (round === 0) {
      // Every first attempt goes to this one: once all wait for it, no answer of it is on its way.
      victim.freeze();
      let before = -1;
      await waitFor(() => first === CLIENTS && settled === before || (before = settled, false), {
        deadlineMs: DEADLINE_MS,
        what: "every client to wait for a frozen API",
      });
    }
    await victim.kill();
    await victim.restart();
  }
  await selling;
  assert.ok(unknown > 0, "no kill met a request");

  await withConnection(databaseUrl, async (sql) => {
    await sql.unsafe("set search_path = inventory");
    await waitFor(async () => {
      const [left] = await sql`select
        (select count(*) from baskets)::integer + (select count(*) from order_lines where state = 'held')::integer as open`;
      return left?.open === 0;
    }, { deadlineMs: DEADLINE_MS, what: "every decision to be carried out" });
    const rows = await sql<{ order_id: string; sku: string; amount: number }[]>`
      select order_id, sku, units::integer as amount from order_lines`;
    const sold = Map.groupBy(rows, ({ order_id }) => order_id);
    for (const order of orders) {
      const found = (sold.get(order.id) ?? []).map(({ sku, amount }) => `${sku} ${amount}`).sort();
      const wanted = order.status === 200
        ? order.lines.map(({ sku, amount }) => `${sku} ${amount}`).sort()
        : [];
      assert.deepEqual(found, wanted, `${order.id} was answered with ${order.status}`);
    }
    const stock = await sql<{ sku: string; available: number; reserved: number }[]>`
      select sku, available::integer as available, reserved::integer as reserved from stock order by sku`;
    for (const { sku, available, reserved } of stock) {
      const units = rows.filter((row) => row.sku === sku).reduce((sum, { amount }) => sum + amount, 0);
      assert.deepEqual([available, reserved], [UNITS_EACH - units, 0], sku);
    }
  });
  assert.ok(orders.some(({ status }) => status === 409) && orders.some(({ status }) => status === 200));
  // A repeated order gets the first answer.
  for (const order of orders.filter(({ status }) => status === 200).slice(0, 30)) {
    const { id, lines } = order;
    const answer = await apis[0]?.post("/api/v1/orders", { order_id: id, user_id: "u", lines });
    assert.ok(answer?.replayed, id);
    assert.equal(JSON.stringify({ ...answer.body, success: true }), order.body, id);
  }
});
