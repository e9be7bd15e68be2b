import { deepEqual, equal, throws } from "node:assert/strict";
import { adjust, armEmpty, decide } from "../tests/contract/store_suite.ts";
import { makeMemoryStore } from "../tests/contract/stores.ts";
import { loadConfig } from "../src/runtime/settings/config.ts";
import { createApp } from "../src/http/app.ts";
import { InventoryService } from "../src/decide/service.ts";
import { realWorld } from "../src/runtime/world.ts";
import { type Client, type ClientOptions, createClient } from "./src/client.ts";
import { realSleep } from "./src/defaults.ts";

const timeoutMs = 5000;
const order = { sku: "S", userId: "u", orderId: "o", amount: 1 };
const sold = { success: true, new_stock: 4, order_id: "o", sku: "S", amount: 1, seq: 2 };
const accepted = {
  kind: "accepted",
  orderId: "o",
  seq: 2,
  sku: "S",
  amount: 1,
  newStock: 4,
  replayed: false,
};

type Step = (init: RequestInit) => Response | Promise<Response>;

interface Sent {
  readonly url: string;
  readonly method: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** A client whose server follows a script, one step a try, and whose waits are written down and skipped. */
function scripted(steps: readonly Step[], options: Partial<ClientOptions> = {}) {
  const left = [...steps];
  const sent: Sent[] = [];
  const waitsMs: number[] = [];
  const client = createClient({
    baseUrl: "http://shop.test",
    random: () => 0.5,
    // A wait with a signal bounds a try: it lasts until the try is done, unless a test says otherwise.
    sleep: (ms, signal) => {
      if (signal) return realSleep(60_000, signal);
      waitsMs.push(ms);
      return Promise.resolve();
    },
    fetch: async (url, init) => {
      const { method, headers, body } = init;
      sent.push({ url, method, headers: headers as Record<string, string>, body });
      const step = left.shift();
      if (step === undefined) throw new Error("the script has no step for this try");
      return await step(init);
    },
    ...options,
  });
  return { client, sent, waitsMs, stepsLeft: () => left.length };
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}): Step => () =>
  new Response(JSON.stringify(body), { status, headers });
const refuse = (status: number, code: string, members = {}, headers = {}): Step =>
  json(status, { code, status, detail: `because ${code}`, ...members }, headers);
const at = (second: number) => `2026-11-22T12:00:0${second}.000Z`;
const busy = (second = 0) => refuse(503, "overloaded", { order_id: "o", deadline: at(second) });
const connectionReset = new TypeError("connection reset");
const lost: Step = () => Promise.reject(connectionReset);
const answered = (status: number, code: string) => ({
  kind: "answer",
  status,
  code,
  detail: `because ${code}`,
});
const ok = json(200, sold);

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

Deno.test("a batch sends again only the items that were not decided", async () => {
  const item = (orderId: string) => ({ ...order, orderId });
  const soldItem = (orderId: string) => ({
    ...sold,
    order_id: orderId,
    status: 200,
    code: "accepted",
    replayed: false,
  });
  const refusedItem = { status: 409, code: "insufficient_stock", detail: "because", sku: "S", available: 0 };
  const busyItem = (orderId: string) => ({
    status: 503,
    code: "overloaded",
    detail: "because overloaded",
    order_id: orderId,
    deadline: at(2),
    retry_after: 1,
  });
  const { client, sent, waitsMs } = scripted([
    json(200, { items: [soldItem("a"), busyItem("b"), refusedItem, busyItem("d")] }),
    lost,
    json(200, { items: [{ ...soldItem("b"), replayed: true }, busyItem("d")] }),
  ], { attemptsMax: 3 });
  const result = await client.deductBatch([item("a"), item("b"), item("c"), item("d")]);
  equal(result.kind, "batch");
  if (result.kind !== "batch") return;
  deepEqual(result.items.map((item) => item.kind), ["accepted", "accepted", "refused", "unknown"]);
  deepEqual(result.items[1], { ...accepted, orderId: "b", replayed: true });
  deepEqual(result.items[3], {
    kind: "unknown",
    orderId: "d",
    deadline: null, // one try was left without an answer
    cause: answered(503, "overloaded"),
  });
  const sentItems = sent.map(({ body }) => JSON.parse(String(body)).items.length);
  deepEqual(sentItems, [4, 2, 2]);
  deepEqual(sent.map(({ headers }) => headers["order-attempt"]), ["1", undefined, undefined]);
  deepEqual(waitsMs, [1050, 100]);
});

