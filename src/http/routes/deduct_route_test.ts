import { deepEqual, equal, match, ok } from "node:assert/strict";
import { acceptedOutcome, jsonPost, routesUnderTest } from "../../../tests/http/scripted_inventory.ts";

const path = "/api/v1/inventory/deduct";
const order = { sku: "SKU_1", user_id: "u1", order_id: "o1", amount: 2 };
const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

Deno.test("a deduct reaches the inventory as a command, and its answer the client", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => ({ ...acceptedOutcome, seq: 7, newStock: [998], replayed: true });
  const response = await send(path, jsonPost(order, { traceparent: trace }));
  equal(response.status, 200);
  equal(response.headers.get("content-type"), "application/json");
  equal(response.headers.get("idempotency-replayed"), "true");
  deepEqual(await response.json(), {
    success: true,
    new_stock: 998,
    message: "success",
    order_id: "o1",
    sku: "SKU_1",
    amount: 2,
    seq: 7,
  });
  const [command] = inventory.commands;
  if (command?.kind !== "deduct") throw new TypeError("Cannot check a command that is not a deduct");
  deepEqual(command, {
    kind: "deduct",
    orderId: "o1",
    userId: "u1",
    lines: [{ sku: "SKU_1", amount: 2 }],
    hasToken: false,
    holdMs: 0,
    actor: "",
    traceparent: trace,
  });
});

Deno.test("Order-Attempt: 1 declares a first attempt, any other value does not", async () => {
  const { send, inventory } = routesUnderTest();
  for (const attempt of ["1", "2", "yes"]) await send(path, jsonPost(order, { "order-attempt": attempt }));
  deepEqual(inventory.firstAttempts, [true, false, false]);
});

Deno.test("a traceparent that is not one is left out", async () => {
  const { send, inventory } = routesUnderTest();
  const wrong = [
    "",
    "x",
    `${trace}-more`,
    trace.toUpperCase(),
    trace.replace(/^00/, "ff"),
    `00-${"0".repeat(32)}-b7ad6b7169203331-01`,
    `00-0af7651916cd43dd8448eb211c80319c-${"0".repeat(16)}-01`,
  ];
  for (const traceparent of wrong) {
    await send(path, jsonPost(order, { traceparent }));
    const command = inventory.commands.at(-1);
    equal(command?.kind === "deduct" && command.traceparent, "", traceparent);
  }
});

Deno.test("an order that breaks a rule is refused with all errors and reaches nothing", async () => {
  const { send, inventory } = routesUnderTest();
  const response = await send(path, jsonPost({ SKU: "", amount: 1.5, order_id: "o" }));
  equal(response.status, 400);
  equal(response.headers.get("content-type"), "application/problem+json");
  const body = await response.json();
  deepEqual(body.errors.map((error: { pointer: string }) => error.pointer), ["/SKU", "/user_id", "/amount"]);
  ok(body.success === false);
  equal(body.message, body.detail);
  equal(inventory.commands.length, 0);
});

Deno.test("a 503 carries the order id and the moment until when it may take effect", async () => {
  const { send } = routesUnderTest();
  const response = await send(path, jsonPost(order));
  equal(response.status, 503);
  match(response.headers.get("retry-after") ?? "", /^[2-6]$/);
  const { code, order_id, deadline } = await response.json();
  deepEqual({ code, order_id, deadline }, {
    code: "unarmed",
    order_id: "o1",
    deadline: "2026-11-22T12:00:00.000Z",
  });
});
