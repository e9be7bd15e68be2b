import assert from "node:assert/strict";
import { CommandTimings } from "../decide/command_timings.ts";
import { TracedRequest } from "./traced_request.ts";

const place = { traceparent: "", parentSpanId: "", sampled: false, idLow: 0 };

/** A request with a status that led to commands, each of which was `fine` or `failed`. */
function requestOf(status: number, ...commands: readonly ("fine" | "failed")[]): TracedRequest {
  const request = new TracedRequest(new Request("http://localhost/"), {}, place, 0);
  request.status = status;
  for (const how of commands) {
    const timings = new CommandTimings({ kind: "stock", sku: "S" });
    timings.failed = how === "failed";
    request.note(timings);
  }
  return request;
}

Deno.test("traced request: a batch has failed when one of its items has, whichever it is", () => {
  assert.ok(requestOf(200, "failed", "fine", "fine").failed);
  assert.ok(requestOf(200, "fine", "fine", "failed").failed);
  assert.ok(!requestOf(200, "fine", "fine").failed);
});

Deno.test("traced request: 500 and above is a failure, with and without a command", () => {
  assert.deepEqual([499, 500, 503].map((status) => requestOf(status).failed), [false, true, true]);
  assert.deepEqual(requestOf(200, "fine", "failed").timingsOfAll.map(({ failed }) => failed), [false, true]);
  assert.deepEqual(requestOf(200).timingsOfAll, []);
});
