import { deepEqual, equal, match } from "node:assert/strict";
import type { Command } from "../../domain/command.ts";
import { acceptedOutcome, jsonPost, routesUnderTest } from "../../../tests/http/scripted_inventory.ts";

const env = { PURCHASE_TOKEN_KEY: "k".repeat(32) };
const path = "/api/v1/purchase-tokens";
const buyer = { order_id: "o1", user_id: "u1" };
const deduct = { ...buyer, sku: "S", amount: 1 };
const basket = { ...buyer, lines: [{ sku: "S", amount: 1 }] };
/** What a token is asked for. */
const purchase = basket;

/** Every kind of sale that can have a token. */
const sales = [
  ["/api/v1/inventory/deduct", deduct],
  ["/api/v1/orders", basket],
  ["/api/v1/reservations", basket],
] as const;

/** A shop that sells with a token only. */
function strictShop(settings: Record<string, string> = env, deployment?: () => string | null) {
  const dependencies = routesUnderTest(settings, {}, deployment);
  dependencies.inventory.decide = (command: Command) =>
    "hasToken" in command && command.hasToken ? acceptedOutcome : { kind: "token_required", sku: "S" };
  const buy = async (path: string, body: unknown, token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { "purchase-token": token };
    const response = await dependencies.send(path, jsonPost(body, headers));
    return (await response.json()).code ?? response.status;
  };
  return { ...dependencies, buy };
}

Deno.test("a token is issued for one order of one user, for as long as wanted, ten minutes at most", async () => {
  const { send } = routesUnderTest(env);
  const response = await send(path, jsonPost({ ...purchase, ttl_seconds: 60 }));
  equal(response.status, 200);
  equal(response.headers.get("cache-control"), "no-store");
  const { purchase_token, ...rest } = await response.json();
  equal(typeof purchase_token, "string");
  deepEqual(rest, { success: true, ...purchase, expires_at: "2026-11-22T12:01:00.000Z", message: "success" });
  const { expires_at } = await (await send(path, jsonPost(purchase))).json();
  equal(expires_at, "2026-11-22T12:10:00.000Z");
  for (const ttl_seconds of [0, 601, 1.5]) {
    const refused = await send(path, jsonPost({ ...purchase, ttl_seconds }));
    deepEqual([refused.status, (await refused.json()).errors[0].pointer], [400, "/ttl_seconds"]);
  }
});

Deno.test("with its token an order is sold, in every kind of sale", async () => {
  const { send, buy } = strictShop();
  const { purchase_token } = await (await send(path, jsonPost(purchase))).json();
  deepEqual(await Promise.all(sales.map(([path, body]) => buy(path, body, purchase_token))), [200, 200, 201]);
});

Deno.test("without a token it is refused as required, with a useless one as invalid", async () => {
  const { send, buy } = strictShop();
  const { purchase_token } = await (await send(path, jsonPost({ ...purchase, user_id: "u2" }))).json();
  for (const [path, body] of sales) {
    equal(await buy(path, body), "purchase_token_required");
    equal(await buy(path, body, purchase_token), "purchase_token_invalid");
    equal(await buy(path, body, ""), "purchase_token_invalid");
  }
});

Deno.test("a token for one SKU buys no other, and not more units, in every kind of sale", async () => {
  const { send, buy } = strictShop();
  const { purchase_token } = await (await send(path, jsonPost(purchase))).json();
  for (const [path, body] of sales) {
    const lines = [{ sku: "COLD", amount: 1 }];
    const others = "sku" in body
      ? [{ ...body, sku: "COLD" }, { ...body, amount: 2 }]
      : [{ ...body, lines }, { ...body, lines: [...body.lines, ...lines] }, {
        ...body,
        lines: [...body.lines, ...body.lines],
      }];
    for (const other of others) equal(await buy(path, other, purchase_token), "purchase_token_invalid", path);
  }
});

Deno.test("a request for a token names its lines, and no more of them than a header can carry", async () => {
  const { send } = routesUnderTest(env);
  const lines = Array.from({ length: 100 }, (_, i) => ({ sku: `${i}`.padStart(128, "S"), amount: 1 }));
  const wrong = [buyer, { ...buyer, lines: [] }, { ...buyer, lines: "S" }, { ...buyer, lines }];
  for (const body of wrong) {
    const refused = await send(path, jsonPost(body));
    deepEqual([refused.status, (await refused.json()).errors[0].pointer], [400, "/lines"]);
  }
  const twice = { ...buyer, lines: [...purchase.lines, ...purchase.lines] };
  deepEqual((await (await send(path, jsonPost(twice))).json()).lines, [{ sku: "S", amount: 2 }]);
});

Deno.test("a token of another deployment is refused, with the same key and namespace", async () => {
  const staging = routesUnderTest(env, {}, () => "staging");
  const { purchase_token } = await (await staging.send(path, jsonPost(purchase))).json();
  for (const [path, body] of sales) {
    equal(await strictShop().buy(path, body, purchase_token), "purchase_token_invalid");
  }
});

Deno.test("before the deployment is known, sales with a token and requests for one are to come again", async () => {
  const issued = await (await strictShop().send(path, jsonPost(purchase))).json();
  let deployment: string | null = null;
  const { send, buy, inventory } = strictShop(env, () => deployment);
  const early = await send(path, jsonPost(purchase));
  deepEqual([early.status, (await early.json()).code], [503, "unarmed"]);
  match(early.headers.get("retry-after") ?? "", /^[1-3]$/);
  for (const [path, body] of sales) equal(await buy(path, body, issued.purchase_token), "unarmed");
  equal(inventory.commands.length, 0);
  deployment = "here";
  for (const [path, body] of sales) {
    equal(typeof await buy(path, body, issued.purchase_token), "number", "sold");
  }
});

Deno.test("a useless token does not stand between a retry and its first answer", async () => {
  const { buy, inventory } = strictShop();
  inventory.decide = () => ({ ...acceptedOutcome, replayed: true });
  equal(await buy("/api/v1/inventory/deduct", deduct, "expired"), 200);
});

Deno.test("items of a batch have no token", async () => {
  const { send } = strictShop();
  const { purchase_token } = await (await send(path, jsonPost(purchase))).json();
  const headers = { "purchase-token": purchase_token };
  const response = await send("/api/v1/inventory/deduct/batch", jsonPost({ items: [deduct] }, headers));
  equal((await response.json()).items[0].code, "purchase_token_required");
});

Deno.test("without a key no token is issued and none is looked at", async () => {
  const { send, buy } = strictShop({});
  const response = await send(path, jsonPost(purchase));
  deepEqual([response.status, (await response.json()).code], [409, "purchase_tokens_off"]);
  equal(await buy("/api/v1/inventory/deduct", deduct, "x.y"), "purchase_token_required");
});
