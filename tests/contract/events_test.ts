/**
 * `docs/events.md` is what other systems build on: its examples are, word by word, what the store writes, and what
 * is written can be read again.
 */
import assert from "node:assert/strict";
import type { Command, Line } from "../../src/domain/command.ts";
import { MemoryStore } from "../../src/decide/memory/store.ts";
import type { InventoryEvent, LogEntry } from "../../src/domain/event.ts";
import { decodeMessage, encodeJump, encodeMessages, type TopicMessage } from "../../src/log/message.ts";
import { ManualWorld } from "../manual_world.ts";
import fc from "fast-check";
import { adjust, armEmpty, decide, deduct, deployment, readAll } from "./store_suite.ts";

const ORIGIN = { shard: 0, deployment };
const START_MS = Date.UTC(2026, 10, 28, 9);
const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const shop = { actor: "shop", traceparent: "" };
const keeper = { actor: "stock-keeper", traceparent: "" };
/** As JSON makes them. */
const PLAIN = { noNullPrototype: true } as const;

function lines(...pairs: [sku: string, amount: number][]): Line[] {
  return pairs.map(([sku, amount]) => ({ sku, amount }));
}

function sale(kind: "deduct" | "order" | "reserve", orderId: string, of: Line[], holdMs = 0): Command {
  return { ...deduct(orderId, "", 1, `user-of-${orderId}`), kind, lines: of, holdMs, ...shop };
}

/** A life in which every kind of event happens; each list is one batch, and so one message. */
const LIFE: readonly (readonly Command[])[] = [
  [{
    ...adjust("delivery-1", "SKU_123", 1000),
    ...keeper,
    reason: "delivery",
    reference: "note 4711",
  }],
  [{ ...adjust("count-1", "SKU_123", -2), ...keeper, reason: "two were broken" }],
  [{
    ...{ kind: "set", adjustmentId: "count-2", sku: "SKU_7", available: 12, expected: null },
    ...{ reason: "first stocktaking", reference: "", ...keeper },
  }],
  [{
    ...{ kind: "set", adjustmentId: "count-3", sku: "SKU_7", available: 10, expected: 12 },
    ...{ reason: "stocktaking", reference: "", ...keeper },
  }],
  [{ ...sale("deduct", "order-1", lines(["SKU_123", 1])), traceparent: TRACEPARENT } as Command],
  [
    sale("order", "order-2", lines(["SKU_123", 2], ["SKU_7", 1])),
    sale("reserve", "order-3", lines(["SKU_123", 2]), 600_000),
  ],
  [{ kind: "extend", owner: "", orderId: "order-3", holdMs: 900_000, ...shop }],
  [{ kind: "confirm", owner: "", orderId: "order-3", lines: lines(["SKU_123", 1]), ...shop }],
  [sale("reserve", "order-4", lines(["SKU_7", 1]), 600_000)],
  [{ kind: "cancel", owner: "", orderId: "order-4", ...shop }],
  [{
    ...{ kind: "return", owner: "", orderId: "order-2", returnId: "return-1", lines: lines(["SKU_7", 1]) },
    ...{ reason: "did not fit", ledger: null, ...shop },
  }],
  [{ kind: "pause", sku: "SKU_7", reason: "recalled", ...keeper }],
  [{ kind: "resume", sku: "SKU_7", reason: "", ...keeper }],
  [{
    ...{ kind: "rules", sku: "SKU_7", opensAtMs: START_MS + 3_600_000, closesAtMs: null, quota: 2 },
    ...{ tokenRequired: true, expected: 0, ...keeper },
  }],
  [sale("reserve", "order-5", lines(["SKU_123", 1]), 60_000)],
];

async function written(): Promise<LogEntry[]> {
  const world = new ManualWorld();
  await world.advance(START_MS - world.now());
  const limits = { userLimitMs: 0, idempotencyWindowMs: 86_400_000, backlogMax: 1_000_000 };
  const store = new MemoryStore(world, limits, 1);
  await armEmpty(store);
  for (const batch of LIFE) {
    await decide(store, ...batch);
    await world.advance(1000);
  }
  await world.advance(60_000);
  await decide(store); // an empty batch lets reservations lapse
  const entries = await readAll(store);
  await store.close();
  return entries;
}

