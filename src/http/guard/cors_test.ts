import { deepEqual, equal } from "node:assert/strict";
import { acceptedOutcome, jsonPost, routesUnderTest } from "../../../tests/http/scripted_inventory.ts";

const env = { CORS_ORIGINS: "https://shop.example,http://localhost:3000" };
const path = "/api/v1/inventory/deduct";
const order = { sku: "S", user_id: "u", order_id: "o", amount: 1 };
const preflight = (origin: string) => ({
  method: "OPTIONS",
  headers: {
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type",
  },
});

function corsHeaders({ headers }: Response): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith("access-control-")));
}

Deno.test("by default no page of any origin may call, and an OPTIONS is like any wrong method", async () => {
  const { send } = routesUnderTest();
  for (
    const init of [preflight("https://shop.example"), jsonPost(order, { origin: "https://shop.example" })]
  ) {
    const response = await send(path, init);
    deepEqual([corsHeaders(response), response.headers.get("vary")], [{}, null]);
  }
  equal((await send(path, preflight("https://shop.example"))).status, 405);
});

Deno.test("a page of an allowed origin passes the preflight, and may read the response", async () => {
  const { send, inventory } = routesUnderTest(env);
  inventory.decide = () => acceptedOutcome;
  const asked = await send(path, preflight("http://localhost:3000"));
  equal(asked.status, 204);
  deepEqual(corsHeaders(asked), {
    "access-control-allow-origin": "http://localhost:3000",
    "access-control-allow-methods": "GET, POST, PUT",
    "access-control-allow-headers":
      "authorization, baggage, content-type, order-attempt, purchase-token, traceparent, tracestate",
    "access-control-max-age": "7200",
    "access-control-expose-headers":
      "idempotency-replayed, order-attempt, ratelimit, ratelimit-policy, retry-after",
  });
  const bought = await send(path, jsonPost(order, { origin: "http://localhost:3000" }));
  equal(bought.status, 200);
  deepEqual(corsHeaders(bought), {
    "access-control-allow-origin": "http://localhost:3000",
    "access-control-expose-headers":
      "idempotency-replayed, order-attempt, ratelimit, ratelimit-policy, retry-after",
  });
  equal(bought.headers.get("vary"), "origin");
});

Deno.test("a refusal can be read like an answer, also by who is refused", async () => {
  const { send } = routesUnderTest({ ...env, API_TOKENS: '{"t":["read"]}' });
  const response = await send(path, jsonPost(order, { origin: "https://shop.example" }));
  equal(response.status, 401);
  equal(response.headers.get("access-control-allow-origin"), "https://shop.example");
});

Deno.test("an origin that is not exactly an allowed one gets no CORS headers", async () => {
  const { send } = routesUnderTest(env);
  const others = [
    "https://shop.example.evil.example",
    "http://shop.example",
    "https://shop.example:8443",
    "null",
  ];
  for (const origin of others) {
    const asked = await send(path, preflight(origin));
    deepEqual([asked.status, corsHeaders(asked)], [405, {}], origin);
    const bought = await send(path, jsonPost(order, { origin }));
    deepEqual([corsHeaders(bought), bought.headers.get("vary")], [{}, "origin"], origin);
  }
});
