import { deepEqual, equal, ok } from "node:assert/strict";
import type { Outcome } from "../../domain/outcome.ts";
import type { RequestRecord } from "../ports/observer.ts";
import { acceptedOutcome, jsonPost, routesUnderTest } from "../../../tests/http/scripted_inventory.ts";

const path = "/api/v1/inventory/deduct/batch";
const item = { sku: "S", user_id: "u", order_id: "o", amount: 1 };

Deno.test("each item of a batch has its own answer, in order, whatever it is", async () => {
  const { send, inventory } = routesUnderTest();
  const outcomes: Record<string, Outcome> = {
    sold: { ...acceptedOutcome, seq: 7, newStock: [9] },
    again: { ...acceptedOutcome, seq: 5, newStock: [11], replayed: true },
    short: { kind: "insufficient", sku: "short", available: 0 },
    fast: { kind: "rate_limited", sku: "fast", retryAfterMs: 1500 },
  };
  inventory.decide = (command) =>
    command.kind === "deduct" && outcomes[command.orderId] || { kind: "unarmed" };
  const orders = ["sold", "", "again", "short", "fast", "other"];
  const response = await send(path, jsonPost({ items: orders.map((order_id) => ({ ...item, order_id })) }));
  equal(response.status, 200);
  const { items, ...rest } = await response.json();
  deepEqual(rest, {});
  const sold = { sku: "S", amount: 1, message: "success" };
  deepEqual(items[0], {
    success: true,
    status: 200,
    code: "accepted",
    replayed: false,
    order_id: "sold",
    ...sold,
    new_stock: 9,
    seq: 7,
  });
  deepEqual(items[2], {
    success: true,
    status: 200,
    code: "accepted",
    replayed: true,
    order_id: "again",
    ...sold,
    new_stock: 11,
    seq: 5,
  });
  const results = items.map(({ success, status, code, retry_after }: Record<string, unknown>) => [
    success,
    status,
    code,
    retry_after,
  ]);
  deepEqual(results, [
    [true, 200, "accepted", undefined],
    [false, 400, "invalid_request", undefined],
    [true, 200, "accepted", undefined],
    [false, 409, "insufficient_stock", undefined],
    [false, 429, "rate_limited", 2],
    [false, 503, "unarmed", items[5].retry_after],
  ]);
  ok(items[5].retry_after >= 2 && items[5].retry_after <= 6);
  deepEqual(items[1].errors, [{ pointer: "/order_id", detail: "must not be empty" }]);
  deepEqual([items[3].available, items[5].order_id], [0, "other"]);
});

Deno.test("an item of a batch is the same command as a single deduct", async () => {
  const { send, inventory } = routesUnderTest();
  const headers = { "order-attempt": "1" };
  await send("/api/v1/inventory/deduct", jsonPost(item, headers));
  await send(path, jsonPost({ items: [item] }, headers));
  const [single, batched] = inventory.commands;
  deepEqual(batched, single);
});

Deno.test("all items of a batch are on their way before the first is decided", async () => {
  const { send, inventory } = routesUnderTest();
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  inventory.submit = (command) => {
    inventory.commands.push(command);
    if (inventory.commands.length === 1000) resolve(acceptedOutcome);
    return promise;
  };
  const response = await send(path, jsonPost({ items: Array(1000).fill(item) }));
  equal((await response.json()).items.length, 1000);
});

Deno.test("the same order id and SKU twice in a batch are two commands: the store tells them apart", async () => {
  const { send, inventory } = routesUnderTest();
  await send(path, jsonPost({ items: [item, item] }));
  equal(inventory.commands.length, 2);
});

Deno.test("a batch of none, of too many or of no list is refused as a whole", async () => {
  const { send, inventory } = routesUnderTest();
  for (const items of [[], Array(1001).fill(0), item, null]) {
    const response = await send(path, jsonPost({ items }));
    const { code, errors } = await response.json();
    deepEqual([response.status, code, errors[0].pointer], [400, "invalid_request", "/items"]);
  }
  equal((await send(path, jsonPost([item]))).status, 400);
  equal(inventory.commands.length, 0);
});

Deno.test("a batch with an item that failed has failed for its observers, though its status is 200", async () => {
  const records: [status: number, failed: boolean][] = [];
  const observer = { end: ({ status, failed }: RequestRecord) => void records.push([status, failed]) };
  const { send, inventory } = routesUnderTest({}, {}, () => "here", [observer]);
  for (const outcome of [acceptedOutcome, { kind: "unarmed" }] as const) {
    inventory.decide = (command) =>
      "orderId" in command && command.orderId === "last" ? outcome : acceptedOutcome;
    await (await send(path, jsonPost({ items: [item, { ...item, order_id: "last" }] }))).body?.cancel();
  }
  deepEqual(records, [[200, false], [200, true]]);
});
