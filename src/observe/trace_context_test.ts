import assert from "node:assert/strict";
import { RequestRecord } from "../http/ports/observer.ts";
import { loadConfig } from "../runtime/settings/config.ts";
import { realWorld } from "../runtime/world.ts";
import { spanIdOf, spanRefOf, traceIdOf, Tracing } from "./trace_context.ts";

function tracing(env: Record<string, string> = {}, random = realWorld.random, now = realWorld.now): Tracing {
  const { telemetry } = loadConfig({ OTLP_ENDPOINT: "http://127.0.0.1:4318", ...env });
  assert.ok(telemetry);
  return new Tracing({ ...realWorld, random, now }, telemetry);
}

Deno.test("ids are as W3C Trace Context wants them, and no two alike", () => {
  const contexts = tracing();
  const seen = new Set<string>();
  for (let i = 0; i < 10_000; i++) {
    const text = contexts.contextOf("").traceparent;
    assert.match(text, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    seen.add(text.slice(3, 52));
  }
  assert.equal(seen.size, 10_000);
});

Deno.test("spans of a place have ids of one row, which goes round", () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-1234abcdffffffff-00";
  const context = { traceparent, idLow: 2 ** 32 - 1 };
  assert.equal(traceIdOf(context), "0af7651916cd43dd8448eb211c80319c");
  assert.deepEqual([0, 1, 2].map((n) => spanIdOf(context, n)), [
    "1234abcdffffffff",
    "1234abcd00000000",
    "1234abcd00000001",
  ]);
});

Deno.test("the ratio decides about traces that begin here, the caller about others", () => {
  const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-";
  const contexts = tracing({ TRACE_RATIO: "0.25" });
  const kept = Array.from({ length: 10_000 }, () => contexts.contextOf("").sampled).filter(Boolean).length;
  // Standard deviation 43.
  assert.ok(kept > 2200 && kept < 2800, `${kept} of 10,000`);
  assert.ok(!contexts.contextOf(`${caller}00`).sampled);
  const joined = contexts.contextOf(`${caller}01`);
  assert.deepEqual([joined.sampled, joined.parentSpanId], [true, "b7ad6b7169203331"]);
  assert.match(joined.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  assert.deepEqual(spanRefOf(`${caller}03`), {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "b7ad6b7169203331",
    sampled: true,
  });
  assert.equal(spanRefOf(""), undefined);
  const flags = ["00", "01", "02", "09", "0a", "0b", "0e", "0f"];
  const sampled = flags.filter((digits) => spanRefOf(`${caller}${digits}`)?.sampled);
  assert.deepEqual(sampled, ["01", "09", "0b", "0f"]);
});

Deno.test("the log has the traceparent of a trace that is sampled or a caller's", () => {
  const caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  const recordOf = (ratio: string, callerTraceparent: string) => {
    const record = new RequestRecord(new Request("http://localhost/"), {}, callerTraceparent, 0);
    record.trace = tracing({ TRACE_RATIO: ratio }).contextOf(callerTraceparent);
    return record;
  };
  const own = recordOf("0", "");
  assert.equal(own.loggedTraceparent, "");
  assert.match(own.traceparent, /-00$/, "an error still has one");
  const joined = recordOf("0", caller);
  assert.match(joined.loggedTraceparent, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/);
  assert.equal(joined.loggedTraceparent, joined.traceparent);
  const kept = recordOf("1", "");
  assert.match(kept.loggedTraceparent, /-01$/);
  assert.equal(kept.loggedTraceparent, kept.traceparent);
});

Deno.test("a window of full sampling opens for a while and closes again", () => {
  let nowMs = 0;
  const env = { TRACE_RATIO: "0", TRACE_FULL_EVERY: "60", TRACE_FULL_FOR: "5" };
  const contexts = tracing(env, realWorld.random, () => nowMs);
  const keptAt = (seconds: number) => {
    nowMs = seconds * 1000;
    return contexts.contextOf("").sampled;
  };
  assert.deepEqual([0, 4.9, 5, 59, 60, 64.9, 65].map(keptAt), [true, true, false, false, true, true, false]);
});
