/**
 * What every log keeps, whatever it is made of: entries in order, each whole, read by position.
 */
import assert from "node:assert/strict";
import type { LogEntry, Position } from "../../src/domain/event.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import {
  adjust,
  armEmpty,
  decide,
  deduct,
  type MakeStore,
  readAll,
  type StoreUnderTest,
} from "./store_suite.ts";

const START: Position = { epoch: 0, seq: 0 };
const NEVER = new AbortController().signal;
// A log read through a broker: tens of milliseconds on a quiet machine.
const ARRIVAL_MS = 10_000;

/** Runs the suite on the log of a store. */
export function logSuite(name: string, make: MakeStore): void {
  const test = (title: string, body: (parts: StoreUnderTest) => Promise<void>) =>
    // A broker that the tests of a file share prints when it likes, and its output is read all the while.
    Deno.test(`${name}: ${title}`, { sanitizeOps: false }, async () => {
      await using parts = await make();
      await armEmpty(parts.control);
      await body(parts);
    });

  test("entries come in order, each whole, none twice", async ({ store, log }) => {
    await decide(store, adjust("a", "S", 100));
    await decide(store, deduct("o1", "S"), deduct("o2", "S"), deduct("o3", "S"));
    for (let i = 4; i < 9; i++) await decide(store, deduct(`o${i}`, "S"));

    const entries: LogEntry[] = [];
    for (let after = START;;) {
      const page = await read(log, after, 2);
      assert.ok(page.length <= 2, "no more entries than asked for");
      const last = page.at(-1);
      if (!last) break;
      entries.push(...page);
      after = last.position;
    }
    assert.deepEqual(entries.map(({ events }) => events.map(({ id }) => id)), [
      ["a"],
      ["o1", "o2", "o3"],
      ...[4, 5, 6, 7, 8].map((i) => [`o${i}`]),
    ]);
    const numbers = entries.flatMap(({ events }) => events.map(({ seq }) => seq));
    assert.deepEqual(numbers, numbers.map((_, i) => i + 1));
    assert.deepEqual(entries.map(({ position }) => position.seq), [1, 4, 5, 6, 7, 8, 9]);
  });

  test("a read goes on behind any position, and does so again", async ({ store, log }) => {
    await decide(store, adjust("a", "S", 100));
    for (let i = 2; i < 6; i++) await decide(store, deduct(`o${i}`, "S"));
    const [first] = await read(log, START, 1);
    const { epoch = 0 } = first?.position ?? {};
    for (const seq of [3, 0, 4, 2, 2]) {
      const [next] = await read(log, { epoch, seq }, 64);
      assert.equal(next?.position.seq, seq + 1);
    }
    assert.deepEqual(await read(log, { epoch, seq: 5 }, 64), [], "that is its end");
  });

  test("what an epoch that is over left behind does not come after a position of the next", async ({ store, log }) => {
    await decide(store, adjust("a", "S", 100));
    await decide(store, deduct("o1", "S"));
    const [first] = await read(log, START, 1);
    assert.deepEqual(await read(log, { epoch: (first?.position.epoch ?? 0) + 1, seq: 1 }, 64), []);
  });

  test("a read that waits gets what is written meanwhile, and else nothing in time", async ({ store, log }) => {
    const options = { entriesMax: 64, signal: NEVER };
    assert.deepEqual(await log.read(0, START, { ...options, waitMs: 50 }), []);
    const waiting = log.read(0, START, { ...options, waitMs: ARRIVAL_MS });
    await decide(store, adjust("a", "S", 100));
    const entries = await waiting;
    assert.deepEqual(entries.map(({ position }) => position.seq), [1]);
  });

  test("its signal ends a read", async ({ log }) => {
    const stopping = new AbortController();
    stopping.abort();
    assert.deepEqual(
      await log.read(0, START, { entriesMax: 64, waitMs: ARRIVAL_MS, signal: stopping.signal }),
      [],
    );
  });

  test("an event has all that the store decided", async ({ store, log }) => {
    await decide(store, {
      ...adjust("a", "日本語-🎟️", 100),
      reason: "a delivery",
      reference: "note 7",
      actor: "till",
    });
    await decide(store, {
      ...deduct("o1", "日本語-🎟️", 3, '"]]--'),
      kind: "reserve",
      holdMs: 60_000,
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    });
    const [created, reserved] = (await readAll(log)).flatMap(({ events }) => events);
    assert.ok(created && reserved);
    const { atMs, ...rest } = created;
    assert.ok(Math.abs(atMs - Date.now()) < 60_000);
    assert.deepEqual(rest, {
      seq: 1,
      kind: "create",
      id: "a",
      userId: "",
      actor: "till",
      traceparent: "",
      reason: "a delivery",
      reference: "note 7",
      data: {},
      lines: [{ sku: "日本語-🎟️", delta: 100, reservedDelta: 0, available: 100, reserved: 0 }],
    });
    assert.equal(reserved.userId, '"]]--');
    assert.match(reserved.traceparent, /^00-0af7/);
    assert.deepEqual(reserved.data, { expires: reserved.atMs + 60_000, hold: 60_000 });
    assert.deepEqual(reserved.lines, [
      { sku: "日本語-🎟️", delta: -3, reservedDelta: 3, available: 97, reserved: 3 },
    ]);
  });
}

function read(log: EventLog, after: Position, entriesMax: number): Promise<LogEntry[]> {
  return log.read(0, after, { entriesMax, waitMs: 0, signal: NEVER });
}
