/**
 * A Collector that is away, refuses, or hangs: buyers notice nothing, memory is bounded, what is lost is counted, and a
 * process that stops does not wait for it.
 */
import assert from "node:assert/strict";
import { freePort } from "../../tools/servers/port.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { startEmbedded } from "../system/stack.ts";
import { type Mood, startReceiver } from "./receiver.ts";
import { startObservedApp } from "./watched_app.ts";

const ORDERS = 5000;
const SPANS_AN_ORDER = 4;
/** What a process that stops may take for telemetry: required by operators. */
const STOP_MAX_MS = 2000;
/** The timers of a busy machine: ten programs for each core made it 4 s. */
const SLACK_MS = 5000;
const ORDERS_AT_ONCE = 25;

for (const state of ["away", "refuses", "hangs"] as const) {
  Deno.test(`a Collector that ${state === "away" ? "is away" : state}: same answers, and the stop does not wait`, async () => {
    await using receiver = startReceiver();
    if (state !== "away") receiver.mood = state satisfies Mood;
    await using api = await startEmbedded(await dataDir("down"), {
      OTLP_ENDPOINT: state === "away" ? `http://127.0.0.1:${freePort()}` : receiver.url,
      TRACE_SAMPLING: "collector",
      USER_LIMIT_MS: "0",
      DEMO_STOCK: "1",
      REQUEST_TIMEOUT_MS: "4000",
    });
    const buyers = Array.from({ length: ORDERS_AT_ONCE }, async (_, buyer) => {
      for (let i = 0; i < 20; i++) {
        const order = { sku: "SKU_123", user_id: "u", order_id: `o-${buyer}-${i}`, amount: 1 };
        const answer = await api.post("/api/v1/inventory/deduct", order);
        assert.equal(answer.status, 200, JSON.stringify(answer));
      }
    });
    await Promise.all(buyers);
    await waitFor(() => state !== "hangs" || receiver.hanging > 0, {
      deadlineMs: 30_000,
      what: "a send that hangs",
    });
    const startMs = performance.now();
    const { code } = await api.stop();
    const stopMs = performance.now() - startMs;
    assert.equal(code, 0);
    assert.ok(stopMs < STOP_MAX_MS + SLACK_MS, `the stop took ${stopMs} ms`);
    assert.deepEqual(receiver.spans, []);
  });
}

Deno.test("what a slow Collector does not take is dropped beyond 8192 spans, counted, and the count is exported", async () => {
  await using receiver = startReceiver();
  receiver.mood = "hangs";
  {
    await using shop = await startObservedApp({ OTLP_ENDPOINT: receiver.url, TRACE_SAMPLING: "collector" });
    await shop.deduct("order-before");
    await waitFor(() => receiver.hanging > 0, { deadlineMs: 30_000, what: "a send that hangs" });
    const answers = Array.from({ length: ORDERS }, (_, i) => shop.deduct(`order-${i}`));
    assert.deepEqual(new Set((await Promise.all(answers)).map(({ status }) => status)), new Set([200]));
    receiver.mood = "takes";
    await waitFor(() => receiver.spans.length > 0, { deadlineMs: 60_000, what: "spans after the hang" });
    await waitFor(() => shop.failures.length > 0, {
      deadlineMs: 60_000,
      what: "the export that is given up",
    });
  }
  const made = (ORDERS + 2) * SPANS_AN_ORDER; // also the one before, and the one that stocked up
  const arrived = receiver.spans.length;
  assert.ok(arrived <= 8192 + 512, `${arrived} spans waited`);
  const [dropped] = receiver.latest("inventory.telemetry.dropped");
  const spans = dropped?.points.find(({ attributes }) => attributes.signal === "spans");
  assert.equal(spans?.value, made - arrived);
  const traces = Map.groupBy(receiver.spans, ({ traceId }) => traceId);
  for (const spans of traces.values()) {
    assert.equal(spans.length, SPANS_AN_ORDER, "a trace is whole, or not there");
  }
});
