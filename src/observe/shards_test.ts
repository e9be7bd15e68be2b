import assert from "node:assert/strict";
import { loadConfig } from "../runtime/settings/config.ts";
import type { InventoryEvent, LogEntry } from "../domain/event.ts";
import { ManualWorld } from "../../tests/manual_world.ts";
import type { Instrument } from "./instruments.ts";
import type { Meter, Reading } from "./meter.ts";
import { Shards } from "./shards.ts";
import type { SpanData } from "./spans.ts";
import { Tracing } from "./trace_context.ts";

function observerUnderTest(env: Record<string, string> = {}) {
  const world = new ManualWorld();
  const { telemetry: config } = loadConfig({ OTLP_ENDPOINT: "http://127.0.0.1:4318", ...env });
  assert.ok(config);
  const observed = new Map<string, () => Iterable<Reading>>();
  const recorded = new Map<string, number[]>();
  const meter: Meter = {
    observe: ({ name }, read) => void observed.set(name, read),
    series: ({ name }: Instrument) => ({
      record: (value) => void recorded.set(name, [...recorded.get(name) ?? [], value]),
    }),
  };
  const spans: SpanData[] = [];
  const observer = new Shards({
    world,
    config,
    contexts: new Tracing(world, config),
    spans: { take: (trace) => spans.push(...trace.spans), broken: (error) => assert.fail(String(error)) },
    meter,
  });
  const read = (name: string) =>
    [...observed.get(name)?.() ?? []].map(({ value, labels }) => [labels, value]);
  return { world, observer, spans, recorded, read };
}

function traceparent(n: number, flags: string): string {
  const digits = n.toString(16).padStart(15, "0");
  return `00-${digits.padStart(32, "1")}-1${digits}-${flags}`;
}

function entryOf(seq: number, events: readonly Partial<InventoryEvent>[], atMs = 0): LogEntry {
  const whole = events.map((event, i): InventoryEvent => ({
    seq: seq + i,
    kind: "deduct",
    id: `o-${seq + i}`,
    userId: "u",
    actor: "",
    traceparent: "",
    reason: "",
    reference: "",
    data: {},
    atMs,
    lines: [{ sku: "SKU", delta: -1, reservedDelta: 0, available: 100 - seq - i, reserved: 0 }],
    ...event,
  }));
  return { position: { epoch: 1, seq: seq + events.length - 1 }, events: whole };
}

const applied = {
  kind: "applied",
  cursor: { epoch: 1, seq: 1 },
  events: 1,
  deadLetters: 0,
  compensations: 0,
} as const;

Deno.test("a batch has one span, linked to the orders whose traces are kept, in a quiet time to all; to each once", () => {
  const { observer, spans } = observerUnderTest();
  const orders = Array.from(
    { length: 2000 },
    (_, i) => ({ traceparent: traceparent(i, i % 5 === 4 ? "01" : "00") }),
  );
  const batch = { traceparent: traceparent(4, "01") };
  observer.applying(0, [entryOf(1, orders), entryOf(2001, [batch, {}])]).ended({ ...applied, events: 2002 });
  observer.applying(0, [entryOf(2003, [{ traceparent: traceparent(9, "00") }])]).ended(applied);
  const [rush, quiet, ...others] = spans;
  assert.equal(others.length, 0);
  assert.equal(rush?.name, "db.sync");
  assert.ok(rush?.links?.every(({ sampled }) => sampled));
  assert.equal(new Set(rush?.links?.map(({ traceId }) => traceId)).size, 256);
  assert.equal(rush?.attributes["messaging.batch.message_count"], 2002);
  assert.equal(rush?.attributes["inventory.log.seq.first"], 1);
  assert.equal(rush?.attributes["inventory.log.seq.last"], 2002);
  assert.equal(quiet?.links?.length, 1);
});

Deno.test("with TRACE_RATIO=0 a batch is kept for an order whose trace is, and when it failed or was slow", async () => {
  const { world, observer, spans } = observerUnderTest({ TRACE_RATIO: "0", TRACE_SLOW_MS: "100" });
  observer.applying(0, [entryOf(1, [{ traceparent: traceparent(1, "00") }])]).ended(applied);
  assert.equal(spans.length, 0);
  observer.applying(0, [entryOf(1, [{ traceparent: traceparent(1, "01") }])]).ended(applied);
  observer.applying(0, [entryOf(1, [{}])]).failed(new TypeError("broken"));
  const slow = observer.applying(0, [entryOf(1, [{}])]);
  await world.advance(101);
  slow.ended(applied);
  assert.deepEqual(spans.map(({ error }) => error), ["", "TypeError", ""]);
});

