/**
 * The whole way of an order on real servers, API and worker as processes of their own: its trace, the link from the
 * ledger's write, and every metric that dashboards and alerts read.
 */
import assert from "node:assert/strict";
import { instruments } from "../../src/observe/instruments.ts";
import { allExpressions } from "../backends/expressions.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { startStack } from "../system/stack.ts";
import type { Metric } from "./otlp.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const DEADLINE_MS = 60_000;

/** Sells, holds, lets lapse and refuses; returns when all of it has arrived. */
async function sellAndReport(receiver: Receiver, namespace: string): Promise<void> {
  await using shop = await startStack({
    redisUrl: sharedRedis().url,
    databaseUrl: await sharedPostgres().freshDatabase(),
    env: { NAMESPACE: namespace, OTLP_ENDPOINT: receiver.url, TRACE_RATIO: "0.01" },
  });
  const { api, worker } = shop;
  const path = "/api/v1/inventory";
  await api.post(`${path}/SKU/adjustments`, { adjustment_id: "a", delta: 90 });
  const order = { sku: "SKU", user_id: "u", order_id: "o", amount: 1 };
  const sold = await api.post(`${path}/deduct`, order, {
    traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01`,
    "order-attempt": "1",
  });
  assert.equal(sold.status, 200);
  const hold = { order_id: "h", user_id: "v", lines: [{ sku: "SKU", amount: 1 }], ttl_seconds: 1 };
  assert.equal((await api.post("/api/v1/reservations", hold)).status, 201);
  await waitFor(async () => (await api.get(`${path}/SKU`)).body.reserved === 0, {
    deadlineMs: DEADLINE_MS,
    what: "a hold that lapses",
  });
  await waitFor(() => receiver.spans.some(({ links }) => links.some(({ traceId }) => traceId === TRACE_ID)), {
    deadlineMs: DEADLINE_MS,
    what: "the ledger's span",
  });
  // The report at the end has the rest, but for what belongs to shards: their leases are given back before.
  await waitFor(() => receiver.latest("inventory.stock.current").length > 0, {
    deadlineMs: DEADLINE_MS,
    what: "the worker's report",
  });
  await Promise.all([api.stop(), worker.stop()]);
}

/** A metric's series as Prometheus calls them: what its own OTLP receiver makes of the name. */
function prometheusNames({ name, unit, type, monotonic }: Metric): string[] {
  const units: Record<string, string> = { s: "_seconds", By: "_bytes" };
  const base = name.replaceAll(".", "_").replace(/_total$/, "") + (units[unit] ?? "");
  if (type === "histogram") return [`${base}_bucket`, `${base}_sum`, `${base}_count`];
  return [monotonic ? `${base}_total` : base];
}

/** What an expression reads: names of metrics with the labels that it asks for; no recording rules. */
function* readsOf(promql: string): Generator<{ metric: string; labels: string[] }> {
  const reads = /(?<![\w:])((?:inventory|http|db|process|nodejs)_\w+)(?![\w:])(?:\{([^}]*)\})?/g;
  const withoutGrouping = promql.replaceAll(/\b(?:by|on|group_left)\s*\([^)]*\)/g, "");
  for (const [, metric = "", matchers = ""] of withoutGrouping.matchAll(reads)) {
    yield {
      metric,
      labels: [...matchers.matchAll(/(\w+)\s*(?:=|!=|=~|!~)/g)].map(([, label = ""]) => label),
    };
  }
}

Deno.test("an order's trace goes from the request to the ledger, and every metric of deploy/ is emitted", async (t) => {
  await using receiver = startReceiver();
  const namespace = freshNamespace();
  await sellAndReport(receiver, namespace);

  await t.step("the order's spans are in the caller's trace", () => {
    const spans = receiver.trace(TRACE_ID);
    const names = ["POST /api/v1/inventory/deduct", "inventory.deduct", "cache.check", "redis.deduct"];
    assert.deepEqual(spans.map(({ name }) => name), names);
    assert.ok(spans.every(({ service }) => service === `${namespace}-api`));
    const [request, sale, cache, call] = spans;
    assert.equal(request?.parentSpanId, "b7ad6b7169203331");
    assert.equal(cache?.attributes["inventory.cache.result"], "miss");
    assert.equal(call?.attributes["db.system.name"], "redis");
    assert.equal(call?.attributes["db.operation.name"], "EVALSHA");
    assert.equal(sale?.attributes["inventory.new_stock"], 89);
  });

  await t.step("the worker's span is linked to the order's, through the event", () => {
    const sale = receiver.trace(TRACE_ID).find(({ name }) => name === "inventory.deduct");
    const linked = receiver.spans.filter(({ links }) => links.some(({ spanId }) => spanId === sale?.spanId));
    assert.equal(linked.length, 1);
    const [sync] = linked;
    assert.equal(sync?.name, "db.sync");
    assert.equal(sync?.kind, 5);
    assert.equal(sync?.service, `${namespace}-worker`);
    assert.equal(sync?.parentSpanId, "");
    const { "inventory.log.seq.first": first, "inventory.log.seq.last": last } = sync?.attributes ?? {};
    const seq = Number(sale?.attributes["inventory.seq"]);
    assert.ok(Number(first) <= seq && seq <= Number(last), `${seq} within ${first} and ${last}`);
  });

  await t.step(
    "every metric that dashboards and alerts read is there, with the labels that they ask for",
    () => {
      const emitted = new Map<string, Set<string>>();
      for (const metric of receiver.metrics) {
        for (const name of prometheusNames(metric)) {
          const labels = emitted.get(name) ?? new Set();
          for (const { attributes } of metric.points) {
            for (const label of Object.keys(attributes)) labels.add(label.replaceAll(".", "_"));
          }
          emitted.set(name, labels);
        }
      }
      const known = new Map<string, readonly string[]>(
        Object.values(instruments).map(({ name, labels }) => [name.replaceAll(".", "_"), labels]),
      );
      const expressions = allExpressions();
      assert.ok(expressions.length > 50, `${expressions.length} expressions were found`);
      for (const { where, promql } of expressions) {
        for (const { metric, labels } of readsOf(promql)) {
          assert.ok(emitted.has(metric), `${where} reads ${metric}, which nothing emits`);
          const may = [...known].find(([name]) => metric.startsWith(name.replace(/_total$/, "")))?.[1] ?? [];
          for (const label of labels) {
            // An error's label is there only after an error.
            assert.ok(
              may.some((name) => name.replaceAll(".", "_") === label),
              `${where}: ${label} of ${metric}`,
            );
          }
        }
      }
    },
  );

  await t.step("no series has a label that the table lacks", () => {
    const table = new Map<string, readonly string[]>(
      Object.values(instruments).map(({ name, labels }) => [name, labels]),
    );
    for (const { name, points } of receiver.metrics) {
      for (const { attributes } of points) {
        for (const label of Object.keys(attributes)) {
          assert.ok(table.get(name)?.includes(label), `${label} of ${name}`);
        }
      }
    }
  });

  await t.step("the log arrives, and no line has an order or a user in it", () => {
    const armed = receiver.logs.filter(({ body }) => body === "shard armed");
    assert.deepEqual(armed.map(({ service }) => service), [`${namespace}-worker`]);
    for (const { body, attributes } of receiver.logs) {
      assert.ok(!/order_id|user_id/.test(JSON.stringify({ body, attributes })), String(body));
    }
  });

  await t.step("stock is reported by the worker, and of what is nearly gone", () => {
    const reports = receiver.metrics.filter(({ name }) => name === "inventory.stock.current");
    assert.ok(reports.every(({ service }) => service === `${namespace}-worker`));
    const seen = reports.flatMap(({ points }) => points);
    assert.ok(seen.length > 0 && seen.every(({ attributes }) => attributes.sku === "SKU"));
  });
});
