import { deepEqual, equal, ok } from "node:assert/strict";
import { acceptedOutcome, jsonPost, routesUnderTest } from "../../../tests/http/scripted_inventory.ts";

const deduct = { order_id: "o1", user_id: "u1", sku: "S", amount: 1 };
const basket = { order_id: "o1", user_id: "u1", lines: [{ sku: "S", amount: 1 }] };
const sales = [
  ["/api/v1/inventory/deduct", deduct],
  ["/api/v1/orders", basket],
  ["/api/v1/reservations", basket],
] as const;

function shop(env: Record<string, string>, hostname = "203.0.113.7") {
  const dependencies = routesUnderTest(env, { remoteAddr: { hostname } });
  dependencies.inventory.decide = () => acceptedOutcome;
  return dependencies;
}

Deno.test("every kind of sale takes from the same bucket, and its response has the state of the bucket", async () => {
  const { send, inventory } = shop({ RATE_LIMIT: "2/60" });
  const seen = [];
  for (const [path, body] of sales) {
    const { status, headers } = await send(path, jsonPost(body));
    seen.push([
      status,
      headers.get("ratelimit"),
      headers.get("ratelimit-policy"),
      headers.get("retry-after"),
    ]);
  }
  deepEqual(seen, [
    [200, '"buyer";r=1;t=30', '"buyer";q=2;w=60', null],
    [200, '"buyer";r=0;t=30', '"buyer";q=2;w=60', null],
    [429, '"buyer";r=0;t=30', '"buyer";q=2;w=60', "30"],
  ]);
  equal(inventory.commands.length, 2);
});

Deno.test("without a rate limit there are no headers of one", async () => {
  const { send } = shop({ BLOCKED: "user:bot" });
  const { status, headers } = await send(sales[0][0], jsonPost(deduct));
  deepEqual([status, headers.get("ratelimit"), headers.get("ratelimit-policy")], [200, null, null]);
});

Deno.test("every item of a batch takes from the bucket, and is refused alone", async () => {
  const { send, inventory } = shop({ RATE_LIMIT: "2/60" });
  const response = await send("/api/v1/inventory/deduct/batch", jsonPost({ items: Array(3).fill(deduct) }));
  equal(response.status, 200);
  const { items } = await response.json();
  deepEqual(items.map((item: Record<string, unknown>) => [item.status, item.code, item.retry_after]), [
    [200, "accepted", undefined],
    [200, "accepted", undefined],
    [429, "too_many_requests", 30],
  ]);
  equal(inventory.commands.length, 2);
});

Deno.test("commands on an order take from the bucket, too; reading a SKU is free", async () => {
  const followUps = [
    ["/api/v1/reservations/o1/cancel", { method: "POST" }],
    ["/api/v1/reservations/o1/confirm", { method: "POST" }],
    ["/api/v1/orders/o1", {}],
  ] as const;
  for (const by of ["address", "user_id"]) {
    const { send } = shop({ RATE_LIMIT: "2/60", RATE_LIMIT_BY: by });
    const statuses = [];
    for (const [path, init] of followUps) {
      const response = await send(path, init);
      await response.body?.cancel();
      statuses.push(response.status === 429);
    }
    deepEqual(statuses, [false, false, true], by);
    const read = await send("/api/v1/inventory/S", {});
    await read.body?.cancel();
    ok(read.status !== 429);
  }
});

Deno.test("a blocked buyer may return units", async () => {
  const { send } = shop({ BLOCKED: "203.0.113.7" });
  const response = await send("/api/v1/reservations/o1/cancel", { method: "POST" });
  await response.body?.cancel();
  ok(![403, 429].includes(response.status));
});

Deno.test("a blocked buyer is refused every kind of sale, and the inventory is not called", async () => {
  for (const env of [{ BLOCKED: "203.0.113.0/24" }, { BLOCKED: "user:u1" }]) {
    const { send, inventory } = shop(env);
    for (const [path, body] of sales) {
      const response = await send(path, jsonPost(body));
      deepEqual([response.status, (await response.json()).code], [403, "blocked"]);
    }
    equal(inventory.commands.length, 0);
  }
});

Deno.test("X-Forwarded-For counts only where the proxy is trusted", async () => {
  const forwarded = jsonPost(deduct, { "x-forwarded-for": "198.51.100.1" });
  const blocked = { BLOCKED: "198.51.100.1" };
  equal((await shop(blocked, "10.0.0.1").send(sales[0][0], forwarded)).status, 200);
  equal((await shop({ ...blocked, TRUST_PROXY: "1" }, "10.0.0.1").send(sales[0][0], forwarded)).status, 403);
});
