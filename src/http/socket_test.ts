import { deepEqual, equal, ok } from "node:assert/strict";
import {
  acceptedOutcome,
  jsonPost,
  type RoutesUnderTest,
  routesUnderTest,
} from "../../tests/http/scripted_inventory.ts";

/** Runs `use` while the app listens on a port of its own. */
async function listening({ app }: RoutesUnderTest, use: (url: string, port: number) => Promise<void>) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, app.fetch);
  try {
    await use(`http://127.0.0.1:${server.addr.port}`, server.addr.port);
  } finally {
    await server.shutdown();
  }
}

/** The status line of what the server answers to a request as it is on the wire. */
async function statusOf(port: number, request: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(request));
  const chunk = new Uint8Array(4096);
  const length = await connection.read(chunk) ?? 0;
  return new TextDecoder().decode(chunk.subarray(0, length)).split("\r\n")[0] ?? "";
}

Deno.test("a POST whose body is left out may have a length of 0, no length, or an empty last chunk", async () => {
  const dependencies = routesUnderTest();
  dependencies.inventory.decide = () => acceptedOutcome;
  const head = "POST /api/v1/inventory/S/pause HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n";
  const endings = [
    "\r\n",
    "Content-Length: 0\r\n\r\n",
    "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ];
  await listening(dependencies, async (_, port) => {
    for (const ending of endings) equal(await statusOf(port, head + ending), "HTTP/1.1 200 OK", ending);
  });
  equal(dependencies.inventory.commands.length, endings.length);
});

Deno.test("a length and a transfer encoding together are refused before the app, in either order", async () => {
  const dependencies = routesUnderTest();
  dependencies.inventory.decide = () => acceptedOutcome;
  const order = JSON.stringify({ sku: "S", user_id: "u", order_id: "o", amount: 1 });
  const [head = "", older = ""] = ["1.1", "1.0"].map((version) =>
    `POST /api/v1/inventory/deduct HTTP/${version}\r\nHost: shop\r\nContent-Type: application/json\r\n`
  );
  const length = `Content-Length: ${order.length}\r\n`;
  const chunk = `${order.length.toString(16)}\r\n${order}\r\n0\r\n\r\n`;
  await listening(dependencies, async (_, port) => {
    for (const encoding of ["chunked", "gzip, chunked", "Chunked", "identity", "chunked, gzip"]) {
      const transfer = `Transfer-Encoding: ${encoding}\r\n`;
      for (const both of [length + transfer, transfer + length, length + length + transfer]) {
        for (const body of [order, chunk]) {
          const status = await statusOf(port, `${head}${both}\r\n${body}`);
          equal(status, "HTTP/1.1 400 Bad Request", both);
        }
        equal((await statusOf(port, `${older}${both}\r\n${chunk}`)).slice(9, 12), "400", both);
      }
    }
    equal(await statusOf(port, `${head}${length}\r\n${order}`), "HTTP/1.1 200 OK");
  });
  equal(dependencies.inventory.commands.length, 1);
});

/** The kinds of HTTP/2 frames with which the server answers a POST: 1 = headers, 3 = the stream was reset. */
async function http2FramesOf(port: number, headers: readonly [string, string][], data: string) {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = (text: string) => [...new TextEncoder().encode(text)];
  const frame = (kind: number, flags: number, stream: number, payload: readonly number[]) => {
    const length = [payload.length >> 16, payload.length >> 8 & 255, payload.length & 255];
    return [...length, kind, flags, 0, 0, 0, stream, ...payload];
  };
  const block = headers.flat().map((text) => [text.length, ...bytes(text)]);
  const fields = block.flatMap((text, i) => i % 2 === 0 ? [0, ...text] : text); // each without an index
  const [endOfStream, endOfHeaders] = [1, 4];
  await connection.write(Uint8Array.from([
    ...bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ...frame(4, 0, 0, []),
    ...frame(1, endOfHeaders, 1, fields),
    ...frame(0, endOfStream, 1, bytes(data)),
  ]));
  const kinds = new Set<number>();
  let received: number[] = [];
  const chunk = new Uint8Array(4096);
  while (!kinds.has(1) && !kinds.has(3)) {
    const read = await connection.read(chunk);
    if (read === null) break;
    received = [...received, ...chunk.subarray(0, read)];
    for (;;) {
      const [a = 0, b = 0, c = 0, kind = 0] = received;
      const length = 9 + (a << 16 | b << 8 | c);
      if (received.length < Math.max(9, length)) break;
      kinds.add(kind);
      received = received.slice(length);
    }
  }
  return kinds;
}

Deno.test("HTTP/2: a body is not longer than its length, and a transfer encoding is refused before the app", async () => {
  const dependencies = routesUnderTest();
  dependencies.inventory.decide = () => acceptedOutcome;
  const order = JSON.stringify({ sku: "S", user_id: "u", order_id: "o", amount: 1 });
  const head: [string, string][] = [
    ...[[":method", "POST"], [":scheme", "http"], [":authority", "shop"]] as [string, string][],
    ...[[":path", "/api/v1/inventory/deduct"], ["content-type", "application/json"]] as [string, string][],
  ];
  const length: [string, string] = ["content-length", `${order.length}`];
  await listening(dependencies, async (_, port) => {
    const isReset = async (data: string, ...headers: [string, string][]) =>
      (await http2FramesOf(port, [...head, ...headers], data)).has(3);
    ok(await isReset(order, length, ["transfer-encoding", "chunked"]));
    ok(await isReset(order + " ".repeat(10_000), length));
    equal(dependencies.inventory.commands.length, 0);
    ok(!await isReset(order, length));
  });
  equal(dependencies.inventory.commands.length, 1);
});

Deno.test("the app gets the client's address from the server", async () => {
  const dependencies = routesUnderTest({ BLOCKED: "127.0.0.1" });
  const order = { sku: "S", user_id: "u", order_id: "o", amount: 1 };
  await listening(dependencies, async (url) => {
    const response = await fetch(`${url}/api/v1/inventory/deduct`, jsonPost(order));
    deepEqual([response.status, (await response.json()).code], [403, "blocked"]);
  });
});

Deno.test("preflights and answers pass the server with their headers", async () => {
  const dependencies = routesUnderTest({ CORS_ORIGINS: "https://shop.example" });
  const headers = { origin: "https://shop.example", "access-control-request-method": "POST" };
  await listening(dependencies, async (url) => {
    for (const [method, status] of [["OPTIONS", 204], ["GET", 200]] as const) {
      const response = await fetch(`${url}/livez`, { method, headers });
      await response.body?.cancel();
      equal(response.status, status);
      equal(response.headers.get("access-control-allow-origin"), "https://shop.example");
    }
  });
});
