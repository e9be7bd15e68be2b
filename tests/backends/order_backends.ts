/**
 * Orders followed all the way: real processes on real servers, watched by the real Collector, Jaeger, Prometheus and
 * Loki with the configuration of `deploy/`.
 */
import assert from "node:assert/strict";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { type Stack, startStack } from "../system/stack.ts";
import { type Backends, startBackends } from "./backends.ts";
import { allExpressions, selectorsOf } from "./expressions.ts";
import { evaluates, linesOf, seriesOf, spansNamed, spansOf, tagOf } from "./queries.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER = "00f067aa0ba902b7";
const FAILED_TRACE_ID = "5cf92f3577b34da6a3ce929d0e0e4737";
const UNITS = 500;
// Spans leave after 0.5 s, metrics every 10 s, and the Collector's queue is before all of them.
const ARRIVAL_DEADLINE_MS = 90_000;
const eventually = (what: string, condition: () => Promise<boolean>) =>
  waitFor(condition, { deadlineMs: ARRIVAL_DEADLINE_MS, what });

Deno.test("an order is found in every backend: its spans, the ledger's behind the link, its metrics, its lines", async (t) => {
  await using redis = await startRedis();
  await using backends = await startBackends();
  await using stack = await startStack({
    redisUrl: redis.url,
    databaseUrl: await sharedPostgres().freshDatabase(),
    env: {
      OTLP_ENDPOINT: backends.otlpUrl,
      TRACE_RATIO: "0", // what is kept is kept by a caller's decision, or because it failed
      USER_LIMIT_MS: "0",
      REQUEST_TIMEOUT_MS: "500",
      LOG_LEVEL: "debug",
    },
  });
  const { api } = stack;
  const stocked = await api.post("/api/v1/inventory/HOT/adjustments", { adjustment_id: "a", delta: UNITS });
  assert.equal(stocked.status, 201);

  await t.step("Jaeger has the order's spans, and the ledger's batch by its link", async () => {
    assert.equal(await buy(stack, "followed", TRACE_ID), 200);
    await eventually(
      "the spans of an order",
      async () => (await spansOf(backends.jaegerUrl, TRACE_ID)).length >= 4,
    );
    const spans = await spansOf(backends.jaegerUrl, TRACE_ID);
    const parents = Object.fromEntries(spans.map((span) => [
      span.operationName,
      spans.find(({ spanID }) => spanID === span.references[0]?.spanID)?.operationName ??
        span.references[0]?.spanID,
    ]));
    assert.deepEqual(parents, {
      "POST /api/v1/inventory/deduct": CALLER,
      "inventory.deduct": "POST /api/v1/inventory/deduct",
      "cache.check": "inventory.deduct",
      "redis.deduct": "inventory.deduct",
    });
    const sale = spans.find(({ operationName }) => operationName === "inventory.deduct");
    assert.equal(sale && tagOf(sale, "inventory.order_id"), "followed");

    const ids = spans.map(({ spanID }) => spanID);
    let linked = 0;
    await eventually("the ledger's span with a link to the order", async () => {
      const batches = await spansNamed(backends.jaegerUrl, "inventory-worker", "db.sync");
      linked = batches.flatMap(({ references }) => references)
        .filter(({ refType, traceID, spanID }) =>
          refType === "FOLLOWS_FROM" && traceID === TRACE_ID && ids.includes(spanID)
        ).length;
      return linked > 0;
    });
    assert.equal(linked, 1, "an order is applied once");
  });

  await t.step("a request that failed is in Jaeger whole, though nothing was to be sampled", async () => {
    await everyOutcome(stack, redis);
    const failed = () => spansOf(backends.jaegerUrl, FAILED_TRACE_ID);
    await eventually("the spans of a failed request", async () => (await failed()).length >= 4);
    const [request] = (await failed()).filter(({ operationName }) => operationName.startsWith("POST "));
    assert.ok(request);
    assert.equal(tagOf(request, "http.response.status_code"), 503);
    assert.ok(tagOf(request, "error"), "it is no error to Jaeger");
  });

  await t.step("Prometheus has every series of the dashboard and the rules, with its labels", async () => {
    const missing = new Set<string>();
    await eventually("every series", async () => {
      missing.clear();
      for (const { where, promql } of allExpressions()) {
        await evaluates(backends.prometheusUrl, promql);
        for (const { metric, labels } of await selectorsOf(backends.prometheusUrl, promql)) {
          if (labels.includes("otel_metric_overflow")) continue;
          const wanted = labels.map((label) => `${label}!=""`).join(",");
          const found = await seriesOf(backends.prometheusUrl, `${metric}{${wanted}}`);
          if (found.length === 0) missing.add(`${metric}{${wanted}} of ${where}`);
        }
      }
      return missing.size === 0;
    }).catch((error) => {
      throw new Error(`${error.message}:\n${[...missing].join("\n")}`);
    });
    assert.deepEqual(await evaluates(backends.prometheusUrl, '{otel_metric_overflow="true"}'), []);
  });

  await t.step("Prometheus' values are those of the sale", async () => {
    const stock = 'max by (sku) (inventory_stock_current{sku="HOT"})';
    await eventually(
      "the stock of a SKU that was sold out",
      async () => await valueOf(backends, stock) === 0,
    );
    const accepted = 'sum(inventory_deduct_total{result=~"accepted|replayed"})';
    const sales = UNITS + 1; // the reservation that lapsed gave its unit back
    await eventually(`${sales} sales`, async () => await valueOf(backends, accepted) === sales);
  });

  await t.step("Loki has the lines of both processes, and a failed request's under its trace", async () => {
    const arming = '{service_name="inventory-worker"} |= "shard armed"';
    await eventually("the worker's lines", async () => (await linesOf(backends.lokiUrl, arming)).length > 0);
    const ofTrace = `{service_name="inventory-api"} | trace_id="${FAILED_TRACE_ID}"`;
    await eventually(
      "a failed request's lines",
      async () => (await linesOf(backends.lokiUrl, ofTrace)).length > 0,
    );
  });
});