Deno.test("a batch that is refused as a whole is one refusal; one without a response is unknown, item by item", async () => {
  const refused = await scripted([refuse(413, "body_too_large")]).client.deductBatch([order]);
  equal(refused.kind === "refused" && refused.code, "body_too_large");
  const silent = await scripted([lost, () => new Response("<html>")], { attemptsMax: 2 }).client.deductBatch([
    order,
  ]);
  deepEqual(silent, {
    kind: "batch",
    items: [{
      kind: "unknown",
      orderId: "o",
      deadline: null,
      cause: { kind: "answer", status: 200, code: "", detail: "" },
    }],
  });
});

Deno.test("a stock change without a decision names its SKU and the cause", async () => {
  const { client } = scripted([lost], { attemptsMax: 1 });
  deepEqual(await client.adjust({ adjustmentId: "a", sku: "S", delta: 1 }), {
    kind: "unknown",
    sku: "S",
    deadline: null,
    cause: { kind: "no_answer", error: connectionReset },
  });
});

Deno.test("a client without bounds is not made", () => {
  for (const wrong of [{ attemptsMax: 0 }, { attemptsMax: 1.5 }, { timeoutMs: 0 }, { timeoutMs: Infinity }]) {
    throws(() => createClient({ baseUrl: "http://shop.test", ...wrong }), RangeError);
  }
});

/** The real app on a store in memory that has ten units each of A and B. */
async function withRealApp(use: (client: Client) => Promise<void>): Promise<void> {
  await using parts = await makeMemoryStore();
  await armEmpty(parts.control);
  await decide(parts.store, adjust("a", "A", 10), adjust("b", "B", 10));
  const broken: unknown[] = [];
  const inventory = new InventoryService(parts.store, realWorld, {
    shards: 1,
    batchMax: 256,
    callsMax: 2,
    queueMax: 100,
    requestTimeoutMs: 2000,
    guaranteesOff: () => [],
    archive: null,
    decisions: null,
    onBroken: (error) => broken.push(error),
  });
  const reportError = (error: unknown) => broken.push(error);
  const app = createApp({
    inventory,
    config: loadConfig({ PURCHASE_TOKEN_KEY: "k".repeat(32) }),
    world: realWorld,
    reportError,
    deployment: () => "here",
  });
  await use(createClient({
    baseUrl: "http://127.0.0.1:8080",
    fetch: async (url, init) => await app.fetch(new Request(url, init)),
  }));
  await inventory.drained();
  deepEqual(broken, []);
}

