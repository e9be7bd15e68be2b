/**
 * Traces: the spans of a request, and which requests are kept.
 */
import assert from "node:assert/strict";
import type { Span } from "./otlp.ts";
import { startReceiver } from "./receiver.ts";
import { FAILING, startObservedApp } from "./watched_app.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";
const SAMPLED = { traceparent: `00-${TRACE_ID}-${CALLER}-01`, tracestate: "shop=7" };

/** Names under a span, with what is under them. */
function treeUnder(spans: readonly Span[], parentSpanId: string): unknown[] {
  return spans.filter((span) => span.parentSpanId === parentSpanId)
    .map((span) => [span.name, ...treeUnder(spans, span.spanId)]);
}

function named(spans: readonly Span[], name: string): Span {
  const span = spans.find((span) => span.name === name);
  assert.ok(span, `${name} is missing`);
  return span;
}

Deno.test("a deduct in a caller's trace has its spans there, and takes the caller's decision, state and baggage", async () => {
  await using receiver = startReceiver();
  {
    await using shop = await startObservedApp({ OTLP_ENDPOINT: receiver.url, TRACE_RATIO: "0" });
    const headers = { ...SAMPLED, baggage: "tenant=a%20b, broken, x=1;p" };
    assert.equal((await shop.deduct("order-1", { headers })).status, 200);
    assert.equal((await shop.deduct("order-2")).status, 200);
  }
  const spans = receiver.trace(TRACE_ID);
  assert.deepEqual(spans, receiver.spans, "nothing else was kept");
  assert.deepEqual(treeUnder(spans, CALLER), [
    ["POST /api/v1/inventory/deduct", ["inventory.deduct", ["cache.check"], ["redis.deduct"]]],
  ]);
  assert.ok(spans.every(({ traceState, status }) => traceState === "shop=7" && status === 0));
  const request = named(spans, "POST /api/v1/inventory/deduct");
  assert.equal(request.kind, 2);
  assert.equal(request.attributes["http.route"], "/api/v1/inventory/deduct");
  assert.equal(request.attributes["http.response.status_code"], 200);
  assert.equal(request.attributes["baggage.tenant"], "a b");
  assert.equal(request.attributes["baggage.x"], "1");
  const sale = named(spans, "inventory.deduct").attributes;
  assert.equal(sale["inventory.sku"], "SKU");
  assert.equal(sale["inventory.user_id"], "order-1");
  assert.equal(sale["inventory.order_id"], "order-1");
  assert.equal(sale["inventory.amount"], 1);
  assert.equal(sale["inventory.outcome"], "accepted");
  assert.equal(sale["inventory.new_stock"], 999_999);
  const call = named(spans, "redis.deduct");
  assert.equal(call.kind, 3);
  assert.equal(call.attributes["db.system.name"], "memory");
  assert.equal(call.attributes["inventory.batch.size"], 1);
  assert.ok(Number(call.attributes["inventory.batch.id"]) > 0);
  assert.ok(Number(call.attributes["inventory.queue.wait_ms"]) >= 0);
  assert.ok(Number(call.attributes["inventory.store.ms"]) >= 0);
  for (const span of spans) {
    assert.ok(span.endNs >= span.startNs && span.startNs >= request.startNs, span.name);
  }
});

