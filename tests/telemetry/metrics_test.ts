/**
 * Metrics: every request is counted whatever becomes of its trace, and no client can make series.
 */
import assert from "node:assert/strict";
import type { Attributes, Point } from "./otlp.ts";
import { type Receiver, startReceiver } from "./receiver.ts";
import { FAILING, startObservedApp } from "./watched_app.ts";

function pointsOf(receiver: Receiver, name: string): readonly Point[] {
  const [metric] = receiver.latest(name);
  assert.ok(metric, `${name} is missing`);
  return metric.points;
}

function countOf(receiver: Receiver, name: string, labels: Attributes = {}): number {
  const found = pointsOf(receiver, name).filter(({ attributes }) =>
    Object.entries(labels).every(([label, value]) => attributes[label] === value)
  );
  return found.reduce((sum, { value, count }) => sum + value + count, 0);
}

Deno.test("sales are counted by what became of them and who decided, and none of it is sampled", async () => {
  await using receiver = startReceiver();
  {
    await using shop = await startObservedApp({ OTLP_ENDPOINT: receiver.url, TRACE_RATIO: "0" });
    for (let i = 0; i < 5; i++) await shop.deduct(`order-${i}`);
    await shop.deduct("order-0");
    await shop.deduct(`${FAILING}1`);
    const first = { headers: { "order-attempt": "1" } };
    await shop.deduct("order-9", { sku: "nothing", ...first });
    const items = [{ sku: "SKU", user_id: "u", order_id: "item-1", amount: 1 }, { sku: "SKU" }, {
      sku: "SKU",
      user_id: "u",
      order_id: "item-2",
      amount: 1_000_000,
    }];
    const { status } = await shop.app.fetch(
      new Request("http://127.0.0.1/api/v1/inventory/deduct/batch", {
        method: "POST",
        headers: { "content-type": "application/json", "order-attempt": "1" },
        body: JSON.stringify({ items }),
      }),
    );
    assert.equal(status, 200);
    await shop.deduct("order-10", { sku: "SKU", ...first });
  }
  assert.equal(countOf(receiver, "inventory.requests"), 11);
  const results = Object.fromEntries(
    pointsOf(receiver, "inventory.deduct.total").map(({ attributes, value }) => [attributes.result, value]),
  );
  assert.deepEqual(results, {
    accepted: 7,
    replayed: 1,
    store_unavailable: 1,
    unknown_sku: 1,
    insufficient_stock: 1,
  });
  assert.equal(countOf(receiver, "inventory.deduct.total", { source: "memory" }), 11);
  assert.equal(countOf(receiver, "inventory.deduct.duration"), 11);
  assert.equal(countOf(receiver, "inventory.cache.miss"), 1, "the store answered insufficient_stock once");
  const route = { "http.route": "/api/v1/inventory/deduct" };
  assert.equal(countOf(receiver, "http.server.request.duration", route), 9);
  const failed = { ...route, "http.response.status_code": 503, "error.type": "503" };
  assert.equal(countOf(receiver, "http.server.request.duration", failed), 1);
  assert.equal(countOf(receiver, "http.server.active_requests"), 0);
  assert.ok(countOf(receiver, "process.cpu.time") > 0 && countOf(receiver, "process.memory.usage") > 0);
});

Deno.test("whatever paths, methods and SKUs are asked for, the number of series is bounded", async () => {
  await using receiver = startReceiver();
  {
    await using shop = await startObservedApp({ OTLP_ENDPOINT: receiver.url, TRACE_RATIO: "0" });
    for (let i = 0; i < 2000; i++) {
      const path = `${["/api/v1/inventory/sku-", "/api/v1/orders/order-", "/whatever-"][i % 3]}${i}`;
      const request = new Request(`http://127.0.0.1${path}`, { method: i % 2 === 0 ? "GET" : `M${i}` });
      await (await shop.app.fetch(request)).text();
      await shop.deduct(`order-${i}`, { sku: `sku-${i}` });
    }
  }
  const series = pointsOf(receiver, "http.server.request.duration");
  assert.ok(series.length <= 10, `${series.length} series`);
  assert.ok(series.some(({ attributes }) => attributes["http.request.method"] === "_OTHER"));
  const text = JSON.stringify(
    receiver.metrics,
    (_, value) => typeof value === "bigint" ? String(value) : value,
  );
  assert.ok(!/sku-\d|order-\d|whatever/.test(text), "an id became a label");
});