Deno.test("a Collector that samples by the tail keeps what failed, whole, and counts all that came", async () => {
  await using redis = await startRedis();
  await using backends = await startBackends({
    tailSampling: { DECISION_WAIT: "2s", SLOW_MS: "60000", SAMPLE_PERCENT: "0" },
  });
  await using stack = await startStack({
    redisUrl: redis.url,
    databaseUrl: await sharedPostgres().freshDatabase(),
    env: {
      OTLP_ENDPOINT: backends.otlpUrl,
      TRACE_SAMPLING: "collector",
      USER_LIMIT_MS: "0",
      REQUEST_TIMEOUT_MS: "500",
    },
  });
  await stack.api.post("/api/v1/inventory/HOT/adjustments", { adjustment_id: "a", delta: UNITS });
  const orders = 100;
  for (let n = 0; n < orders; n++) assert.equal(await buy(stack, `order-${n}`), 200);
  redis.freeze();
  assert.equal(await buy(stack, "unknown", FAILED_TRACE_ID), 503);
  redis.thaw();

  await eventually(
    "the failed request's spans",
    async () => (await spansOf(backends.jaegerUrl, FAILED_TRACE_ID)).length === 4,
  );
  const calls = 'sum(traces_span_metrics_calls_total{span_name="POST /api/v1/inventory/deduct"})';
  await eventually("a count of all", async () => await valueOf(backends, calls) === orders + 1);
  const kept = await spansNamed(backends.jaegerUrl, "inventory-api", "POST /api/v1/inventory/deduct");
  assert.equal(kept.length, 1, "of what went well, nothing was to be kept");
});

/** Buys one unit of HOT, in a trace that is sampled when it has an id. */
async function buy({ api }: Stack, orderId: string, traceId?: string, sampled = "01"): Promise<number> {
  const order = { sku: "HOT", user_id: orderId, order_id: orderId, amount: 1 };
  const { status } = await api.post("/api/v1/inventory/deduct", order, {
    "order-attempt": "1",
    ...traceId && { traceparent: `00-${traceId}-${CALLER}-${sampled}` },
  });
  return status;
}

/** What a sale can come to, so that every value changes: sold, sold out, failed; a reservation that lapses. */
async function everyOutcome(stack: Stack, redis: RedisServer): Promise<void> {
  const lapses = { order_id: "held", user_id: "u", lines: [{ sku: "HOT", amount: 1 }], ttl_seconds: 1 };
  assert.equal((await stack.api.post("/api/v1/reservations", lapses)).status, 201);
  redis.freeze();
  try {
    assert.equal(await buy(stack, "unknown", FAILED_TRACE_ID, "00"), 503);
  } finally {
    redis.thaw();
  }
  await redis.cli("CLIENT", "KILL", "TYPE", "normal"); // the worker waits for the log in a call: that one fails
  await waitFor(async () => await buy(stack, "unknown") === 200, {
    deadlineMs: ARRIVAL_DEADLINE_MS,
    what: "a sale after the thaw",
  });
  let sold = 2;
  await waitFor(async () => {
    const statuses = await Promise.all(Array.from({ length: 50 }, () => buy(stack, crypto.randomUUID())));
    sold += statuses.filter((status) => status === 200).length;
    return sold === UNITS;
  }, { deadlineMs: ARRIVAL_DEADLINE_MS, what: "the last unit" });
  assert.equal(await buy(stack, "too-late"), 409);
  assert.equal(await buy(stack, "far-too-late"), 409);
}

/** The one value of an expression; undefined when there is none yet. */
async function valueOf({ prometheusUrl }: Backends, promql: string): Promise<number | undefined> {
  const [result] = await evaluates(prometheusUrl, promql) as { readonly value: readonly [number, string] }[];
  return result && Number(result.value[1]);
}
