/** nginx as it is shipped: what it passes on, what it tries again, what it refuses. */
import assert from "node:assert/strict";
import { runCommand } from "../../tools/servers/command.ts";
import { startNginx } from "../../tools/servers/nginx.ts";
import { waitFor } from "../../tools/servers/wait.ts";

const DEDUCT = "/api/v1/inventory/deduct";
const ORDER = { sku: "s", user_id: "u", order_id: "o", amount: 1 };
const MIB = 1024 * 1024;
const HANDSHAKE_DEADLINE_MS = 60_000;

/** What came in behind nginx. */
interface Asked {
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

/** A process behind nginx that notes what comes in: what nginx sends is what these tests are about. */
class Behind implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly url: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(answer: () => Response) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const { headers } = request;
      this.asked.push({ path: new URL(request.url).pathname, headers, body: await request.text() });
      return answer();
    });
    this.url = `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** A process that takes a request and dies, or freezes, over it. */
class Dying implements Disposable {
  asked = 0;
  readonly url: string;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.TcpConn>();
  #ended = false;

  constructor(how: "dies" | "freezes") {
    this.url = `http://127.0.0.1:${this.#listener.addr.port}`;
    this.#serve(how);
  }

  async #serve(how: "dies" | "freezes"): Promise<void> {
    for await (const connection of this.#listener) {
      if (this.#ended) { // this one was accepted in the moment of the end; the listener has no more
        connection.close();
        continue;
      }
      this.#open.add(connection);
      let text = "";
      const [buffer, decoder] = [new Uint8Array(4096), new TextDecoder()];
      while (!text.endsWith("}")) {
        const bytes = await connection.read(buffer).catch(() => null); // it fails when this one has ended
        if (bytes === null) break;
        text += decoder.decode(buffer.subarray(0, bytes));
      }
      if (!text.endsWith("}")) continue;
      this.asked++;
      if (how === "dies") this.#close(connection);
    }
  }

  #close(connection: Deno.TcpConn): void {
    this.#open.delete(connection);
    connection.close();
  }

  /** Ends it with all that it holds. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#listener.close();
    for (const connection of this.#open) this.#close(connection);
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

function post(url: string, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(ORDER),
  });
}

Deno.test("nginx: passes method, body, host, traceparent and Order-Attempt on, and appends the buyer's address", async () => {
  await using api = new Behind(() => Response.json({ success: true }));
  await using nginx = await startNginx({ apis: [api.url] });
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const sent = {
    traceparent,
    "order-attempt": "1",
    "x-forwarded-for": "203.0.113.9",
    authorization: "Bearer t",
  };
  const response = await post(nginx.url, DEDUCT, sent);
  assert.deepEqual(await response.json(), { success: true });
  const [asked] = api.asked;
  assert.ok(asked);
  assert.equal(asked.path, DEDUCT);
  assert.equal(asked.body, JSON.stringify(ORDER));
  const seen = (name: string) => asked.headers.get(name);
  assert.equal(seen("traceparent"), traceparent);
  assert.equal(seen("order-attempt"), "1");
  assert.equal(seen("authorization"), "Bearer t");
  assert.equal(seen("x-forwarded-for"), "203.0.113.9, 127.0.0.1", "the last entry is nginx's own");
  assert.equal(seen("host"), new URL(nginx.url).host);
  assert.equal(response.headers.get("order-attempt"), null, "nothing was tried again");
});

Deno.test("nginx: trace headers pass from networks inside or without a limit, and end there from others", async () => {
  await using api = new Behind(() => Response.json({ success: true }));
  const sent = {
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    tracestate: "shop=1",
    baggage: "a=b",
  };
  for (const inside of [true, false]) {
    for (const limited of [true, false]) {
      await using nginx = await startNginx({ apis: [api.url], inside, limited });
      await (await post(nginx.url, DEDUCT, sent)).body?.cancel();
      const isStranger = !inside && limited;
      for (const [name, value] of Object.entries(sent)) {
        const seen = api.asked.at(-1)?.headers.get(name);
        assert.equal(seen, isStranger ? null : value, `${name}, inside ${inside}, limited ${limited}`);
      }
    }
  }
});

for (const how of ["dies", "freezes"] as const) {
  Deno.test(`nginx: an order whose process ${how} over it is sent to another, no longer as a first attempt`, async () => {
    using dying = new Dying(how);
    await using healthy = new Behind(() => Response.json({ success: true }));
    await using nginx = await startNginx({ apis: [dying.url, healthy.url] });
    const response = await post(nginx.url, DEDUCT, { "order-attempt": "1" });
    assert.deepEqual([response.status, await response.json()], [200, { success: true }]);
    assert.equal(dying.asked, 1, "the first of two equals is asked first");
    const [again] = healthy.asked;
    assert.equal(again?.body, JSON.stringify(ORDER));
    assert.equal(again?.headers.get("order-attempt"), null, "a retry must not be refused by a cache");
    assert.equal(again?.headers.get("x-forwarded-for"), "127.0.0.1");
    assert.equal(response.headers.get("order-attempt"), "2", "who reads a refusal knows that it was a retry");

    const next = await post(nginx.url, DEDUCT, { "order-attempt": "1" });
    assert.equal(next.headers.get("order-attempt"), null);
    assert.deepEqual(
      [await next.json(), dying.asked],
      [{ success: true }, 1],
      "who has failed is left alone",
    );
    assert.equal(healthy.asked[1]?.headers.get("order-attempt"), "1");
  });
}

Deno.test("nginx: an API's own 503 and its refusals pass unchanged, and are not tried again", async () => {
  const problem = { code: "outcome_unknown", deadline: "2026-11-27T00:00:02.000Z" };
  for (const status of [409, 429, 500, 503]) {
    const headers = { "content-type": "application/problem+json", "retry-after": "7" };
    await using api = new Behind(() => new Response(JSON.stringify(problem), { status, headers }));
    await using other = new Behind(() => Response.json({}));
    await using nginx = await startNginx({ apis: [api.url, other.url] });
    const response = await post(nginx.url, DEDUCT);
    assert.deepEqual([response.status, await response.json()], [status, problem]);
    assert.equal(response.headers.get("retry-after"), "7");
    assert.deepEqual([api.asked.length, other.asked.length], [1, 0]);
  }
});

Deno.test("nginx: 'certainly not taken' by a second process is 'unknown', because of the first", async () => {
  using dying = new Dying("dies");
  await using unarmed = new Behind(() => Response.json({ code: "unarmed" }, { status: 503 }));
  await using nginx = await startNginx({ apis: [dying.url, unarmed.url] });
  const response = await post(nginx.url, DEDUCT);
  const { code, success, status } = await response.json();
  assert.deepEqual([response.status, code, success, status], [503, "outcome_unknown", false, 503]);
  assert.deepEqual([dying.asked, unarmed.asked.length], [1, 1]);
});

Deno.test("nginx: when no process answers, the buyer hears 'unknown' in the API's words", async () => {
  using one = new Dying("dies");
  using two = new Dying("dies");
  await using nginx = await startNginx({ apis: [one.url, two.url] });
  const response = await post(nginx.url, DEDUCT);
  assert.equal(response.headers.get("content-type"), "application/problem+json");
  assert.equal(response.headers.get("retry-after"), "3");
  assert.equal((await response.json()).code, "outcome_unknown");
});

Deno.test("nginx: a POST without an id of its own is not sent twice", async () => {
  using dying = new Dying("dies");
  await using other = new Behind(() => Response.json({}));
  await using nginx = await startNginx({ apis: [dying.url, other.url] });
  const response = await post(nginx.url, "/api/v1/purchase-tokens");
  assert.deepEqual([response.status, (await response.json()).code], [503, "outcome_unknown"]);
  assert.deepEqual([dying.asked, other.asked.length], [1, 0]);
});

Deno.test("nginx: an event of a stream that goes on is not kept back", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const events = writable.getWriter();
  const headers = { "content-type": "text/event-stream", "x-accel-buffering": "no" }; // as /ops/stream has them
  await using api = new Behind(() => new Response(readable, { headers }));
  await using nginx = await startNginx({ apis: [api.url] });
  const event = "data: 1\n\n";
  const written = events.write(new TextEncoder().encode(event));
  const response = await fetch(`${nginx.url}/ops/stream`);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader?.read())?.value, event);
  await written;
  await events.close();
  assert.ok((await reader?.read())?.done, "the stream ends when the API ends it");
});

Deno.test("nginx: a body over 1 MiB is refused in the API's words, and one of 1 MiB passes", async () => {
  await using api = new Behind(() => Response.json({}));
  await using nginx = await startNginx({ apis: [api.url] });
  const send = (bytes: number) =>
    fetch(`${nginx.url}${DEDUCT}/batch`, { method: "POST", body: "x".repeat(bytes) });
  const large = await send(MIB);
  assert.deepEqual([large.status, await large.json()], [200, {}]);
  assert.equal(api.asked[0]?.body.length, MIB);
  const tooLarge = await send(MIB + 1);
  assert.equal(tooLarge.status, 413);
  assert.equal(tooLarge.headers.get("content-type"), "application/problem+json");
  assert.equal((await tooLarge.json()).code, "body_too_large");
  assert.equal(api.asked.length, 1);
});

Deno.test("nginx: one address gets 100 requests a second and a burst of 200", async () => {
  await using api = new Behind(() => Response.json({}));
  await using nginx = await startNginx({ apis: [api.url], limited: true });
  const startMs = performance.now();
  const statuses: number[] = [];
  let refused: Response | undefined;
  // A machine that sends no more than 100 a second is refused nothing: more of them at once.
  for (let round = 0; round < 12 || (!refused && round < 50); round++) {
    const answers = await Promise.all(
      Array.from({ length: round < 12 ? 50 : 100 }, () => post(nginx.url, DEDUCT)),
    );
    for (const answer of answers) {
      statuses.push(answer.status);
      if (answer.status === 429 && !refused) refused = answer;
      else await answer.body?.cancel();
    }
  }
  const passed = statuses.filter((status) => status === 200).length;
  const allowed = 200 + 100 * (performance.now() - startMs) / 1000;
  assert.ok(passed >= 200 && passed <= allowed + 2, `${passed} passed, ${allowed} were allowed`);
  assert.equal(statuses.filter((status) => status === 429).length, statuses.length - passed);
  assert.ok(refused, "nothing was refused");
  assert.equal(refused.headers.get("retry-after"), "1");
  assert.equal(refused.headers.get("content-type"), "application/problem+json");
  assert.equal((await refused.json()).code, "too_many_requests");
  assert.equal(api.asked.length, passed, "what was refused has reached no API");
});

Deno.test("nginx: one address holds 100 requests at a time, however slow they are", async () => {
  using slow = new Dying("freezes");
  await using nginx = await startNginx({ apis: [slow.url], limited: true });
  const statuses: number[] = [];
  const all = Array.from({ length: 110 }, async () => {
    const response = await post(nginx.url, DEDUCT);
    statuses.push(response.status);
    await response.body?.cancel();
  });
  await waitFor(() => statuses.length >= 10, { deadlineMs: 60_000, what: "ten refusals at once" });
  assert.deepEqual(new Set(statuses), new Set([429]));
  assert.ok(slow.asked <= 100);
  slow.end();
  await Promise.all(all);
  assert.equal(statuses.filter((status) => status === 429).length, 10);
});

Deno.test("nginx: ids with an encoded slash are sent again as others are, and reads and other paths are not", async () => {
  const paths = [
    "/api/v1/orders/a%2Fb/return",
    "/api/v1/orders/a%2fb%2Fc/return?x=/y",
    "/api/v1/inventory/a%2Fb/adjustments",
    "/api/v1/reservations/a%2Fb/confirm",
    "/api/v1/reservations/%2F/extend",
    "/api/v1/orders/a%3Fb/return",
    `${DEDUCT}?x=1`,
  ];
  const withoutId = [
    "/api/v1/inventory/a%2Fdeduct/pause",
    "/api/v1/inventory/deduct%2Fbatch",
    "/api/v1/orders/x%2Freturn",
  ];
  for (const path of [...paths, ...withoutId]) {
    using dying = new Dying("dies");
    await using other = new Behind(() => Response.json({ success: true }));
    await using nginx = await startNginx({ apis: [dying.url, other.url] });
    const response = await post(nginx.url, path, { "order-attempt": "1" });
    const isAgain = paths.includes(path);
    assert.deepEqual(
      [response.status, dying.asked, other.asked.length],
      isAgain ? [200, 1, 1] : [503, 1, 0],
      path,
    );
    assert.equal(response.headers.get("order-attempt"), isAgain ? "2" : null, path);
    await response.body?.cancel();
    if (isAgain) assert.equal(other.asked[0]?.path, path.replace(/\?.*/, ""), "as the client sent it");
  }
});

