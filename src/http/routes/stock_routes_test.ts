import { deepEqual, equal } from "node:assert/strict";
import {
  acceptedOutcome,
  jsonPost,
  jsonPut,
  routesUnderTest,
} from "../../../tests/http/scripted_inventory.ts";

const seven = { reserved: 1, paused: false, seq: 9 };
const noRules = { opensAtMs: null, closesAtMs: null, quota: null, tokenRequired: false, rulesVersion: 5 };
const noRulesInResponse = { opens_at: null, closes_at: null, quota: null, purchase_token: false };

Deno.test("a SKU is read by its decoded name, exactly once decoded", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = (command) => ({
    kind: "stock",
    sku: "sku" in command ? command.sku : "",
    available: 7,
    ...seven,
    ...noRules,
  });
  const paths = {
    "SKU_123": "SKU_123",
    "a%20b": "a b",
    "a%2Fb": "a/b",
    "%25ff": "%ff",
    "%2525": "%25",
    "%E6%97%A5": "日",
    "%64educt": "deduct",
    "deduct%2F": "deduct/",
    "a?x=/b/c": "a",
    "a%3Fb": "a?b",
  };
  for (const [segment, sku] of Object.entries(paths)) {
    const response = await send(`/api/v1/inventory/${segment}`);
    equal(response.status, 200, segment);
    equal(response.headers.get("cache-control"), "no-store");
    deepEqual(await response.json(), {
      sku,
      available: 7,
      shard: 3,
      ...seven,
      ...noRulesInResponse,
      rules_version: 5,
    });
    deepEqual(inventory.commands.at(-1), { kind: "stock", sku });
  }
});

Deno.test("a path whose SKU cannot be one is 400 on every route and reaches nothing", async () => {
  const { send, inventory } = routesUnderTest();
  for (const segment of ["%ff", "%C3", "%00", "%", "%zz", "%EF%BF%BD", "x".repeat(129)]) {
    const read = await send(`/api/v1/inventory/${segment}`);
    const path = `/api/v1/inventory/${segment}`;
    const others = await Promise.all([
      send(`${path}/adjustments`, jsonPost({ adjustment_id: "a", delta: 1 })),
      send(path, jsonPut({ adjustment_id: "a", available: 1, expected: 1 })),
      send(`${path}/pause`, { method: "POST" }),
      send(`${path}/resume`, { method: "POST" }),
      send(`${path}/rules`, jsonPut({ ...noRulesInResponse, expected: 5 })),
    ]);
    for (const response of [read, ...others]) {
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
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => ({ ...acceptedOutcome, seq: 9, newStock: [50], created: true });
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
  deepEqual(command, {
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

Deno.test("a compare-and-set reaches the inventory as a command, and its answer the client", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => ({ ...acceptedOutcome, seq: 9, newStock: [50] });
  const body = { adjustment_id: "a1", available: 50, expected: 48, reason: "count", reference: "sheet 3" };
  const response = await send("/api/v1/inventory/S", jsonPut(body));
  equal(response.status, 200);
  deepEqual(await response.json(), {
    success: true,
    sku: "S",
    available: 50,
    seq: 9,
    message: "success",
    adjustment_id: "a1",
  });
  const [command] = inventory.commands;
  if (command?.kind !== "set") throw new TypeError("Cannot check a command that is not a compare-and-set");
  deepEqual(command, {
    kind: "set",
    adjustmentId: "a1",
    sku: "S",
    available: 50,
    expected: 48,
    reason: "count",
    reference: "sheet 3",
    actor: "",
    traceparent: "",
  });
});

Deno.test("a sale is paused and resumed, with a reason, without one, and without any body", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => ({ ...acceptedOutcome, seq: 9, newStock: [50] });
  const requests = [jsonPost({ reason: "price" }), jsonPost({}), jsonPost(""), { method: "POST" }];
  for (const kind of ["pause", "resume"] as const) {
    inventory.commands.length = 0;
    for (const request of requests) {
      const response = await send(`/api/v1/inventory/S/${kind}`, request);
      deepEqual(await response.json(), {
        success: true,
        sku: "S",
        paused: kind === "pause",
        seq: 9,
        message: "success",
      });
    }
    const origin = { actor: "", traceparent: "" };
    deepEqual(
      inventory.commands,
      ["price", "", "", ""].map((reason) => ({ kind, sku: "S", reason, ...origin })),
    );
  }
});

Deno.test("a body that may be left out is still held to the rules when it is there", async () => {
  const { send, inventory } = routesUnderTest();
  const pause = (init: RequestInit) => send("/api/v1/inventory/S/pause", { method: "POST", ...init });
  equal((await pause({ body: "reason=price" })).status, 415);
  equal((await pause(jsonPost("reason"))).status, 400);
  equal((await pause(jsonPost("null"))).status, 400);
  equal((await pause(jsonPost({ why: "price" }))).status, 400);
  equal((await pause(jsonPost(`"${"x".repeat(1024 * 1024)}"`))).status, 413);
  equal(inventory.commands.length, 0);
});

Deno.test("rules reach the inventory as a command, and are said back", async () => {
  const { send, inventory } = routesUnderTest();
  inventory.decide = () => ({ ...acceptedOutcome, seq: 9, newStock: [50] });
  const opens_at = "2026-11-22T20:00:00+08:00";
  const response = await send(
    "/api/v1/inventory/S/rules",
    jsonPut({ ...noRulesInResponse, opens_at, quota: 2, expected: 5 }),
  );
  equal(response.status, 200);
  deepEqual(await response.json(), {
    success: true,
    sku: "S",
    opens_at: "2026-11-22T12:00:00.000Z",
    closes_at: null,
    quota: 2,
    purchase_token: false,
    rules_version: 9,
    seq: 9,
    message: "success",
  });
  deepEqual(inventory.commands, [{
    kind: "rules",
    sku: "S",
    opensAtMs: Date.UTC(2026, 10, 22, 12),
    closesAtMs: null,
    quota: 2,
    tokenRequired: false,
    expected: 5,
    actor: "",
    traceparent: "",
  }]);
});

Deno.test("a SKU cannot be sold with tokens only where there are no tokens", async () => {
  const rules = jsonPut({ ...noRulesInResponse, purchase_token: true, expected: 5 });
  const off = routesUnderTest();
  const refused = await off.send("/api/v1/inventory/S/rules", rules);
  deepEqual([refused.status, (await refused.json()).code], [409, "purchase_tokens_off"]);
  equal(off.inventory.commands.length, 0);
  const on = routesUnderTest({ PURCHASE_TOKEN_KEY: "k".repeat(32) });
  on.inventory.decide = () => acceptedOutcome;
  equal((await on.send("/api/v1/inventory/S/rules", rules)).status, 200);
});
