import { deepEqual, equal, match, ok } from "node:assert/strict";
import { bodyBytesMax } from "./read/request.ts";
import { jsonPost, routesUnderTest } from "../../tests/http/scripted_inventory.ts";

const path = "/api/v1/inventory/deduct";
const order = { sku: "S", user_id: "u", order_id: "o", amount: 1 };
const reached = 503; // the scripted inventory's answer

async function problemOf(response: Response) {
  equal(response.headers.get("content-type"), "application/problem+json");
  const body = await response.json();
  equal(body.status, response.status);
  equal(body.type, `/problems/${body.code}`);
  ok(body.success === false);
  equal(body.message, body.detail);
  return { status: response.status, code: body.code as string };
}

/** A body of unknown length, as `transfer-encoding: chunked` brings it. */
function chunked(chunks: Iterable<Uint8Array>) {
  let cancelled = false;
  const iterator = chunks[Symbol.iterator]();
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = iterator.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel() {
      cancelled = true;
    },
  });
  const init = { method: "POST", headers: { "content-type": "application/json" }, body, duplex: "half" };
  return { init, wasCancelled: () => cancelled };
}

Deno.test("an unknown path is 404", async () => {
  const { send } = routesUnderTest();
  const paths = [
    "/",
    "/api",
    "/api/v1/inventory",
    "/api/v1/inventory/",
    "/api/v1/inventory/S/",
    "/api/v1/inventory//adjustments",
    "/api/v1/inventory/S/pause/now",
    "/api/v1/reservations/o/confirm/all",
    "/livez/x",
  ];
  for (const unknown of paths) {
    deepEqual(await problemOf(await send(unknown)), { status: 404, code: "not_found" }, unknown);
  }
});

Deno.test("a route has one spelling: an encoded letter of it is not the route", async () => {
  const { send, inventory } = routesUnderTest();
  equal((await send("/%6civez")).status, 404);
  equal((await send("/api/v1/inventory/%64educt", jsonPost(order))).status, 405); // a SKU's path has no POST
  equal(inventory.commands.length, 0);
});

Deno.test("a wrong method is 405 and names the right ones", async () => {
  const { send } = routesUnderTest();
  const cases = [
    ...["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"].map((method) => [method, path, "POST"] as const),
    ["GET", `${path}?sku=S`, "POST"],
    ["DELETE", "/api/v1/inventory/%64educt", "GET, PUT, HEAD"],
    ["PUT", "/api/v1/inventory/deduct/batch", "POST"],
    ["POST", "/api/v1/inventory/S", "GET, PUT, HEAD"],
    ["GET", "/api/v1/inventory/deduct/batch", "POST"],
    ["POST", "/api/v1/inventory/S/rules", "PUT"],
    ["GET", "/api/v1/orders", "POST"],
    ["GET", "/api/v1/reservations/o/confirm", "POST"],
    ["GET", "/api/v1/inventory/S/adjustments", "POST"],
    ["OPTIONS", "/livez", "GET, HEAD"],
    ["BREW", "/readyz", "GET, HEAD"],
  ] as const;
  for (const [method, path, allow] of cases) {
    const response = await send(path, { method });
    equal(response.headers.get("allow"), allow, path);
    if (method === "HEAD") equal(response.status, 405);
    else deepEqual(await problemOf(response), { status: 405, code: "method_not_allowed" });
  }
});

Deno.test("only application/json is taken, whatever its parameters and case", async () => {
  const { send, inventory } = routesUnderTest();
  const right = [
    "application/json",
    "application/json; charset=utf-8",
    "Application/JSON",
    "application/json ;x=y",
  ];
  for (const type of right) {
    equal((await send(path, jsonPost(order, { "content-type": type }))).status, reached);
  }
  const taken = inventory.commands.length;
  const wrong = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonp",
    "application/json5",
    "x application/json",
    "",
  ];
  for (const type of wrong) {
    const response = await send(path, jsonPost(order, { "content-type": type }));
    deepEqual(await problemOf(response), { status: 415, code: "unsupported_media_type" }, type);
  }
  const bytes = new TextEncoder().encode(JSON.stringify(order)); // bytes bring no content-type with them
  equal((await send(path, { method: "POST", body: bytes })).status, 415);
  equal(inventory.commands.length, taken);
});

Deno.test("a body that is not JSON is 400", async () => {
  const { send } = routesUnderTest();
  for (const text of ["", " ", "{", "{'sku':1}", "undefined", "NaN", '{"sku":"S"} x', "[".repeat(10_000)]) {
    deepEqual(await problemOf(await send(path, jsonPost(text))), {
      status: 400,
      code: "invalid_request",
    });
  }
  equal(
    (await send(path, { method: "POST", headers: { "content-type": "application/json" } })).status,
    400,
  );
});

Deno.test("JSON that is no order is 400, however strange or deep it is", async () => {
  const { send } = routesUnderTest();
  const deep = `${"[".repeat(8000)}${"]".repeat(8000)}`;
  const bodies = [
    "null",
    "[]",
    "1",
    '"text"',
    "true",
    "-0",
    "1e999",
    deep,
    `{"sku":${deep}}`,
    `{"__proto__":{"sku":"S"}}`,
  ];
  for (const text of bodies) {
    const response = await send(path, jsonPost(text));
    deepEqual(await problemOf(response), { status: 400, code: "invalid_request" }, text.slice(0, 40));
  }
});