/** Sends a path as it is: a URL parser would rewrite it. Returns the status. */
async function sendRaw(url: string, path: string): Promise<number> {
  const { hostname, port } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(
    new TextEncoder().encode(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`),
  );
  const text = await new Response(connection.readable).text();
  return Number(text.split(" ")[1]);
}

Deno.test("nginx: /ops, /readyz and /docs are for the network inside, however they are spelled", async () => {
  await using api = new Behind(() => Response.json({}));
  await using nginx = await startNginx({ apis: [api.url], inside: false });
  const inside = ["/ops", "/ops/stream", "/readyz", "/docs", "/openapi.json"];
  const spelled = [
    ...[
      "/ops?x",
      "//ops",
      "/%6Fps",
      "/x/../ops",
      "/x/%2e%2e/ops",
      "/./readyz",
      "/livez/..%2Fdocs",
      "/ops/",
      "/ops#x",
    ],
    ...["/x\\..\\ops", "/\\ops", "/x%5c..%5cops\\", "/ops%2Fstream", "/ops/./stream"],
  ];
  for (const path of [...inside, ...spelled]) {
    assert.equal(await sendRaw(nginx.url, path), 404, path);
  }
  const refused = await fetch(`${nginx.url}/readyz`);
  assert.equal(refused.headers.get("content-type"), "application/problem+json");
  assert.equal((await refused.json()).code, "not_found");
  assert.deepEqual(api.asked, []);
  assert.equal(await sendRaw(nginx.url, "/livez"), 200);

  await using shipped = await startNginx({ apis: [api.url] });
  for (const path of inside) assert.equal(await sendRaw(shipped.url, path), 200, path);
});

Deno.test("nginx: an IPv6 client is limited by its /64, an IPv4 client by its address", async () => {
  await using api = new Behind(() => Response.json({}));
  await using nginx = await startNginx({ apis: [api.url], limited: true, addressByHeader: true });
  const passed = async (addresses: readonly string[]) => {
    const startMs = performance.now();
    let count = 0;
    // Many at once: one after the other, a busy machine sends no more than are allowed.
    for (let first = 0; first < addresses.length; first += 50) {
      await Promise.all(
        addresses.slice(first, first + 50).map(async (address) => {
          const response = await fetch(`${nginx.url}/livez`, { headers: { "x-test-address": address } });
          await response.body?.cancel();
          if (response.status === 200) count++;
        }),
      );
    }
    return { count, allowed: 202 + 100 * (performance.now() - startMs) / 1000 };
  };
  const many = Array.from({ length: 600 }, (_, i) => i + 1);
  const hex = (i: number) => i.toString(16);
  const ofOne = await passed(
    many.map((i) => i % 2 ? `2001:db8:0:1::${hex(i)}` : `2001:db8:0:1:${hex(i)}:a:b:0`),
  );
  assert.ok(ofOne.count <= ofOne.allowed && ofOne.count < 600, `${ofOne.count} of one /64 passed`);
  const ofZeros = await passed(many.map((i) => i % 2 ? `2001:db9::${hex(i)}` : `2001:db9:0:0:${hex(i)}::`));
  assert.ok(ofZeros.count <= ofZeros.allowed && ofZeros.count < 600, `${ofZeros.count} of one /64 passed`);
  assert.equal((await passed(many.map((i) => `2001:db8:${hex(i)}::1`))).count, 600, "of many networks");
  assert.equal(
    (await passed(many.map((i) => `198.51.${i % 250}.${i >> 8}`))).count,
    600,
    "of many addresses",
  );
  const mapped = await passed(many.map((i) => `::ffff:203.0.${i % 250}.${i >> 8}`));
  assert.equal(mapped.count, 600, "of many IPv4 addresses written as IPv6");
});

Deno.test("nginx: speaks TLS 1.2 and 1.3 with HTTP/2, and nothing older", async () => {
  await using api = new Behind(() => Response.json({ success: true }));
  await using nginx = await startNginx({ apis: [api.url] });
  using client = Deno.createHttpClient({ caCerts: [nginx.certificate], http1: false, http2: true });
  const response = await fetch(nginx.tlsUrl + DEDUCT, { method: "POST", body: "{}", client });
  assert.deepEqual(await response.json(), { success: true });
  assert.equal(api.asked[0]?.headers.get("x-forwarded-proto"), "https");
  const handshake = (version: string) =>
    runCommand("openssl", ["s_client", version, "-connect", new URL(nginx.tlsUrl).host], {
      deadlineMs: HANDSHAKE_DEADLINE_MS,
    });
  assert.match(await handshake("-tls1_2"), /Cipher is ECDHE-/);
  assert.match(await handshake("-tls1_3"), /TLSv1\.3/);
  await assert.rejects(handshake("-tls1_1"));
});

Deno.test("nginx: its log has one line of JSON a request, without query, body or token", async () => {
  await using api = new Behind(() => Response.json({}));
  await using nginx = await startNginx({ apis: [api.url] });
  await (await post(nginx.url, `${DEDUCT}?secret=1`, { authorization: "Bearer hidden" })).body?.cancel();
  const lines = () => nginx.output().split("\n").filter((line) => line.startsWith("{"));
  await waitFor(() => lines().length > 0, { deadlineMs: 60_000, what: "a line of the access log" });
  const { status, path, client, api: asked } = JSON.parse(lines()[0] ?? "");
  assert.deepEqual([status, path, client, asked], ["200", DEDUCT, "127.0.0.1", new URL(api.url).host]);
  assert.doesNotMatch(nginx.output(), /secret|hidden|order_id/);
});
