/**
 * Deno's own OpenTelemetry: Holdfast steps aside, and its spans hang under Deno's.
 */
import assert from "node:assert/strict";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { startEmbedded } from "../system/stack.ts";
import { startReceiver } from "./receiver.ts";

/** Deno's own OpenTelemetry, sending to `url`. */
const denoSends = (url: string) => ({
  OTEL_DENO: "true",
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/protobuf",
  OTEL_BSP_SCHEDULE_DELAY: "200",
  OTEL_METRIC_EXPORT_INTERVAL: "500",
  DEMO_STOCK: "1",
});

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

Deno.test("under OTEL_DENO spans hang under Deno's, the log leads to them, and no second SDK sends", async () => {
  await using receiver = startReceiver();
  await using api = await startEmbedded(await dataDir("builtin"), {
    ...denoSends(receiver.url),
  });
  const order = { sku: "SKU_123", user_id: "u", order_id: "o", amount: 1 };
  const { status } = await api.post("/api/v1/inventory/deduct", order, {
    traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01`,
  });
  assert.equal(status, 200);
  const linked = () => receiver.spans.find(({ links }) => links.some(({ traceId }) => traceId === TRACE_ID));
  await waitFor(() => receiver.trace(TRACE_ID).length >= 4 && linked() !== undefined, {
    deadlineMs: 30_000,
    what: "the spans",
  });
  await waitFor(() => receiver.latest("inventory.deduct.total").length > 0, {
    deadlineMs: 30_000,
    what: "the metrics",
  });
  const spans = receiver.trace(TRACE_ID);
  const names = spans.map(({ name }) => name).toSorted();
  assert.deepEqual(names, [
    "POST /api/v1/inventory/deduct",
    "cache.check",
    "inventory.deduct",
    "redis.deduct",
  ]);
  const server = spans.find(({ name }) => name.startsWith("POST"));
  const sale = spans.find(({ name }) => name === "inventory.deduct");
  assert.equal(server?.parentSpanId, "b7ad6b7169203331");
  assert.equal(server?.attributes["http.route"], "/api/v1/inventory/deduct");
  assert.equal(sale?.parentSpanId, server?.spanId);
  assert.equal(sale?.attributes["inventory.new_stock"], 999);
  assert.deepEqual(linked()?.links.map(({ spanId }) => spanId), [server?.spanId]);
  assert.equal(linked()?.name, "db.sync");
});

Deno.test("under OTEL_DENO with OTEL_PROPAGATORS=none a stranger's traceparent decides neither trace nor sampling", async () => {
  await using receiver = startReceiver();
  await using api = await startEmbedded(await dataDir("builtin"), {
    ...denoSends(receiver.url),
    OTEL_PROPAGATORS: "none",
    OTEL_TRACES_SAMPLER: "parentbased_traceidratio",
    OTEL_TRACES_SAMPLER_ARG: "0",
  });
  const order = { sku: "SKU_123", user_id: "u", order_id: "o", amount: 1 };
  const { status } = await api.post("/api/v1/inventory/deduct", order, {
    traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01`,
  });
  assert.equal(status, 200);
  const sent = () => receiver.latest("inventory.deduct.total").length;
  await waitFor(() => sent() > 0, { deadlineMs: 30_000, what: "the metrics" });
  // The process sends what is left at its end.
  await api.stop();
  assert.deepEqual(receiver.spans.map(({ name }) => name), []);
});