Deno.test("lag and age are those of the oldest event that is not applied, and a lease that is gone reports nothing", async () => {
  const { world, observer, read } = observerUnderTest();
  observer.leased(3);
  observer.verified(3, "armed", 0);
  assert.equal(observer.unarmed, 0);
  const applying = observer.applying(3, [entryOf(1, [{}], world.now())]);
  await world.advance(2500);
  assert.deepEqual(read("inventory.log.oldest_age"), [[{ shard: 3 }, 2.5]]);
  applying.ended(applied);
  observer.acknowledged(3, 8, 1);
  assert.deepEqual(read("inventory.log.lag"), [[{ shard: 3 }, 7]]);
  observer.acknowledged(3, 8, 8);
  assert.deepEqual(read("inventory.log.oldest_age"), [[{ shard: 3 }, 0]]);
  assert.deepEqual(read("inventory.kafka.lag"), [], "there is no topic");
  observer.topicRead(3, 5);
  assert.deepEqual(read("inventory.kafka.lag"), [[{ shard: 3 }, 5]]);
  assert.deepEqual(read("inventory.stock.current"), [[{ sku: "SKU", shard: 3 }, 99]]);
  observer.verified(3, "refused", 12);
  assert.deepEqual([read("inventory.ledger.drift"), observer.unarmed], [[[{ shard: 3 }, 12]], 1]);
  observer.guaranteesOff(3, 2);
  assert.deepEqual(read("inventory.promises.off"), [[{ shard: 3 }, 2]]);
  observer.released(3);
  for (
    const name of [
      "inventory.log.lag",
      "inventory.ledger.drift",
      "inventory.promises.off",
      "inventory.stock.current",
    ]
  ) {
    assert.deepEqual(read(name), [], name);
  }
  assert.deepEqual(read("inventory.worker.shards"), [[{}, 0]]);
});

Deno.test("what a hold kept beyond its time is counted when it is released", () => {
  const { observer, recorded } = observerUnderTest();
  const lapsed = { kind: "expire", data: { expires: 1000 } };
  observer.applying(0, [entryOf(1, [lapsed], 1250)]).ended(applied);
  assert.deepEqual(recorded.get("inventory.hold.release.lag"), [0.25]);
});

Deno.test("what is appended to a topic has a span of its own, linked as the ledger's is", () => {
  const { observer, spans } = observerUnderTest();
  observer.appended(2, [entryOf(7, [{ traceparent: traceparent(1, "01") }, {}])], 100, 130);
  const [span] = spans;
  assert.deepEqual([span?.name, span?.kind, span?.startMs, span?.endMs], [
    "kafka.relay",
    "producer",
    100,
    130,
  ]);
  assert.equal(span?.links?.length, 1);
  assert.equal(span?.attributes["messaging.system"], "kafka");
  assert.deepEqual([span?.attributes["inventory.shard"], span?.attributes["inventory.log.seq.last"]], [2, 8]);
});

Deno.test("the reconciliation is absent until it reports, and its age is counted from the lease, then from the last pass", async () => {
  const { world, observer, read } = observerUnderTest();
  observer.leased(3);
  assert.deepEqual([read("inventory.reconcile.differences"), read("inventory.reconcile.age")], [[], []]);
  await world.advance(2000);
  observer.reconciled(3, { skus: 500, differences: 1, endedAtMs: undefined });
  assert.deepEqual(read("inventory.reconcile.age"), [[{ shard: 3 }, 2]]);
  observer.reconciled(3, { skus: 20, differences: 0, endedAtMs: world.now() });
  await world.advance(1500);
  assert.deepEqual(read("inventory.reconcile.age"), [[{ shard: 3 }, 1.5]]);
  assert.deepEqual(read("inventory.reconcile.differences"), [[{ shard: 3 }, 0]]);
  assert.deepEqual(read("inventory.reconcile.skus"), [[{}, 520]]);
});
