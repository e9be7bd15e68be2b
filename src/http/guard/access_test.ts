import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createHash } from "node:crypto";
import { jsonPost, routesUnderTest } from "../../../tests/http/scripted_inventory.ts";

const tokens = {
  "shop-secret": ["deduct", "read"],
  "office-secret": { name: "office", scopes: ["admin"] },
  "desk-secret": { name: "desk", scopes: ["return"] },
  "room-secret": { name: "room", scopes: ["tokens"] },
};
const env = { API_TOKENS: JSON.stringify(tokens) };
const order = { sku: "S", user_id: "u", order_id: "o", amount: 1 };

const requests = {
  deduct: ["/api/v1/inventory/deduct", (headers: Record<string, string>) => jsonPost(order, headers)],
  read: ["/api/v1/inventory/S", (headers: Record<string, string>) => ({ headers })],
  admin: [
    "/api/v1/inventory/S/adjustments",
    (headers: Record<string, string>) => jsonPost({ adjustment_id: "a", delta: 1 }, headers),
  ],
  return: [
    "/api/v1/orders/o/return",
    (headers: Record<string, string>) =>
      jsonPost({ return_id: "r", lines: [{ sku: "S", amount: 1 }] }, headers),
  ],
} as const;

Deno.test("each route asks for its own scope, and one scope does not include another", async () => {
  const { send, inventory } = routesUnderTest(env);
  const allowed = {
    "shop-secret": ["deduct", "read"],
    "office-secret": ["admin"],
    "desk-secret": ["return"],
  };
  for (const [token, scopes] of Object.entries(allowed)) {
    for (const [scope, [path, request]] of Object.entries(requests)) {
      const before = inventory.commands.length;
      const response = await send(path, request({ authorization: `Bearer ${token}` }));
      const body = await response.json();
      if (scopes.includes(scope)) {
        equal(body.code, "unarmed", "the request reached the inventory");
      } else {
        equal(response.status, 403);
        deepEqual([body.code, body.scope], ["forbidden", scope]);
        match(
          response.headers.get("www-authenticate") ?? "",
          new RegExp(`insufficient_scope.*scope="${scope}"`),
        );
        equal(inventory.commands.length, before);
      }
    }
  }
});

Deno.test("every route is behind a scope: selling, returning, issuing tokens, reading, or keeping the stock", async () => {
  const scopes = {
    deduct: [
      "POST /api/v1/inventory/deduct",
      "POST /api/v1/inventory/deduct/batch",
      "POST /api/v1/orders",
      "POST /api/v1/reservations",
      "POST /api/v1/reservations/o/confirm",
      "POST /api/v1/reservations/o/cancel",
      "POST /api/v1/reservations/o/extend",
    ],
    return: ["POST /api/v1/orders/o/return"],
    tokens: ["POST /api/v1/purchase-tokens"],
    read: ["GET /api/v1/inventory/S", "GET /api/v1/orders/o"],
    admin: [
      "PUT /api/v1/inventory/S",
      "PUT /api/v1/inventory/S/rules",
      "POST /api/v1/inventory/S/adjustments",
      "POST /api/v1/inventory/S/pause",
      "POST /api/v1/inventory/S/resume",
    ],
  };
  const { send, inventory } = routesUnderTest({ API_TOKENS: '{"seller":["deduct"],"reader":["read"]}' });
  for (const [scope, routes] of Object.entries(scopes)) {
    for (const route of routes) {
      const [method = "", path = ""] = route.split(" ");
      const authorization = `Bearer ${scope === "deduct" ? "reader" : "seller"}`;
      const refused = await (await send(path, { method, headers: { authorization } })).json();
      deepEqual([refused.status, refused.scope], [403, scope], route);
      equal((await send(path, { method })).status, 401, route);
    }
  }
  equal(inventory.commands.length, 0);
});

