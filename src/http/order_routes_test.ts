import { deepEqual, equal } from "node:assert/strict";
import type { OrderLine } from "../inventory/outcome.ts";
import { edgeUnderTest, testNowMs } from "./scripted_inventory.ts";

const line: OrderLine = {
  sku: "SKU_1",
  userId: "u1",
  amount: 2,
  newStock: 7,
  seq: 12,
  atMs: testNowMs,
  state: "accepted",
};

Deno.test("an order is answered with its lines and what became of each", async () => {
  const { send, inventory } = edgeUnderTest();
  inventory.order = { kind: "order_found", lines: [line] };
  const response = await send("/api/v1/orders/o1");
  equal(response.status, 200);
  equal(response.headers.get("cache-control"), "no-store");
  deepEqual(await response.json(), {
    order_id: "o1",
    lines: [{
      sku: "SKU_1",
      user_id: "u1",
      amount: 2,
      state: "accepted",
      new_stock: 7,
      seq: 12,
      accepted_at: "2026-11-22T12:00:00.000Z",
    }],
  });
});

Deno.test("an order without lines is 404 unknown_order", async () => {
  const { send } = edgeUnderTest();
  const response = await send("/api/v1/orders/o1");
  equal(response.status, 404);
  equal((await response.json()).code, "unknown_order");
});

Deno.test("when a shard or the ledger cannot be asked, an order is 503 and never 404", async () => {
  const { send, inventory } = edgeUnderTest();
  inventory.order = { kind: "unarmed" };
  const response = await send("/api/v1/orders/o1");
  equal(response.status, 503);
  deepEqual((await response.json()).order_id, "o1");
});

Deno.test("an order id in the path is held to the rules of ids", async () => {
  const { send } = edgeUnderTest();
  for (const id of ["%00", "%ff", "a".repeat(129)]) {
    const response = await send(`/api/v1/orders/${id}`);
    equal(response.status, 400, id);
    equal((await response.json()).errors[0].pointer, "/order_id");
  }
});
