/** What the connections record of requests and responses. */
import assert from "node:assert/strict";
import { type Heard, operationsOf } from "./operations.ts";
import { RecordedDeployment } from "./recorded.ts";

const API = "/api/v1";
const heard = (status: number, body: object): Heard => ({ status, replayed: false, body: { ...body } });

function recordedOf(method: string, path: string, body: unknown, answer: Heard): unknown[] {
  return operationsOf({ method, path: API + path, body }).map(({ operation, answerIn }) => [
    operation,
    answerIn(answer),
  ]);
}

Deno.test("recorder: every request that moves or reads units is an operation, and no other", () => {
  const line = { sku: "a", amount: 2 };
  const units = [{ sku: "a", units: 2 }];
  const sold = heard(200, { seq: 7, lines: [{ sku: "a", new_stock: 3 }] });
  const accepted = { kind: "accepted", seq: 7, available: [3], replayed: false };
  const order = { order_id: "o", user_id: "u" };
  assert.deepEqual(
    recordedOf(
      "POST",
      "/inventory/deduct",
      { ...order, ...line },
      { ...heard(200, { seq: 7, new_stock: 3 }), replayed: true },
    ),
    [[{ call: "deduct", id: "o", user_id: "u", lines: units }, { ...accepted, replayed: true }]],
  );
  assert.deepEqual(recordedOf("POST", "/orders", { ...order, lines: [line] }, sold), [
    [{ call: "order", id: "o", user_id: "u", lines: units }, accepted],
  ]);
  assert.deepEqual(recordedOf("POST", "/reservations", { ...order, lines: [line] }, sold), [
    [{ call: "reserve", id: "o", user_id: "u", lines: units }, accepted],
  ]);
  assert.deepEqual(recordedOf("POST", "/reservations/a%2Fb/confirm", {}, sold), [
    [{ call: "confirm", id: "a/b", lines: [] }, { ...accepted, available: [] }],
  ]);
  assert.deepEqual(recordedOf("POST", "/orders/o/return", { return_id: "r", lines: [line] }, sold), [
    [{ call: "return", id: "o", reference: "r", lines: units }, accepted],
  ]);
  const stock = heard(201, { seq: 7, available: 3 });
  assert.deepEqual(recordedOf("POST", "/inventory/a/adjustments", { adjustment_id: "x", delta: 2 }, stock), [
    [{ call: "adjust", id: "x", lines: units }, accepted],
  ]);
  assert.deepEqual(recordedOf("PUT", "/inventory/a", { adjustment_id: "x", available: 2 }, stock), [
    [{ call: "set", id: "x", lines: units }, accepted],
  ]);
  assert.deepEqual(recordedOf("GET", "/inventory/a", undefined, heard(200, { seq: 7, available: 3 })), [
    [{ call: "read", lines: [{ sku: "a", units: 0 }] }, { kind: "stock", seq: 7, available: 3 }],
  ]);
  for (const path of ["/inventory/a/pause", "/purchase-tokens", "/reservations/o/extend"]) {
    assert.deepEqual(recordedOf("POST", path, {}, sold), [], path);
  }
});

Deno.test("recorder: each deduct of a batch is an operation with its own answer", () => {
  const item = (order_id: string) => ({ order_id, user_id: "u", sku: "a", amount: 1 });
  const results = [{ status: 200, seq: 1, new_stock: 0, replayed: true }, {
    status: 503,
    code: "overloaded",
  }];
  const answers = (answer: Heard) =>
    recordedOf("POST", "/inventory/deduct/batch", { items: [item("o1"), item("o2")] }, answer)
      .map((found) => (found as unknown[])[1]);
  assert.deepEqual(answers(heard(200, { items: results })), [
    { kind: "accepted", seq: 1, available: [0], replayed: true },
    { kind: "refused", code: "overloaded" },
  ]);
  assert.deepEqual(answers(heard(503, { code: "outcome_unknown" })), [{ kind: "unknown" }, {
    kind: "unknown",
  }]);
});

Deno.test("recorder: a refusal names the units that it saw, and what no API understands is no operation", () => {
  const order = { order_id: "o", user_id: "u", sku: "a", amount: 2 };
  const answerTo = (status: number, body: object) =>
    recordedOf("POST", "/inventory/deduct", order, heard(status, body)).map((found) =>
      (found as unknown[])[1]
    );
  assert.deepEqual(answerTo(409, { code: "insufficient_stock", sku: "a", available: 1 }), [
    { kind: "refused", code: "insufficient_stock", sku: "a", available: 1 },
  ]);
  assert.deepEqual(answerTo(502, {}), [{ kind: "unknown" }], "a proxy does not know");
  const broken = [{}, { ...order, amount: 1.5 }, { ...order, sku: null }, {
    ...order,
    order_id: "x".repeat(129),
  }];
  for (const body of broken) {
    assert.deepEqual(recordedOf("POST", "/inventory/deduct", body, heard(400, {})), [], JSON.stringify(body));
  }
  assert.deepEqual(recordedOf("GET", "/inventory/%FF", undefined, heard(400, {})), []);
});

Deno.test("recorder: an API, a worker and an API behind a proxy of Redis are one deployment, another ledger is another", () => {
  const url = (port: number) => `http://127.0.0.1:${port}`;
  const join = (env: Record<string, string>, port: number) =>
    RecordedDeployment.join({ NAMESPACE: "of-this-test", ...env }, url(port)).history;
  const worker = join({ REDIS_URL: "redis://r", DATABASE_URL: "postgres://worker@p/one" }, 1);
  assert.equal(join({ REDIS_URL: "redis://r" }, 2), worker);
  assert.equal(join({ REDIS_URL: "redis://proxy" }, 3), worker);
  assert.equal(join({ REDIS_URL: "redis://proxy", DATABASE_URL: "postgres://api@p/one" }, 4), worker);
  const other = join({ REDIS_URL: "redis://other", DATABASE_URL: "postgres://p/two" }, 5);
  assert.notEqual(other, worker);
  assert.throws(() => join({ REDIS_URL: "redis://another-proxy" }, 7), /pass 'databaseUrl'/);
  assert.equal(RecordedDeployment.historyAt(`${url(3)}/`), worker);
  assert.equal(RecordedDeployment.historyAt(url(5)), other);
  assert.throws(() => RecordedDeployment.historyAt(url(6)), /no process of a test listens there/);
});
