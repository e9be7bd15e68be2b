import { deepEqual, equal, throws } from "node:assert/strict";
import {
  accepted,
  answered,
  at,
  busy,
  connectionReset,
  json,
  lost,
  ok,
  order,
  refuse,
  scripted,
  type Step,
  timeoutMs,
} from "../tests/client/scripted_client.ts";
import { createClient } from "./src/client.ts";
import { realSleep } from "./src/defaults.ts";

Deno.test("a deduct is one POST with the server's spelling, and its answer is typed", async () => {
  const { client, sent } = scripted([ok], { baseUrl: "http://shop.test/eu/", token: "secret" });
  deepEqual(await client.deduct({ ...order, purchaseToken: "ticket" }), accepted);
  deepEqual(sent, [{
    url: "http://shop.test/eu/api/v1/inventory/deduct",
    method: "POST",
    headers: {
      accept: "application/json",
      authorization: "Bearer secret",
      "content-type": "application/json",
      "purchase-token": "ticket",
      "order-attempt": "1",
    },
    body: '{"sku":"S","user_id":"u","order_id":"o","amount":1}',
  }]);
});

const undecided: readonly (readonly [name: string, step: Step])[] = [
  ["503 overloaded", busy()],
  ["503 backlog_full", refuse(503, "backlog_full", { deadline: at(0) })],
  ["503 unarmed", refuse(503, "unarmed", { deadline: at(0) })],
  ["503 store_unavailable", refuse(503, "store_unavailable", { deadline: at(0) })],
  ["503 store_full", refuse(503, "store_full", { deadline: at(0) })],
  ["503 ledger_behind", refuse(503, "ledger_behind", { deadline: at(0) })],
  ["408 body_timeout", refuse(408, "body_timeout")],
  ["503 outcome_unknown", refuse(503, "outcome_unknown", { deadline: at(2) })],
  ["a 503 of something in between", () => new Response("<h1>Sorry</h1>", { status: 503 })],
  ["502", () => new Response("", { status: 502 })],
  ["500", refuse(500, "internal_error")],
  ["a lost connection", lost],
  ["a success that is not the server's", () => new Response("<h1>Log in to the hotel's network</h1>")],
  [
    "an answer that was cut",
    () => new Response(new ReadableStream({ pull: (stream) => stream.error(new TypeError("cut")) })),
  ],
];

for (const [name, step] of undecided) {
  Deno.test(`${name} is tried again: same bytes, and no longer a first attempt`, async () => {
    const { client, sent } = scripted([step, step, ok]);
    deepEqual(await client.deduct(order), accepted);
    deepEqual(sent.map(({ headers }) => headers["order-attempt"]), ["1", undefined, undefined]);
    equal(new Set(sent.map(({ url, method, body }) => `${method} ${url} ${body}`)).size, 1);
  });
}

Deno.test("a try that takes too long is aborted and sent again", async () => {
  const boundsMs: number[] = [];
  const hang: Step = ({ signal }) =>
    new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
  const { client, sent } = scripted([hang, ok], {
    sleep: (ms, signal) => {
      if (signal) boundsMs.push(ms);
      // The first try's time is up at once, the second's never.
      return signal && boundsMs.length === 2 ? realSleep(60_000, signal) : Promise.resolve();
    },
  });
  deepEqual(await client.deduct(order), accepted);
  equal(sent.length, 2);
  deepEqual(boundsMs, [timeoutMs, timeoutMs]);
});

Deno.test("an order that was sent before is never declared a first attempt", async () => {
  const { client, sent } = scripted([busy(), ok]);
  await client.deduct({ ...order, sentBefore: true });
  deepEqual(sent.map(({ headers }) => "order-attempt" in headers), [false, false]);
});

for (const status of [400, 401, 403, 404, 409, 413, 422, 425, 429]) {
  Deno.test(`${status} is never tried again`, async () => {
    const { client, stepsLeft, waitsMs } = scripted([
      refuse(status, "blocked", {}, { "retry-after": "1" }),
      ok,
    ]);
    deepEqual(await client.deduct(order), {
      kind: "refused",
      code: "blocked",
      status,
      detail: "because blocked",
      retryAfterMs: 1000,
      afterUnknown: false,
    });
    equal(stepsLeft(), 1);
    deepEqual(waitsMs, []);
  });
}

Deno.test("waits double up to 5 s, each spread over its whole length", async () => {
  const half = scripted(Array(9).fill(busy()), { attemptsMax: 9 });
  await half.client.deduct(order);
  deepEqual(half.waitsMs, [50, 100, 200, 400, 800, 1600, 2500, 2500]);
  const none = scripted(Array(3).fill(busy()), { attemptsMax: 3, random: () => 0 });
  await none.client.deduct(order);
  deepEqual(none.waitsMs, [0, 0]);
});

Deno.test("Retry-After is waited for, with the spread on top; a date is not read", async () => {
  const asks = (value: string) => refuse(503, "unarmed", { deadline: at(0) }, { "retry-after": value });
  const { client, waitsMs } = scripted([asks("2"), asks("30"), asks("Sun, 22 Nov 2026 12:00:00 GMT"), ok]);
  deepEqual(await client.deduct(order), accepted);
  deepEqual(waitsMs, [2050, 30_100, 200]);
});

Deno.test("no call waits longer than 30 s: a server that requests more gets no further attempt", async () => {
  const { client, sent } = scripted([
    refuse(503, "unarmed", { deadline: at(3) }, { "retry-after": "31" }),
    ok,
  ]);
  deepEqual(await client.deduct(order), {
    kind: "unknown",
    orderId: "o",
    deadline: at(3),
    cause: answered(503, "unarmed"),
  });
  equal(sent.length, 1);
});

