/**
 * Two shops on one API, each with a token of its own: neither changes what the other has sold, wherever SKUs lie.
 */
import assert from "node:assert/strict";
import { backends, startApp } from "./armed_app.ts";

const scopes = ["deduct", "return", "read"];
const callers = {
  shop: { name: "shop", scopes },
  "shop-next": { name: "shop", scopes },
  other: { name: "other", scopes },
  desk: { name: "desk", scopes: [...scopes, "admin"] },
  room: { name: "room", scopes: ["tokens"] },
};

for (const backend of backends) {
  Deno.test(`${backend.name}: a token changes the orders of its own name only, unless it has the scope admin`, async () => {
    const settings = { API_TOKENS: JSON.stringify(callers), PURCHASE_TOKEN_KEY: "k".repeat(32) };
    await using under = await startApp({ USER_LIMIT_MS: "0", ...settings }, backend);
    const call = async (
      as: keyof typeof callers,
      method: string,
      path: string,
      body: unknown,
      token?: string,
    ) => {
      const response = await under.app.fetch(
        new Request(`http://127.0.0.1:8080/api/v1${path}`, {
          method,
          headers: {
            authorization: `Bearer ${as}`,
            "content-type": "application/json",
            ...token !== undefined && { "purchase-token": token },
          },
          ...method === "GET" ? {} : { body: JSON.stringify(body) },
        }),
      );
      return { status: response.status, body: await response.json() };
    };
    const ask = async (as: keyof typeof callers, path: string, body: unknown, token?: string) => {
      const { status, body: { code } } = await call(as, "POST", path, body, token);
      return code ?? status;
    };
    const [sku = "", second = ""] = under.apart("HOT", "COLD");
    for (const name of [sku, second]) {
      assert.equal(
        await ask("desk", `/inventory/${name}/adjustments`, { adjustment_id: "a", delta: 10 }),
        201,
      );
    }
    const line = { sku, amount: 1 };
    const reserve = (orderId: string) => ({ order_id: orderId, user_id: "u", lines: [line] });

    assert.equal(await ask("shop", "/reservations", reserve("o")), 201);
    for (const verb of ["confirm", "cancel"]) {
      assert.equal(await ask("other", `/reservations/o/${verb}`, {}), "forbidden", verb);
    }
    assert.equal(await ask("other", "/reservations/o/extend", { ttl_seconds: 900 }), "forbidden");
    assert.equal(await ask("shop", "/reservations/o/extend", { ttl_seconds: 900 }), 200);
    assert.equal(await ask("shop-next", "/reservations/o/confirm", {}), 200, "a rotated token has the name");
    assert.equal(
      await ask("other", "/reservations/o/confirm", {}),
      "forbidden",
      "no replay for another, either",
    );
    const returnUnits = { return_id: "r", lines: [line] };
    assert.equal(await ask("other", "/orders/o/return", returnUnits), "forbidden");
    assert.equal(await ask("desk", "/orders/o/return", returnUnits), 200);
    assert.equal(await ask("other", "/orders/unknown/return", returnUnits), "unknown_order");
    assert.equal(await ask("shop", "/reservations", reserve("p")), 201);
    assert.equal(await ask("desk", "/reservations/p/cancel", {}), 200);
    assert.equal(await ask("other", "/reservations/unknown/cancel", {}), "unknown_reservation");
    const found = await call("other", "GET", "/orders/o", null);
    assert.deepEqual([found.status, found.body.lines.length], [200, 1], "the scope read shows every order");
    assert.ok(!JSON.stringify(found.body).includes("shop"), "and no name of a token");

    const rules = { opens_at: null, closes_at: null, quota: null, purchase_token: true, expected: 0 };
    for (const name of [sku, second]) {
      assert.equal((await call("desk", "PUT", `/inventory/${name}/rules`, rules)).status, 200);
    }
    const deduct = { order_id: "t", user_id: "u", ...line };
    const wanted = { order_id: "t", user_id: "u", lines: [line] };
    assert.equal(await ask("desk", "/purchase-tokens", wanted), "forbidden", "admin issues no tokens");
    const token = (await call("room", "POST", "/purchase-tokens", wanted)).body.purchase_token;
    const buy = (body: unknown) => ask("shop", "/inventory/deduct", body, token);
    assert.equal(await buy({ ...deduct, sku: second }), "purchase_token_invalid");
    assert.equal(await buy({ ...deduct, sku: second, amount: 5000 }), "purchase_token_invalid");
    assert.equal(await buy({ ...deduct, amount: 2 }), "purchase_token_invalid");
    assert.equal(await buy(deduct), 200);
    assert.equal(await buy(deduct), 200, "a replay");
    assert.deepEqual(under.broken, []);
  });
}
