/**
 * What one call of a store may do: bounded by lines, whatever the orders hold. What is too much is postponed, without
 * effect, and decided by a later call.
 */
import assert from "node:assert/strict";
import type { Command, Sale } from "../../src/domain/command.ts";
import type { BatchResult } from "../../src/decide/store.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import {
  adjust,
  armEmpty,
  decide,
  deduct,
  deployment,
  inTime,
  type MakeStore,
  readAll,
  type StoreUnderTest,
} from "./store_suite.ts";
import { makeMemoryStore, makeRedisStore, type RedisUnderTest } from "./stores.ts";

const linesEach = 100;
const skus = Array.from({ length: linesEach }, (_, i) => `S${i}`);
const origin = { actor: "till", traceparent: "" } as const;

function large(kind: "order" | "reserve", orderId: string, holdMs = 0): Sale {
  const lines = skus.map((sku) => ({ sku, amount: 1 }));
  return { ...deduct(orderId, "", 1, "user-1"), kind, lines, holdMs };
}

const read = (sku: string): Command => ({ kind: "stock", sku });
const confirm = (orderId: string): Command => ({
  kind: "confirm",
  owner: "",
  orderId,
  lines: null,
  ...origin,
});

type DecidedBatch = Extract<BatchResult, { kind: "decided" }>;

async function batch({ store }: StoreUnderTest, ...commands: Command[]): Promise<DecidedBatch> {
  const result = await store.decide(0, commands.map(inTime));
  assert.ok(result.kind === "decided");
  return result;
}

/** Sells 10 units of 100 SKUs. */
async function open(make: MakeStore): Promise<StoreUnderTest> {
  const parts = await make({ userLimitMs: 0 });
  await armEmpty(parts.control);
  await decide(parts.store, ...skus.map((sku) => adjust("opening", sku, 10)));
  return parts;
}

/** Reservations of 100 lines that have all lapsed, and none of them given back. */
async function lapsed(parts: StoreUnderTest, orders: number): Promise<void> {
  const holdMs = 300;
  const ids = Array.from({ length: orders }, (_, i) => `held-${i}`);
  const outcomes = await decide(parts.store, ...ids.map((id) => large("reserve", id, holdMs)));
  const lastMs = Math.max(...outcomes.map((one) => one.kind === "accepted" ? one.expiresAtMs : NaN));
  // A shard that is asked gives back: the clock of this machine is that of both stores.
  await waitFor(() => Date.now() > lastMs, { deadlineMs: 60_000, what: "the reservations to lapse" });
}

const stores: [string, MakeStore][] = [
  ["memory", makeMemoryStore],
  ["redis", (limits) => makeRedisStore(sharedRedis("redis").url, limits)],
  ["valkey", (limits) => makeRedisStore(sharedRedis("valkey").url, limits)],
];

for (const [name, make] of stores) {
  Deno.test(`${name}: a call gives back 256 lines of what has lapsed, and says that more is due`, async () => {
    await using parts = await open(make);
    await lapsed(parts, 7);
    const first = await batch(parts);
    assert.ok(first.isMoreDue);
    const events = (await readAll(parts.log)).flatMap((entry) => entry.events);
    assert.equal(events.filter(({ kind }) => kind === "expire").length, 2);
    const others = [await batch(parts), await batch(parts), await batch(parts)];
    assert.deepEqual(others.map(({ isMoreDue }) => isMoreDue), [true, true, false]);
    const { outcomes: [stock] } = await batch(parts, read("S0"));
    assert.ok(stock?.kind === "stock");
    assert.deepEqual([stock.available, stock.reserved], [10, 0]);
  });

  Deno.test(`${name}: a reservation that has lapsed and is still to be given back is not answered again`, async () => {
    await using parts = await open(make);
    await lapsed(parts, 7);
    const { outcomes: [again] } = await batch(parts, large("reserve", "held-6", 300));
    assert.equal(again?.kind, "postponed");
  });

  Deno.test(`${name}: while more is due no reply says too few units, nor a wrong quantity`, async () => {
    await using parts = await open(make);
    await decide(parts.store, adjust("a", "other", 1));
    await lapsed(parts, 10); // every unit of every SKU
    const wanted = [
      deduct("o1", "S0", 9),
      read("S0"),
      adjust("a", "S0", -9),
      confirm("held-9"),
      { ...adjust("b", "S0", 0), kind: "set", available: 3, expected: 10 } as Command,
      deduct("o2", "other", 2),
      read("other"),
    ];
    const first = await batch(parts, ...wanted);
    const kinds = first.outcomes.map(({ kind }) => kind);
    const postponed = { kind: "postponed", lines: 0 } as const;
    assert.deepEqual(first.outcomes.slice(0, 5), Array.from({ length: 5 }, () => postponed));
    // Nothing of this SKU was held, so nothing can come back.
    assert.deepEqual(kinds.slice(5), ["insufficient", "stock"]);

    let last = first;
    for (let calls = 0; last.isMoreDue; calls++) {
      assert.ok(calls < 10, "each call gives back more");
      last = await batch(parts);
    }
    const { outcomes } = await batch(parts, ...wanted.slice(0, 4));
    assert.deepEqual(outcomes.map(({ kind }) => kind), [
      "accepted",
      "stock",
      "insufficient",
      "reservation_expired",
    ]);
  });

  Deno.test(`${name}: the quota of a buyer counts what has lapsed as given back`, async () => {
    await using parts = await open(make);
    const rules = { opensAtMs: null, closesAtMs: null, quota: 10, tokenRequired: false, expected: 0 };
    await decide(parts.store, { kind: "rules", sku: "S99", ...rules, ...origin });
    await decide(parts.store, adjust("more", "S99", 10));
    await lapsed(parts, 10); // the whole quota
    const kinds: string[] = [];
    for (let isMoreDue = true; isMoreDue;) {
      const result = await batch(parts, deduct("mine", "S99", 10));
      kinds.push(result.outcomes[0]?.kind ?? "");
      ({ isMoreDue } = result);
    }
    assert.deepEqual(kinds, ["postponed", "postponed", "postponed", "postponed", "accepted"]);
  });
}