Deno.test("after the last try the end is unknown, until the latest deadline that was named", async () => {
  const steps = [busy(1), refuse(503, "outcome_unknown", { deadline: at(7) }), busy(4), busy(5), busy(6), ok];
  const { client, stepsLeft, waitsMs } = scripted(steps);
  deepEqual(await client.deduct(order), {
    kind: "unknown",
    orderId: "o",
    deadline: at(7),
    cause: answered(503, "overloaded"),
  });
  equal(stepsLeft(), 1);
  equal(waitsMs.length, 4);
});

Deno.test("a try without an answer leaves no deadline to rely on", async () => {
  const { client } = scripted([lost, busy(4)], { attemptsMax: 2 });
  deepEqual(await client.deduct(order), {
    kind: "unknown",
    orderId: "o",
    deadline: null,
    cause: answered(503, "overloaded"),
  });
});

Deno.test("a refusal says whether an earlier try was left in doubt", async () => {
  const soldOut = refuse(409, "insufficient_stock", { sku: "S", available: 0 });
  const afterProxyRetry = json(
    409,
    { code: "insufficient_stock", detail: "because insufficient_stock", sku: "S", available: 0 },
    { "order-attempt": "2" },
  );
  for (
    const [steps, afterUnknown] of [
      [[busy(), soldOut], false],
      [[lost, soldOut], true],
      [[afterProxyRetry], true],
    ] as const
  ) {
    const { client } = scripted(steps);
    deepEqual(await client.deduct(order), {
      kind: "refused",
      code: "insufficient_stock",
      status: 409,
      detail: "because insufficient_stock",
      retryAfterMs: null,
      afterUnknown,
      sku: "S",
      available: 0,
    });
  }
});

Deno.test("a refusal's members come with its code", async () => {
  const cases = [
    ["not_open", { sku: "S", opens_at: at(1) }, { sku: "S", opensAt: at(1) }],
    ["sale_closed", { sku: "S", closes_at: at(1) }, { sku: "S", closesAt: at(1) }],
    ["quota_exceeded", { sku: "S", quota: 2, left: 1 }, { sku: "S", quota: 2, left: 1 }],
    ["stale", { sku: "S", available: 3 }, { sku: "S", available: 3, rulesVersion: null }],
    ["stale", { sku: "S", rules_version: 3 }, { sku: "S", available: null, rulesVersion: 3 }],
    ["return_exceeds_sold", { sku: "S", units: 1 }, { sku: "S", units: 1 }],
    ["order_conflict", { order_id: "o", sku: "S" }, { sku: "S" }],
    ["invalid_request", { errors: [{ pointer: "/sku", detail: "is missing" }] }, {
      errors: [{ pointer: "/sku", detail: "is missing" }],
    }],
  ] as const;
  for (const [code, members, expected] of cases) {
    const refused = await scripted([refuse(409, code, members)]).client.deduct(order);
    const common = { kind: "refused", status: 409, detail: `because ${code}`, retryAfterMs: null };
    deepEqual(refused, { ...common, afterUnknown: false, code, ...expected });
  }
});

Deno.test("a refusal that the client does not know is still a refusal", async () => {
  const cases = [
    [refuse(409, "moon_phase"), "moon_phase"],
    [refuse(409, "insufficient_stock"), "insufficient_stock"], // without its members
    [() => new Response("<h1>Not found</h1>", { status: 404 }), ""],
  ] as const;
  for (const [step, name] of cases) {
    const refused = await scripted([step]).client.deduct(order);
    equal(refused.kind, "refused");
    deepEqual(refused.kind === "refused" && refused.code === "unrecognized" && refused.name, name);
  }
});

Deno.test("questions are asked again, too, and end as unavailable", async () => {
  const { client, sent } = scripted([lost, busy(), lost, lost], { attemptsMax: 2 });
  deepEqual(await client.stock("a/b"), { kind: "unavailable", cause: answered(503, "overloaded") });
  deepEqual(await client.findOrder("o 1"), {
    kind: "unavailable",
    cause: { kind: "no_answer", error: connectionReset },
  });
  deepEqual(
    sent.map(({ method, url, body }) => [method, url.slice("http://shop.test/api/v1".length), body]),
    [
      ["GET", "/inventory/a%2Fb", null],
      ["GET", "/inventory/a%2Fb", null],
      ["GET", "/orders/o%201", null],
      ["GET", "/orders/o%201", null],
    ],
  );
});

Deno.test("a purchase token is asked for again, and ends as unavailable: nothing is left behind", async () => {
  const steps = [json(503, {}), json(503, {})];
  const { client, sent } = scripted(steps, { attemptsMax: 2, token: "t" });
  const lines = [{ sku: "HOT", amount: 2, more: 1 }];
  const result = await client.issuePurchaseToken({ orderId: "o", userId: "u", lines });
  equal(result.kind, "unavailable");
  deepEqual(
    sent.map(({ method, url, body }) => [method, url, JSON.parse(String(body))]),
    Array(2).fill([
      "POST",
      "http://shop.test/api/v1/purchase-tokens",
      { order_id: "o", user_id: "u", lines: [{ sku: "HOT", amount: 2 }] },
    ]),
  );
  equal(sent[0]?.headers.authorization, "Bearer t");
});

Deno.test("a client without bounds is not made", () => {
  for (const wrong of [{ attemptsMax: 0 }, { attemptsMax: 1.5 }, { timeoutMs: 0 }, { timeoutMs: Infinity }]) {
    throws(() => createClient({ baseUrl: "http://shop.test", ...wrong }), RangeError);
  }
});

/** The real app on a store in memory that has ten units each of A and B. */
