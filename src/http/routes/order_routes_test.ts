import { deepEqual, equal } from "node:assert/strict";
import type { RememberedLine } from "../../domain/outcome.ts";
import {
  acceptedOutcome,
  jsonPost,
  routesUnderTest,
  testNowMs,
} from "../../../tests/http/scripted_inventory.ts";

const line: RememberedLine = {
  sku: "SKU_1",
  kind: "deduct",
  amount: 2,
  newStock: 7,
  seq: 12,
  atMs: testNowMs,
  userId: "u1",
  state: "accepted",
  units: 2,
  holdMs: 0,
  expiresAtMs: 0,
  settledSeq: 0,
  settledUnits: 0,
  settledStock: 0,
  actor: "",
  attempt: "",
};
const lines = [{ sku: "A", amount: 1 }, { sku: "B", amount: 2 }];
const basket = { order_id: "o1", user_id: "u1", lines };
const returnUnits = { return_id: "r1", lines, reason: "too small" };

Deno.test("a basket reaches the inventory as one command, lines of a SKU summed, and its answer the client", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => ({ ...acceptedOutcome, seq: 7, newStock: [9, 8] });
  const doubled = { ...basket, lines: [...lines, { sku: "A", amount: 4 }] };
  const response = await send("/api/v1/orders", jsonPost(doubled, { "order-attempt": "1" }));
  equal(response.status, 200);
  deepEqual(await response.json(), {
    success: true,
    order_id: "o1",
    lines: [{ sku: "A", amount: 5, new_stock: 9 }, { sku: "B", amount: 2, new_stock: 8 }],
    seq: 7,
    message: "success",
  });
  const [command] = inventory.commands;
  if (command?.kind !== "order") throw new TypeError("Cannot check a command that is not a basket");
  deepEqual(inventory.firstAttempts, [true]);
  deepEqual(command, {
    kind: "order",
    orderId: "o1",
    userId: "u1",
    lines: [{ sku: "A", amount: 5 }, { sku: "B", amount: 2 }],
    hasToken: false,
    holdMs: 0,
    actor: "",
    traceparent: "",
  });
});

Deno.test("a basket that is refused says for which SKU, or that its SKUs live apart", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => ({ kind: "insufficient", sku: "B", available: 1 });
  const short = await (await send("/api/v1/orders", jsonPost(basket))).json();
  deepEqual([short.status, short.code, short.sku, short.available], [409, "insufficient_stock", "B", 1]);
  inventory.decide = () => ({ kind: "cross_shard" });
  const apart = await (await send("/api/v1/orders", jsonPost(basket))).json();
  deepEqual([apart.status, apart.code, apart.order_id], [422, "cross_shard_basket", "o1"]);
});

Deno.test("an order is answered with its lines and what became of each", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.order = { kind: "order_found", lines: [line] };
  const response = await send("/api/v1/orders/o1");
  equal(response.status, 200);
  equal(response.headers.get("cache-control"), "no-store");
  deepEqual(await response.json(), {
    order_id: "o1",
    lines: [{
      sku: "SKU_1",
      user_id: "u1",
      kind: "deduct",
      amount: 2,
      state: "accepted",
      units: 2,
      returned: 0,
      new_stock: 7,
      seq: 12,
      accepted_at: "2026-11-22T12:00:00.000Z",
      expires_at: null,
      settled: null,
    }],
  });
});

Deno.test("an order without lines is 404 unknown_order", async () => {
  const { send } = routesUnderTest();
  const response = await send("/api/v1/orders/o1");
  equal(response.status, 404);
  equal((await response.json()).code, "unknown_order");
});

Deno.test("when a shard or the ledger cannot be asked, an order is 503 and never 404", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.order = { kind: "unarmed" };
  const response = await send("/api/v1/orders/o1");
  equal(response.status, 503);
  deepEqual((await response.json()).order_id, "o1");
});

Deno.test("an order id in the path is held to the rules of ids", async () => {
  const { send, inventory } = routesUnderTest();
  for (const id of ["%00", "%ff", "a".repeat(129)]) {
    const responses = [
      await send(`/api/v1/orders/${id}`),
      await send(`/api/v1/orders/${id}/return`, jsonPost(returnUnits)),
    ];
    for (const response of responses) {
      equal(response.status, 400, id);
      equal((await response.json()).errors[0].pointer, "/order_id");
    }
  }
  deepEqual([inventory.commands, inventory.lookups], [[], []]);
});

Deno.test("a return reaches the inventory as a command, and its answer the client", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => ({ ...acceptedOutcome, seq: 7, newStock: [9, 8], replayed: true });
  const response = await send("/api/v1/orders/a%2Fb/return", jsonPost(returnUnits));
  equal(response.status, 200);
  equal(response.headers.get("idempotency-replayed"), "true");
  deepEqual(await response.json(), {
    success: true,
    order_id: "a/b",
    return_id: "r1",
    lines: [{ sku: "A", amount: 1, new_stock: 9 }, { sku: "B", amount: 2, new_stock: 8 }],
    seq: 7,
    message: "success",
  });
  const [command] = inventory.commands;
  if (command?.kind !== "return") throw new TypeError("Cannot check a command that is not a return");
  deepEqual(command, {
    kind: "return",
    orderId: "a/b",
    returnId: "r1",
    lines,
    reason: "too small",
    ledger: null,
    owner: "",
    actor: "",
    traceparent: "",
  });
  deepEqual(inventory.lookups, []);
});

Deno.test("a return of an unknown order is 404, and 503 when the ledger is needed and unavailable", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => ({ kind: "unknown_order" });
  const unknown = await (await send("/api/v1/orders/o1/return", jsonPost(returnUnits))).json();
  deepEqual([unknown.status, unknown.code, unknown.order_id], [404, "unknown_order", "o1"]);
  inventory.decide = () => ({ kind: "store_unavailable", reason: "ledger" });
  const away = await (await send("/api/v1/orders/o1/return", jsonPost(returnUnits))).json();
  deepEqual([away.status, away.code, away.return_id], [503, "store_unavailable", "r1"]);
  inventory.decide = () => ({ kind: "ledger_behind" });
  const behind = await (await send("/api/v1/orders/o1/return", jsonPost(returnUnits))).json();
  deepEqual([behind.status, behind.code, behind.return_id], [503, "ledger_behind", "r1"]);
});

Deno.test("a return of more than was sold says how many there are", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => ({ kind: "exceeds", sku: "B", units: 1 });
  const response = await send("/api/v1/orders/o1/return", jsonPost(returnUnits));
  const { status, code, sku, units } = await response.json();
  deepEqual({ status, code, sku, units }, { status: 409, code: "return_exceeds_sold", sku: "B", units: 1 });
});