const quotaOf = (sku: string, quota: number | null, opensAtMs: number | null, expected: number): Command => ({
  kind: "rules",
  sku,
  opensAtMs,
  closesAtMs: null,
  quota,
  tokenRequired: false,
  expected,
  ...origin,
});

async function sweep({ control }: StoreUnderTest): Promise<void> {
  for (let cursor = "0", pages = 0;; pages++) {
    assert.ok(pages < 100, "a sweep ends");
    cursor = await control.sweepQuotas(0, deployment, cursor);
    if (cursor === "0") return;
  }
}

for (const [name, make] of stores) {
  Deno.test(`${name}: counts of a quota are dropped with its window, those that count stay`, async () => {
    await using parts = await open(make);
    const { store } = parts;
    const buyers = Array.from({ length: 5 }, (_, i) => `buyer-${i}`);
    await decide(store, ...["S1", "S2", "S3"].map((sku) => quotaOf(sku, 2, null, 0)));
    for (const sku of ["S1", "S2", "S3"]) {
      await decide(store, ...buyers.map((user) => deduct(`${sku}-${user}`, sku, 1, user)));
    }
    await decide(store, quotaOf("S1", null, null, skus.length + 1)); // no quota any more
    await decide(store, quotaOf("S2", 3, 1, skus.length + 2)); // another opening: a new window
    await decide(store, deduct("again", "S2", 2, "buyer-0"));
    await sweep(parts);
    if ("call" in parts) {
      const { call, key } = parts as RedisUnderTest;
      assert.equal(await call("HLEN", key("quota")), buyers.length + 1);
    }
    const outcomes = await decide(
      store,
      deduct("a", "S2", 2, "buyer-0"),
      deduct("b", "S2", 3, "buyer-1"),
      deduct("c", "S3", 2, "buyer-0"),
      deduct("d", "S3", 1, "buyer-0"),
    );
    const kinds = outcomes.map(({ kind }) => kind);
    assert.deepEqual(kinds, ["quota_exceeded", "accepted", "quota_exceeded", "accepted"]);
  });
}

for (const flavour of ["redis", "valkey"] as const) {
  const make: MakeStore = (limits) => makeRedisStore(sharedRedis(flavour).url, limits);

  Deno.test(`${flavour}: a call reads 256 remembered lines, what is too much waits without effect`, async () => {
    await using parts = await open(make);
    await decide(parts.store, ...["a", "b", "c", "d"].map((id) => large("order", id)));
    const look = (orderId: string): Command => ({ kind: "lookup", orderId });
    const { outcomes } = await batch(parts, look("a"), look("b"), look("c"), deduct("o", "S0"), look("a"));
    assert.deepEqual(outcomes.map(({ kind }) => kind), [
      "order",
      "order",
      "postponed",
      "accepted",
      "postponed",
    ]);
    assert.deepEqual(outcomes[2], { kind: "postponed", lines: linesEach });
    const [late] = await decide(parts.store, look("c"));
    assert.ok(late?.kind === "order" && late.lines.length === linesEach);
  });

  Deno.test(`${flavour}: confirmations of large orders are spread over calls, each once`, async () => {
    await using parts = await open(make);
    const ids = ["a", "b", "c", "d", "e"];
    await decide(parts.store, ...ids.map((id) => large("reserve", id, 600_000)));
    let open_ = ids;
    const done: string[] = [];
    for (let calls = 0; open_.length > 0; calls++) {
      assert.ok(calls < 3, "two of them fit into a call");
      const { outcomes } = await batch(parts, ...open_.map(confirm));
      done.push(...open_.filter((_, i) => outcomes[i]?.kind === "settled"));
      open_ = open_.filter((_, i) => outcomes[i]?.kind === "postponed");
    }
    assert.deepEqual(done, ids);
    const events = (await readAll(parts.log)).flatMap((entry) => entry.events);
    assert.deepEqual(events.filter(({ kind }) => kind === "confirm").map(({ id }) => id), ids);
  });

  Deno.test(`${flavour}: a refusal that rests on no line of a large order does not read it`, async () => {
    await using parts = await open(make);
    const ids = Array.from({ length: 10 }, (_, i) => `large-${i}`);
    for (const id of ids) await decide(parts.store, large("order", id));
    const refused = await decide(parts.store, ...ids.map((id) => deduct(id, "gone")));
    assert.deepEqual(new Set(refused.map(({ kind }) => kind)), new Set(["unknown_sku"]));
    // These rest on a line each: two in this call.
    const conflicts = await decide(parts.store, ...ids.map((id) => deduct(id, "S7")));
    assert.deepEqual(conflicts.map(({ kind }) => kind).slice(0, 3), ["conflict", "conflict", "postponed"]);
  });
}
