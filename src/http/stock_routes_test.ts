import { deepEqual, equal, notEqual } from "node:assert/strict";
import { edgeUnderTest, jsonPost } from "./scripted_inventory.ts";

const seven = { reserved: 1, paused: false, seq: 9 };

Deno.test("a SKU is read by its decoded name, exactly once decoded", async () => {
  const { send, inventory } = edgeUnderTest();
  inventory.decide = (command) => ({
    kind: "stock",
    sku: "sku" in command ? command.sku : "",
    available: 7,
    ...seven,
  });
  const paths = {
    "SKU_123": "SKU_123",
    "a%20b": "a b",
    "a%2Fb": "a/b",
    "%25ff": "%ff",
    "%2525": "%25",
    "%E6%97%A5": "日",
    "deduct": "deduct",
    "a?x=/b/c": "a",
    "a%3Fb": "a?b",
  };
  for (const [segment, sku] of Object.entries(paths)) {
    const response = await send(`/api/v1/inventory/${segment}`);
    equal(response.status, 200, segment);
    equal(response.headers.get("cache-control"), "no-store");
    deepEqual(await response.json(), { sku, available: 7, shard: 3, ...seven });
    deepEqual(inventory.commands.at(-1), { kind: "stock", sku });
  }
});

Deno.test("a path whose SKU cannot be one is 400 on every route and reaches nothing", async () => {
  const { send, inventory } = edgeUnderTest();
  for (const segment of ["%ff", "%C3", "%00", "%", "%zz", "%EF%BF%BD", "x".repeat(129)]) {
    const read = await send(`/api/v1/inventory/${segment}`);
    const adjust = await send(
      `/api/v1/inventory/${segment}/adjustments`,
      jsonPost({ adjustment_id: "a", delta: 1 }),
    );
    for (const response of [read, adjust]) {
      const body = await response.json();
      deepEqual(
        [response.status, body.code, body.errors[0].pointer],
        [400, "invalid_request", "/sku"],
        segment,
      );
    }
  }
  equal(inventory.commands.length, 0);
});

Deno.test("an adjustment reaches the inventory as a command, and its answer the client", async () => {
  const { send, inventory } = edgeUnderTest();
  inventory.decide = () => ({ kind: "accepted", seq: 9, newStock: [50], replayed: false, created: true });
  const response = await send(
    "/api/v1/inventory/a%20b/adjustments",
    jsonPost({ adjustment_id: "a1", delta: 50, reason: "delivery", reference: "PO 7" }),
  );
  equal(response.status, 201);
  deepEqual(await response.json(), {
    success: true,
    sku: "a b",
    available: 50,
    delta: 50,
    seq: 9,
    message: "success",
    adjustment_id: "a1",
  });
  const [command] = inventory.commands;
  if (command?.kind !== "adjust") throw new TypeError("Cannot check a command that is not an adjustment");
  const { fingerprint, ...rest } = command;
  equal(fingerprint.length, 14);
  deepEqual(rest, {
    kind: "adjust",
    adjustmentId: "a1",
    sku: "a b",
    delta: 50,
    reason: "delivery",
    reference: "PO 7",
    actor: "",
    traceparent: "",
  });
});

Deno.test("an adjustment sent again with other words has the same fingerprint, with another delta not", async () => {
  const { send, inventory } = edgeUnderTest();
  const adjust = async (body: Record<string, unknown>) => {
    await send(
      "/api/v1/inventory/S/adjustments",
      jsonPost({ adjustment_id: "a1", delta: 5, ...body }),
    );
    const command = inventory.commands.at(-1);
    return command?.kind === "adjust" ? command.fingerprint : undefined;
  };
  const first = await adjust({});
  equal(await adjust({ reason: "again" }), first);
  notEqual(await adjust({ delta: 6 }), first);
});