Deno.test("20 requests that fail among 20,000 at 1 %: 20 whole traces of them arrive", async () => {
  await using receiver = startReceiver();
  const statuses = new Map<number, number>();
  {
    await using shop = await startObservedApp({ OTLP_ENDPOINT: receiver.url, TRACE_SLOW_MS: "60000" });
    for (let round = 0; round < 20; round++) {
      const orders = Array.from({ length: 999 }, (_, i) => shop.deduct(`order-${round}-${i}`));
      // Alone, or the batch that it is in would fail with it.
      const answers = [...await Promise.all(orders), await shop.deduct(`${FAILING}${round}`)];
      for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  }
  assert.deepEqual([...statuses], [[200, 19_980], [503, 20]]);
  const failed = receiver.spans.filter(({ kind, status }) => kind === 2 && status === 2);
  assert.equal(failed.length, 20);
  for (const { traceId, spanId, attributes } of failed) {
    assert.equal(attributes["error.type"], "503");
    const spans = receiver.trace(traceId);
    assert.deepEqual(treeUnder(spans, spanId), [["inventory.deduct", ["cache.check"], ["redis.deduct"]]]);
    assert.equal(named(spans, "inventory.deduct").status, 2);
    assert.equal(named(spans, "redis.deduct").attributes["error.type"], "connection_lost");
  }
  const kept = receiver.spans.filter(({ kind }) => kind === 2).length - failed.length;
  // 200 expected, standard deviation 14: outside of this once in 10^9 runs.
  assert.ok(kept > 110 && kept < 290, `${kept} others were kept`);
  assert.equal(receiver.spans.length, 4 * (kept + 20), "every trace is whole");
});

Deno.test("a refusal is no error, and is kept no more than an order is", async () => {
  await using receiver = startReceiver();
  {
    await using shop = await startObservedApp({
      OTLP_ENDPOINT: receiver.url,
      TRACE_RATIO: "0",
      USER_LIMIT_MS: "0",
    });
    assert.equal((await shop.deduct("order-1", { sku: "unknown" })).status, 404);
    assert.equal((await shop.deduct("order-2", { sku: "unknown", headers: SAMPLED })).status, 404);
  }
  const spans = receiver.trace(TRACE_ID);
  assert.deepEqual(spans, receiver.spans);
  assert.ok(spans.length === 4 && spans.every(({ status }) => status === 0));
  assert.equal(named(spans, "inventory.deduct").attributes["inventory.outcome"], "unknown_sku");
});

Deno.test("a request that was slow is kept whole", async () => {
  await using receiver = startReceiver();
  {
    // 2000 at once: most of them wait for longer than 1 ms.
    const env = { OTLP_ENDPOINT: receiver.url, TRACE_RATIO: "0", TRACE_SLOW_MS: "1" };
    await using shop = await startObservedApp(env);
    await Promise.all(Array.from({ length: 2000 }, (_, i) => shop.deduct(`order-${i}`)));
  }
  const requests = receiver.spans.filter(({ kind }) => kind === 2);
  assert.ok(requests.length > 0);
  for (const { traceId, attributes } of requests) {
    assert.equal(attributes["sampling.kept"], "slow");
    assert.equal(receiver.trace(traceId).length, 4);
  }
});

Deno.test("all traces are sent to a Collector that samples, and within a window of full sampling", async () => {
  for (
    const env of [{ TRACE_SAMPLING: "collector" }, { TRACE_FULL_EVERY: "86400", TRACE_FULL_FOR: "86399" }]
  ) {
    await using receiver = startReceiver();
    {
      await using shop = await startObservedApp({ OTLP_ENDPOINT: receiver.url, TRACE_RATIO: "0", ...env });
      for (let i = 0; i < 10; i++) await shop.deduct(`order-${i}`);
    }
    assert.equal(receiver.spans.filter(({ name }) => name === "inventory.deduct").length, 10);
  }
});

Deno.test("a stranger's sampled traceparent exports nothing; one with a known token is exported, refused or not", async () => {
  await using receiver = startReceiver();
  const token = "t".repeat(22);
  {
    const API_TOKENS = JSON.stringify({ [token]: { name: "shop", scopes: ["deduct"] } });
    await using shop = await startObservedApp({ OTLP_ENDPOINT: receiver.url, TRACE_RATIO: "0", API_TOKENS });
    const statuses: number[] = [];
    for (const authorization of ["", "Bearer x", `Basic ${token}`, `Bearer ${token}`]) {
      for (const path of ["/api/v1/inventory/SKU", "/openapi.json", "/nowhere"]) {
        const headers = { ...SAMPLED, ...authorization && { authorization } };
        statuses.push(
          (await shop.app.fetch(new Request(`http://127.0.0.1:8080${path}`, { headers }))).status,
        );
      }
    }
    assert.deepEqual(statuses, [...Array(3).fill([401, 200, 404]).flat(), 403, 200, 404]);
  }
  assert.equal(receiver.spans.length, 3);
  assert.deepEqual(receiver.spans.map(({ name }) => name).toSorted(), [
    ...["GET", "GET /api/v1/inventory/:sku", "GET /openapi.json"],
  ]);
});