Deno.test("of members with the same name the last one counts", async () => {
  const { send, inventory } = routesUnderTest();
  await send(path, jsonPost('{"sku":"A","sku":"B","user_id":"u","order_id":"o","amount":1}'));
  const [command] = inventory.commands;
  deepEqual(command?.kind === "deduct" && command.lines, [{ sku: "B", amount: 1 }]);
});

Deno.test("bytes that are not UTF-8 are refused, however the body arrives", async () => {
  const { send, inventory } = routesUnderTest();
  const text = JSON.stringify(order).replace('"u"', '"u?"');
  const bytes = new TextEncoder().encode(text);
  bytes[text.indexOf("?")] = 0xff;
  const headers = { "content-type": "application/json", "content-length": String(bytes.length) };
  const whole = await send(path, { method: "POST", headers, body: bytes });
  const parts = await send(path, chunked([bytes]).init);
  for (const response of [whole, parts]) {
    const body = await response.json();
    deepEqual([response.status, body.errors[0].pointer], [400, "/user_id"]);
  }
  equal(inventory.commands.length, 0);
});

Deno.test("a body in pieces is put together, also where a piece ends inside a character", async () => {
  const { send, inventory } = routesUnderTest();
  const bytes = new TextEncoder().encode(JSON.stringify({ ...order, user_id: "é🎫" }));
  const pieces = Array.from(bytes, (byte) => Uint8Array.of(byte));
  equal((await send(path, chunked(pieces).init)).status, reached);
  const [command] = inventory.commands;
  equal(command?.kind === "deduct" && command.userId, "é🎫");
});

Deno.test("a body over 1 MiB is 413 by its announced length, before any of it is read", async () => {
  const { send } = routesUnderTest();
  const { init } = chunked((function* () {
    yield* []; // nothing to read: an answer that waited for the body would not be a 413
  })());
  const headers = { ...init.headers, "content-length": String(bodyBytesMax + 1) };
  const response = await send(path, { ...init, headers });
  deepEqual(await problemOf(response), { status: 413, code: "body_too_large" });
});

Deno.test("a body over 1 MiB is 413 without an announced length, and is not read to its end", async () => {
  const { send } = routesUnderTest();
  const fourMiB = function* () {
    for (let i = 0; i < 64; i++) yield new Uint8Array(64 * 1024).fill(0x20);
  };
  const { init, wasCancelled } = chunked(fourMiB());
  deepEqual(await problemOf(await send(path, init)), { status: 413, code: "body_too_large" });
  ok(wasCancelled());
});

Deno.test("a body of exactly 1 MiB is read, a byte more is not", async () => {
  const { send } = routesUnderTest();
  const text = JSON.stringify(order);
  for (const [size, status] of [[bodyBytesMax, reached], [bodyBytesMax + 1, 413]] as const) {
    const padded = text.padEnd(size, " ");
    equal((await send(path, jsonPost(padded))).status, status);
    equal((await send(path, jsonPost(padded, { "content-length": String(size) }))).status, status);
  }
});

Deno.test("a body that breaks off is the client's affair and is not reported", async () => {
  const { send, reported } = routesUnderTest();
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error("connection reset")) });
  const init = { method: "POST", headers: { "content-type": "application/json" }, body, duplex: "half" };
  deepEqual(await problemOf(await send(path, init)), { status: 400, code: "invalid_request" });
  deepEqual(reported, []);
});

Deno.test("broken code is 500, tells the client nothing and the operator everything", async () => {
  const { send, inventory, reported } = routesUnderTest();
  const cause = new TypeError("secret of the house");
  inventory.decide = () => {
    throw cause;
  };
  const response = await send(path, jsonPost(order));
  const text = await response.clone().text();
  match(text, /internal_error/);
  ok(!/secret|TypeError|\.ts/.test(text));
  deepEqual(await problemOf(response), { status: 500, code: "internal_error" });
  deepEqual(reported, [cause]);
});

Deno.test("the edge behaves the same over a socket", async () => {
  const { app, inventory } = routesUnderTest();
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, app.fetch);
  const base = `http://127.0.0.1:${server.addr.port}`;
  const statuses = async (requests: (readonly [string, RequestInit])[]) => {
    const seen: number[] = [];
    for (const [path, init] of requests) {
      const response = await fetch(`${base}${path}`, init);
      await response.body?.cancel();
      seen.push(response.status);
    }
    return seen;
  };
  const small = chunked([new TextEncoder().encode(JSON.stringify(order))]).init;
  deepEqual(
    await statuses([
      [path, jsonPost(order)],
      [path, small],
      [path, jsonPost(" ".repeat(bodyBytesMax + 1))],
      ["/api/v1/inventory/a%2Fb", {}],
      ["/api/v1/inventory/%ff", {}],
      ["/nowhere?x=/livez", {}],
      ["/livez?x=1", {}],
    ]),
    [reached, reached, 413, reached, 400, 404, 200],
  );
  deepEqual(inventory.commands.at(-1), { kind: "stock", sku: "a/b" });
});
