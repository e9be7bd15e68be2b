import { deepEqual, equal } from "node:assert/strict";
import type { Command } from "../../domain/command.ts";
import type { RequestObserver, RequestRecord } from "../ports/observer.ts";
import { acceptedOutcome, jsonPost, routesUnderTest } from "../../../tests/http/scripted_inventory.ts";

const order = { sku: "S", user_id: "u", order_id: "o", amount: 1 };
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

Deno.test("a stream is not cached, compressed or buffered, and HEAD opens none", async () => {
  const { send, app } = routesUnderTest();
  const head = await send("/ops/stream", { method: "HEAD" });
  const stream = await send("/ops/stream");
  for (const { status, headers } of [head, stream]) {
    equal(status, 200);
    deepEqual(["content-type", "cache-control", "x-accel-buffering"].map((name) => headers.get(name)), [
      "text/event-stream",
      "no-store, no-transform",
      "no",
    ]);
  }
  equal(head.body, null);
  app.stop();
  await stream.text();
});

Deno.test("while the live page is open, the log still gets the trace of the caller", async () => {
  const { send, app, inventory } = routesUnderTest();
  inventory.decide = () => acceptedOutcome;
  const sellOne = () => send("/api/v1/inventory/deduct", jsonPost(order, { traceparent }));
  await sellOne();
  const stream = await send("/ops/stream");
  await sellOne();
  app.stop();
  await stream.text();
  const traces = inventory.commands.map((command: Command) =>
    command.kind === "deduct" ? command.traceparent : ""
  );
  deepEqual(traces, [traceparent, traceparent]);
});

Deno.test("all observers get one record, also while the live page is open, and the log gets their trace", async () => {
  const records: RequestRecord[] = [];
  const begun: RequestRecord[] = [];
  const ended: unknown[] = [];
  const tracer: RequestObserver = {
    begin: (record) => {
      begun.push(record);
      record.trace = { traceparent: "own", parentSpanId: "", sampled: true, idLow: 0 };
    },
    end: ({ route, status, timings, turnedAway }) => {
      ended.push([route, status, timings.map(({ command }) => command.kind), [...turnedAway]]);
    },
  };
  const { send, app, inventory } = routesUnderTest({ BLOCKED: "user:bot" }, {}, () => "here", [
    tracer,
    { end: (record) => records.push(record) },
  ]);
  inventory.decide = () => acceptedOutcome;
  const stream = await send("/ops/stream");
  await send("/api/v1/inventory/deduct", jsonPost(order, { traceparent }));
  await send("/api/v1/inventory/deduct", jsonPost({ ...order, user_id: "bot" }));
  app.stop();
  await stream.text();
  const route = "POST /api/v1/inventory/deduct";
  deepEqual(ended.slice(1), [[route, 200, ["deduct"], []], [route, 403, [], ["blocked"]]]);
  deepEqual(records, begun);
  const [sold] = inventory.commands;
  equal(sold?.kind === "deduct" && sold.traceparent, "own");
  equal(records[1]?.callerTraceparent.slice(0, 35), traceparent.slice(0, 35));
});