Deno.test("every call is understood by the real app, and its answer by the client", async () => {
  await withRealApp(async (client) => {
    const one = { orderId: "o-1", userId: "u", sku: "A", amount: 2 };
    const bought = { kind: "accepted", orderId: "o-1", seq: 3, sku: "A", amount: 2, newStock: 8 };
    deepEqual(await client.deduct(one), { ...bought, replayed: false });
    deepEqual(await client.deduct({ ...one, sentBefore: true }), { ...bought, replayed: true });
    const soldOut = await client.deduct({ ...one, orderId: "o-2", amount: 9 });
    equal(soldOut.kind === "refused" && soldOut.code === "insufficient_stock" && soldOut.available, 8);

    const lines = [{ sku: "A", amount: 1 }, { sku: "B", amount: 1 }];
    const basket = await client.order({ orderId: "o-3", userId: "u", lines });
    deepEqual(basket.kind === "accepted" && basket.lines.map(({ newStock }) => newStock), [7, 9]);
    const returned = await client.giveBack("o-3", { returnId: "r-1", lines: [{ sku: "B", amount: 1 }] });
    deepEqual(returned.kind === "accepted" && [returned.returnId, returned.lines], [
      "r-1",
      [{ sku: "B", amount: 1, newStock: 10 }],
    ]);

    const held = await client.reserve({ orderId: "o-4", userId: "u", lines, ttlSeconds: 60 });
    const extended = await client.extend("o-4", 90);
    equal(
      held.kind === "accepted" && extended.kind === "extended" &&
        Date.parse(extended.expiresAt) - Date.parse(held.expiresAt),
      30_000,
    );
    const confirmed = await client.confirm("o-4", [{ sku: "A", amount: 1 }]);
    deepEqual(confirmed.kind === "settled" && [confirmed.state, confirmed.lines], ["confirmed", [
      { sku: "A", confirmed: 1, newStock: 6 },
      { sku: "B", confirmed: 0, newStock: 10 },
    ]]);
    await client.reserve({ orderId: "o-5", userId: "u", lines });
    const cancelled = await client.cancel("o-5");
    equal(cancelled.kind === "settled" && cancelled.state, "cancelled");
    const late = await client.confirm("o-5");
    equal(late.kind === "refused" && late.code, "already_cancelled");

    const found = await client.findOrder("o-3");
    deepEqual(
      found.kind === "found" && found.lines.map(({ sku, units, returned }) => [sku, units, returned]),
      [
        ["A", 1, 0],
        ["B", 0, 1],
      ],
    );
    const missing = await client.findOrder("o-2");
    equal(missing.kind === "refused" && missing.code, "unknown_order");
    const noRules = { opensAt: null, closesAt: null, quota: null, purchaseToken: false };
    const plain = { kind: "stock", reserved: 0, paused: false, ...noRules, rulesVersion: 0 };
    deepEqual(await client.stock("A"), { ...plain, sku: "A", available: 6 });

    const batch = await client.deductBatch([{ ...one, orderId: "o-7", amount: 1 }, {
      ...one,
      orderId: "o-8",
      amount: 99,
    }]);
    deepEqual(batch.kind === "batch" && batch.items.map((item) => item.kind), ["accepted", "refused"]);
    const made = await client.adjust({ adjustmentId: "new", sku: "C", delta: 7, reason: "delivery" });
    deepEqual(made, {
      kind: "changed",
      sku: "C",
      available: 7,
      created: true,
      seq: made.kind === "changed" && made.seq,
      replayed: false,
    });
    const set = await client.setStock({ adjustmentId: "set", sku: "C", available: 3, expected: 7 });
    deepEqual(set.kind === "changed" && [set.available, set.created], [3, false]);
    const stale = await client.setStock({ adjustmentId: "set-2", sku: "C", available: 4, expected: 7 });
    deepEqual(stale.kind === "refused" && stale.code === "stale" && stale.available, 3);
    const paused = await client.pause("C", "a look");
    equal(paused.kind, "paused");
    equal((await client.resume("C")).kind, "resumed");
    const issued = await client.issuePurchaseToken({ orderId: "o-9", userId: "u", lines, ttlSeconds: 60 });
    equal(issued.kind, "issued");
    if (issued.kind === "issued") {
      const { orderId, purchaseToken, expiresAt } = issued;
      deepEqual([orderId, Date.parse(expiresAt) > Date.now()], ["o-9", true]);
      const bought = await client.order({ orderId, userId: "u", lines, purchaseToken });
      equal(bought.kind, "accepted");
    }
    const unusable = await client.issuePurchaseToken({ orderId: "o-9", userId: "u", lines: [] });
    equal(unusable.kind === "refused" && unusable.code, "invalid_request");
    const asked = { ...noRules, sku: "D", opensAt: "2900-01-01T00:00:00.000Z", quota: 2 };
    const ruled = await client.setRules({ ...asked, expected: null });
    const version = ruled.kind === "ruled" ? ruled.rulesVersion : -1;
    deepEqual(ruled, { ...asked, kind: "ruled", created: true, rulesVersion: version });
    const early = await client.adjust({ adjustmentId: "d", sku: "D", delta: 7 });
    deepEqual(early.kind === "changed" && [early.available, early.created], [7, true]);
    const unseen = await client.setRules({ ...asked, quota: 3, expected: 0 });
    equal(unseen.kind === "refused" && unseen.code === "stale" && unseen.rulesVersion, version);
    const raised = await client.setRules({ ...asked, quota: 3, expected: version });
    equal(raised.kind === "ruled" && raised.quota, 3);
    const notYet = await client.deduct({ ...one, sku: "D", orderId: "o-9", amount: 1 });
    equal(notYet.kind === "refused" && notYet.code, "not_open");
    const wrong = await client.deduct({ ...one, orderId: "o-6", amount: 0 });
    deepEqual(wrong.kind === "refused" && wrong.code === "invalid_request" && wrong.errors, [
      { pointer: "/amount", detail: "must be an integer from 1 to 1000000" },
    ]);
  });
});
