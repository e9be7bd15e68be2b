import assert from "node:assert/strict";
import { loadConfig } from "../config.ts";
import { realWorld } from "../world.ts";
import { spanIdOf, spanRefOf, traceparentOfSpan, Tracing } from "./trace_context.ts";

function tracing(env: Record<string, string> = {}, random = realWorld.random, now = realWorld.now): Tracing {
  const { telemetry } = loadConfig({ OTLP_ENDPOINT: "http://127.0.0.1:4318", ...env });
  assert.ok(telemetry);
  return new Tracing({ ...realWorld, random, now }, telemetry);
}

Deno.test("ids are as W3C Trace Context wants them, and no two alike", () => {
  const places = tracing();
  const seen = new Set<string>();
  for (let i = 0; i < 10_000; i++) {
    const text = traceparentOfSpan(places.place(""), 1);
    assert.match(text, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    seen.add(text.slice(3, 52));
  }
  assert.equal(seen.size, 10_000);
});

Deno.test("spans of a place have ids of one row, which goes round and never is zero", () => {
  const place = { traceId: "", parentSpanId: "", sampled: false, idHigh: "00000000", idLow: 2 ** 32 - 1 };
  assert.equal(spanIdOf(place, 0), "00000000ffffffff");
  assert.equal(spanIdOf(place, 1), "0000000000000001");
  assert.equal(
    spanIdOf(place, 2),
    "0000000000000001",
    "the one id that comes twice is not worth a check more",
  );
});

Deno.test("the ratio decides about traces that begin here, the caller about others", () => {
  const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-";
  const places = tracing({ TRACE_RATIO: "0.25" });
  const kept = Array.from({ length: 10_000 }, () => places.place("").sampled).filter(Boolean).length;
  // Standard deviation 43.
  assert.ok(kept > 2200 && kept < 2800, `${kept} of 10,000`);
  assert.ok(!places.place(`${caller}00`).sampled);
  const joined = places.place(`${caller}01`);
  assert.deepEqual([joined.sampled, joined.parentSpanId], [true, "b7ad6b7169203331"]);
  assert.deepEqual(spanRefOf(`${caller}03`), {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    sampled: true,
  });
  assert.equal(spanRefOf(""), undefined);
});

Deno.test("a window of full sampling opens for a while and closes again", () => {
  let nowMs = 0;
  const env = { TRACE_RATIO: "0", TRACE_FULL_EVERY: "60", TRACE_FULL_FOR: "5" };
  const places = tracing(env, realWorld.random, () => nowMs);
  const keptAt = (seconds: number) => {
    nowMs = seconds * 1000;
    return places.place("").sampled;
  };
  assert.deepEqual([0, 4.9, 5, 59, 60, 64.9, 65].map(keptAt), [true, true, false, false, true, true, false]);
});