Deno.test("docs/events.md shows a message of every kind, as the store writes it", async () => {
  const document = await Deno.readTextFile(new URL("../../docs/events.md", import.meta.url));
  const examples = [...document.matchAll(/^```json\n([\s\S]*?)^```/gm)].map(([, json = ""]) =>
    JSON.parse(json)
  );
  const messages = (await written()).flatMap((entry) => encodeMessages(entry, ORIGIN, 1e6));
  messages.push(encodeJump(17, { epoch: 2, seq: 25 }, ORIGIN, START_MS + 100_000));
  assert.deepEqual(examples, messages.map(({ value }) => JSON.parse(value)));
  const shown = new Set(examples.flatMap(({ events }) => events.map(({ kind }: { kind: string }) => kind)));
  const named = [...document.matchAll(/^\| `(\w+)` +\| .* \|$/gm)].map(([, kind]) => kind);
  for (const kind of shown) assert.ok(named.includes(kind), `the table of kinds lacks ${kind}`);
  assert.equal(shown.size, 15, "as many kinds as there are");
});

Deno.test("a message is read as it was written, also in pieces", async () => {
  const entries = await written();
  for (const charsMax of [1e6, 600, 1]) {
    const read = entries.flatMap((entry) => encodeMessages(entry, ORIGIN, charsMax))
      .map((message) => decodeMessage(message, ORIGIN));
    assert.deepEqual(read.flatMap(({ events }) => events), entries.flatMap(({ events }) => events));
    assert.ok(read.every(({ position, events }) => position.seq === events.at(-1)?.seq));
  }
});

Deno.test("a message carries whatever text an event may have", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("\0", "\ud800", "日本語-🎟️", '"\\u0000"', "__proto__"),
  );
  const line = fc.record({
    sku: text,
    delta: fc.maxSafeInteger(),
    reservedDelta: fc.maxSafeInteger(),
    available: fc.maxSafeNat(),
    reserved: fc.maxSafeNat(),
  }, PLAIN);
  const event = fc.record({
    kind: text,
    id: text,
    userId: text,
    actor: text,
    traceparent: text,
    reason: text,
    reference: text,
    data: fc.constantFrom({}, { expires: 5 }, { expires: 5, hold: 1 }, { policy: {} }, {
      policy: { paused: true },
    }),
    lines: fc.array(line, { minLength: 1, maxLength: 3 }),
  }, PLAIN);
  fc.assert(fc.property(fc.array(event, { minLength: 1, maxLength: 3 }), (drawn) => {
    const events = drawn.map((one, i) => ({ ...one, seq: i + 1, atMs: START_MS })) as InventoryEvent[];
    const entry = { position: { epoch: 3, seq: events.length }, events };
    const [message] = encodeMessages(entry, ORIGIN, 1e9);
    assert.ok(message);
    assert.deepEqual(decodeMessage(message, ORIGIN), entry);
  }));
});

Deno.test("headers name schema, deployment, and the trace when there is only one", async () => {
  const [deducted, basket] = (await written()).slice(4);
  assert.ok(deducted && basket);
  const headers = { schema: "1", deployment };
  assert.deepEqual(encodeMessages(deducted, ORIGIN, 1e6).map(({ key, headers }) => ({ key, headers })), [
    { key: "1-5", headers: { ...headers, traceparent: TRACEPARENT } },
  ]);
  const traced = (traceparent: string) => (event: InventoryEvent, i: number) =>
    i === 0 ? { ...event, traceparent } : event;
  const two = { ...basket, events: basket.events.map(traced(TRACEPARENT)) };
  assert.deepEqual(
    encodeMessages(two, ORIGIN, 1e6)[0]?.headers,
    headers,
    "two requests, or one that has none",
  );
});

Deno.test("a message that is not ours is refused, and one of a later time with more members is read", async () => {
  const [entry] = await written();
  assert.ok(entry);
  const [message] = encodeMessages(entry, ORIGIN, 1e6);
  assert.ok(message);
  const changed = (change: Partial<TopicMessage>) => () => decodeMessage({ ...message, ...change }, ORIGIN);
  assert.throws(changed({ headers: { ...message.headers, deployment: "other" } }), RangeError);
  assert.throws(changed({ headers: { ...message.headers, schema: "2" } }), /its schema is '2', not '1'/);
  assert.throws(changed({ value: "hello" }), SyntaxError);
  assert.throws(changed({ value: "{}" }), TypeError);
  assert.throws(() => decodeMessage(message, { ...ORIGIN, shard: 1 }), /it is of shard 0, not 1/);
  const later = message.value.replace('"shard"', '"region":"eu","shard"').replace(
    '"seq"',
    '"channel":"app","seq"',
  );
  assert.notEqual(later, message.value);
  assert.deepEqual(changed({ value: later })(), entry);
});
