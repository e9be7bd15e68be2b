import { Hono } from "hono";
import { loadConfig } from "../runtime/settings/config.ts";
import { realWorld } from "../runtime/world.ts";
import { type App, createApp } from "./app.ts";
import { parseDeduct } from "./read/parse.ts";
import { acceptedOutcome, ScriptedInventory } from "../../tests/http/scripted_inventory.ts";

const order = {
  sku: "SKU_123",
  user_id: "user-4711",
  order_id: "0a8cb2ce-7c39-4f0e-9a55-1f2d3c4b5a69",
  amount: 1,
};
const body = JSON.stringify(order);
const headers = { "content-type": "application/json", "content-length": String(body.length) };
const url = "http://127.0.0.1:8080/api/v1/inventory/deduct";

const bare = new Hono();
bare.post("/api/v1/inventory/deduct", async (c) => {
  const { order_id } = await c.req.json();
  return c.json({ success: true, order_id });
});

function dependencies(env: Record<string, string>) {
  const inventory = new ScriptedInventory();
  inventory.decide = () => {
    inventory.commands.length = 0;
    return { ...acceptedOutcome, seq: 12_345, newStock: [999] };
  };
  return createApp({
    inventory,
    config: loadConfig(env),
    world: realWorld,
    deployment: () => "here",
    reportError: () => {},
  });
}

async function deduct(app: Pick<App, "fetch">, extra: Record<string, string> = {}) {
  const response = await app.fetch(
    new Request(url, { method: "POST", headers: { ...headers, ...extra }, body }),
  );
  await response.text();
}

const open = dependencies({});
const fair = dependencies({ RATE_LIMIT: "1000000/1", BLOCKED: "user:bot,192.0.2.0/24", TRUST_PROXY: "1" });
const withTokens = dependencies({ API_TOKENS: '{"a-token-of-the-shop":["deduct"]}' });

Deno.bench("a bare Hono route: JSON in, JSON out", { group: "deduct", baseline: true }, () => deduct(bare));
Deno.bench("the API, open", { group: "deduct" }, () => deduct(open));
Deno.bench("the API, with a token", { group: "deduct" }, () => {
  return deduct(withTokens, { authorization: "Bearer a-token-of-the-shop" });
});

Deno.bench("the API, open, with a rate limit by address and a block list", { group: "deduct" }, () => {
  return deduct(fair, { "x-forwarded-for": "203.0.113.7" });
});

Deno.bench("JSON.parse of a deduct", { group: "parse", baseline: true }, () => void JSON.parse(body));
Deno.bench("parseDeduct() of a valid deduct", { group: "parse" }, () => void parseDeduct(order));
Deno.bench(
  "parseDeduct() of a wrong deduct",
  { group: "parse" },
  () => void parseDeduct({ ...order, amount: 0 }),
);
