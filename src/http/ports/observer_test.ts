import assert from "node:assert/strict";
import { RequestRecord } from "./observer.ts";

/** A request with a status that led to commands, each of which was `fine` or `failed`. */
function requestOf(status: number, ...commands: readonly ("fine" | "failed")[]): RequestRecord {
  const request = new RequestRecord(new Request("http://localhost/"), {}, "", 0);
  request.status = status;
  for (const how of commands) {
    request.time({ kind: "stock", sku: "S" }).failed = how === "failed";
  }
  return request;
}

Deno.test("request record: a batch has failed when one of its items has, whichever it is", () => {
  assert.ok(requestOf(200, "failed", "fine", "fine").failed);
  assert.ok(requestOf(200, "fine", "fine", "failed").failed);
  assert.ok(requestOf(200, "failed").failed, "a batch of one item");
  assert.ok(!requestOf(200, "fine", "fine").failed);
});

Deno.test("request record: 500 and above is a failure, with and without a command", () => {
  assert.deepEqual([499, 500, 503].map((status) => requestOf(status).failed), [false, true, true]);
  assert.deepEqual(requestOf(200, "fine", "failed").timings.map(({ failed }) => failed), [false, true]);
  assert.deepEqual(requestOf(200).timings, []);
});