Deno.test("a missing, malformed or unknown token is 401 and reaches nothing", async () => {
  const { send, inventory } = routesUnderTest(env);
  const wrong = [
    "",
    "Bearer",
    "Bearer ",
    "Basic shop-secret",
    "shop-secret",
    "Bearer shop-secre",
    "Bearer SHOP-SECRET",
    "Bearer a b",
  ];
  for (const [path, request] of Object.values(requests)) {
    const none = await send(path, request({}));
    deepEqual([none.status, (await none.json()).code], [401, "unauthorized"]);
    equal(none.headers.get("www-authenticate"), 'Bearer realm="holdfast"');
    for (const authorization of wrong) {
      const response = await send(path, request({ authorization }));
      equal(response.status, 401, authorization);
      match(response.headers.get("www-authenticate") ?? "", /^Bearer realm=/);
      ok(!(await response.text()).includes("secre"), "an answer never repeats a token");
    }
  }
  equal(inventory.commands.length, 0);
});

Deno.test("who has no token learns nothing about the request's contents", async () => {
  const { send } = routesUnderTest(env);
  const response = await send("/api/v1/inventory/deduct", jsonPost("not json"));
  equal(response.status, 401);
});

Deno.test("the scheme is read in any case", async () => {
  const { send } = routesUnderTest(env);
  const response = await send("/api/v1/inventory/S", {
    headers: { authorization: "bEARER shop-secret" },
  });
  equal(response.status, 503);
});

Deno.test("the token's name goes into the command as actor, and never the token", async () => {
  const { send, inventory } = routesUnderTest(env);
  await send("/api/v1/inventory/deduct", jsonPost(order, { authorization: "Bearer shop-secret" }));
  await send(
    ...[requests.admin[0], requests.admin[1]({ authorization: "Bearer office-secret" })] as const,
  );
  const actors = inventory.commands.map((command) => "actor" in command ? command.actor : undefined);
  deepEqual(actors, ["token-1", "office"]);
  ok(!JSON.stringify(inventory.commands).includes("secret"));
});

Deno.test("without tokens everything is open, a token is not looked at, and the actor is empty", async () => {
  const { send, inventory } = routesUnderTest({});
  for (const [path, request] of Object.values(requests)) {
    equal((await send(path, request({}))).status, 503);
    equal((await send(path, request({ authorization: "Bearer whatever" }))).status, 503);
  }
  const actors = inventory.commands.flatMap((command) => "actor" in command ? [command.actor] : []);
  deepEqual(actors, ["", "", "", "", "", ""]);
});

Deno.test("a token may change the lines of its own name, one with the scope admin and open access all lines", async () => {
  const followUps = [
    ["/api/v1/reservations/o/confirm", {}],
    ["/api/v1/reservations/o/cancel", {}],
    ["/api/v1/reservations/o/extend", { ttl_seconds: 60 }],
    ["/api/v1/orders/o/return", { return_id: "r", lines: [{ sku: "S", amount: 1 }] }],
  ] as const;
  const ownersOf = async (settings: Record<string, string>, headers: Record<string, string>) => {
    const { send, inventory } = routesUnderTest(settings);
    inventory.decide = () => ({ kind: "forbidden" });
    for (const [path, body] of followUps) {
      const response = await send(path, jsonPost(body, headers));
      const { code, scope } = await response.json();
      deepEqual([response.status, code, scope], [403, "forbidden", "admin"], path);
    }
    return inventory.commands.map((command) => "owner" in command ? command.owner : undefined);
  };
  const scopes = ["deduct", "return"];
  const two = { a: { name: "shop", scopes }, b: { name: "desk", scopes: [...scopes, "admin"] } };
  const settings = { API_TOKENS: JSON.stringify(two) };
  deepEqual(await ownersOf(settings, { authorization: "Bearer a" }), Array(4).fill("shop"));
  deepEqual(await ownersOf(settings, { authorization: "Bearer b" }), Array(4).fill(""));
  deepEqual(await ownersOf({}, {}), Array(4).fill(""));
});

Deno.test("a token is known by its digest, and the digest itself is none", async () => {
  const digest = createHash("sha256").update("shop-secret").digest("hex");
  const { send } = routesUnderTest({ API_TOKENS: JSON.stringify({ [`sha256:${digest}`]: ["read"] }) });
  const status = async (token: string) =>
    (await send("/api/v1/inventory/S", { headers: { authorization: `Bearer ${token}` } })).status;
  equal(await status("shop-secret"), 503);
  for (const token of [digest, `sha256:${digest}`, "shop-secre"]) equal(await status(token), 401, token);
});

Deno.test("health needs no token", async () => {
  const { send } = routesUnderTest(env);
  equal((await send("/livez")).status, 200);
  equal((await send("/readyz")).status, 200);
});
