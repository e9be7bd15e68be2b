/**
 * What every store must do: one suite, run on each adapter.
 */
import assert from "node:assert/strict";
import type { Adjust, Command, Sale } from "../../src/domain/command.ts";
import { type Outcome, unsettled } from "../../src/domain/outcome.ts";
import { adjustmentKey } from "../../src/domain/remembered_line.ts";
import type { Nonce, ShardControl } from "../../src/decide/shard_control.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import type { StockStore } from "../../src/decide/store.ts";
import type { LogEntry } from "../../src/domain/event.ts";
import type { EventLog } from "../../src/log/event_log.ts";

/** A store with its other two faces, on keys of its own. */
export interface StoreUnderTest extends AsyncDisposable {
  readonly store: StockStore;
  readonly control: ShardControl;
  readonly log: EventLog;
}

/** How a store is made for one test. */
export type MakeStore = (limits?: Partial<DecisionLimits>) => Promise<StoreUnderTest>;

/** Far enough away for every clock. */
export const farDeadlineMs = 9_000_000_000_000;

/** Whose stock the tests' stores hold. */
export const deployment = "00000000-0000-4000-8000-000000000001";

/** What the first acknowledgement of a shard that was armed under epoch 1 expects. */
export const armedNonce: Nonce = { known: "1", next: "next" };

/** A deduct of one line. */
export function deduct(orderId: string, sku: string, amount = 1, userId = "user-1"): Sale {
  return {
    kind: "deduct",
    orderId,
    userId,
    lines: [{ sku, amount }],
    hasToken: false,
    holdMs: 0,
    actor: "till",
    traceparent: "",
  };
}

/** An adjustment. */
export function adjust(adjustmentId: string, sku: string, delta: number): Adjust {
  const origin = { actor: "keeper", traceparent: "" };
  return { kind: "adjust", adjustmentId, sku, delta, reason: "", reference: "", ...origin };
}

/** Lets all shards sell, which are empty. */
export async function armEmpty(control: ShardControl, epoch = 1, shards = 1): Promise<void> {
  for (let shard = 0; shard < shards; shard++) {
    const seen = await control.inspect(shard);
    const arming = { seen, epoch, deployment, shards, applied: seen.position.seq, token: "", chunks: 0 };
    assert.ok(await control.arm(shard, arming));
  }
}

/** Lets a shard that lost its right sell on, as it is. */
export async function armAgain(control: ShardControl, epoch: number): Promise<void> {
  const seen = await control.inspect(0);
  const arming = { seen, epoch, deployment, shards: 1, applied: seen.applied, token: "", chunks: 0 };
  assert.ok(await control.arm(0, arming));
}

/** A command with all the time in the world. */
export function inTime(command: Command): { command: Command; deadlineMs: number } {
  return { command, deadlineMs: farDeadlineMs };
}

/** Decides one batch in shard 0. */
export function decide(store: StockStore, ...commands: Command[]): Promise<readonly Outcome[]> {
  return decideIn(0, store, ...commands);
}

/** Decides one batch in a shard. */
export async function decideIn(
  shard: number,
  store: StockStore,
  ...commands: Command[]
): Promise<readonly Outcome[]> {
  const result = await store.decide(shard, commands.map(inTime));
  assert.equal(result.kind, "decided");
  return result.kind === "decided" ? result.outcomes : [];
}

/** Everything in shard 0's log, or what comes after a position. */
export async function readAll(log: EventLog, from = { epoch: 0, seq: 0 }): Promise<LogEntry[]> {
  const all: LogEntry[] = [];
  for (let after = from;;) {
    const { signal } = new AbortController();
    const entries = await log.read(0, after, { entriesMax: 100, waitMs: 0, signal });
    const last = entries.at(-1);
    if (!last) return all;
    all.push(...entries);
    after = last.position;
  }
}

/** How the tests of a suite are run. */
export interface SuiteOptions {
  /** False where servers are started by the tests' own file: they print when they like, and their output is read. */
  readonly sanitizeOps?: boolean;
}

/** Registers the suite for one adapter. */
export function storeSuite(name: string, make: MakeStore, options: SuiteOptions = {}): void {
  const test = (
    title: string,
    body: (parts: StoreUnderTest) => Promise<void>,
    limits?: Partial<DecisionLimits>,
  ) =>
    Deno.test(`${name}: ${title}`, options, async () => {
      await using parts = await make({ userLimitMs: 0, ...limits });
      await body(parts);
    });

  test("a store that was never armed decides nothing", async ({ store, control, log }) => {
    const batch = [{ command: adjust("a", "S", 1), deadlineMs: farDeadlineMs }];
    assert.equal((await store.decide(0, batch)).kind, "unarmed");
    await armEmpty(control);
    assert.deepEqual(await decide(store, { kind: "stock", sku: "S" }), [{ kind: "unknown_sku", sku: "S" }]);
    assert.deepEqual(await readAll(log), []);
  });

  test("an empty batch tells the store's time", async ({ store, control }) => {
    await armEmpty(control);
    const result = await store.decide(0, []);
    assert.ok(Math.abs(result.timeMs - Date.now()) < 60_000, `${result.timeMs}`);
  });

  test("takes units until there are too few", async ({ store, control }) => {
    await armEmpty(control);
    await decide(store, adjust("a", "S", 5));
    const [first, second, third] = await decide(
      store,
      deduct("o-1", "S", 3),
      deduct("o-2", "S", 3),
      deduct("o-3", "S", 2),
    );
    assert.deepEqual(first, {
      kind: "accepted",
      seq: 2,
      newStock: [2],
      replayed: false,
      created: false,
      expiresAtMs: 0,
    });
    assert.deepEqual(second, { kind: "insufficient", sku: "S", available: 2 });
    assert.deepEqual(third, {
      kind: "accepted",
      seq: 3,
      newStock: [0],
      replayed: false,
      created: false,
      expiresAtMs: 0,
    });
  });

  test("gives the same line its first answer again, within a batch too", async ({ store, control }) => {
    await armEmpty(control);
    await decide(store, adjust("a", "S", 5));
    const [first, again] = await decide(store, deduct("o", "S", 2), deduct("o", "S", 2));
    const [later] = await decide(store, deduct("o-2", "S", 3), deduct("o", "S", 2)).then((all) =>
      all.slice(1)
    );
    assert.deepEqual(again, { ...first, replayed: true });
    assert.deepEqual(later, { ...first, replayed: true });
  });

  test("an order id with another amount or user is a conflict, on another SKU a second line", async (parts) => {
    await armEmpty(parts.control);
    await decide(parts.store, adjust("a", "S", 5), adjust("a", "T", 5), deduct("o", "S", 2));
    const outcomes = await decide(
      parts.store,
      deduct("o", "S", 1),
      deduct("o", "S", 2, "user-2"),
      deduct("o", "T", 2),
    );
    assert.deepEqual(outcomes.map((outcome) => outcome.kind), ["conflict", "conflict", "accepted"]);
  });

  test("replay and conflict come before unknown SKU and stock", async ({ store, control }) => {
    await armEmpty(control);
    await decide(store, adjust("a", "S", 1), deduct("o", "S"));
    const outcomes = await decide(
      store,
      deduct("o", "S"),
      deduct("o", "S", 9),
      deduct("p", "S"),
      deduct("p", "U"),
    );
    assert.deepEqual(outcomes.map((outcome) => outcome.kind), [
      "accepted",
      "conflict",
      "insufficient",
      "unknown_sku",
    ]);
  });

  test("a refusal is not remembered: stock may come back", async ({ store, control }) => {
    await armEmpty(control);
    const kinds = await decide(
      store,
      adjust("a", "S", 0),
      deduct("o", "S"),
      adjust("b", "S", 1),
      deduct("o", "S"),
    );
    assert.deepEqual(kinds.map((outcome) => outcome.kind), [
      "accepted",
      "insufficient",
      "accepted",
      "accepted",
    ]);
  });

  test("takes the lines of an order all or none", async ({ store, control }) => {
    await armEmpty(control);
    await decide(store, adjust("a", "S", 5), adjust("a", "T", 1));
    const lines = (t: number) => [{ sku: "S", amount: 2 }, { sku: "T", amount: t }];
    const outcomes = await decide(
      store,
      { ...deduct("o", "S"), lines: lines(2) },
      { ...deduct("p", "S"), lines: lines(1) },
      { ...deduct("p", "S"), lines: lines(1) },
      deduct("p", "U"),
    );
    assert.deepEqual(outcomes[0], { kind: "insufficient", sku: "T", available: 1 });
    assert.deepEqual(outcomes[1], {
      kind: "accepted",
      seq: 3,
      newStock: [3, 0],
      replayed: false,
      created: false,
      expiresAtMs: 0,
    });
    assert.deepEqual(outcomes[2], { ...outcomes[1], replayed: true });
    assert.equal(outcomes[3]?.kind, "unknown_sku");
  });

  test("adjusts once an id, creates at zero or more, never goes below zero", async ({ store, control }) => {
    await armEmpty(control);
    const outcomes = await decide(
      store,
      adjust("a", "S", -1),
      adjust("a", "S", 0),
      adjust("a", "S", 0),
      adjust("a", "S", 1),
      adjust("b", "S", 7),
      adjust("c", "S", -8),
      adjust("d", "S", -7),
    );
    assert.deepEqual(outcomes, [
      { kind: "unknown_sku", sku: "S" },
      { kind: "accepted", seq: 1, newStock: [0], replayed: false, created: true, expiresAtMs: 0 },
      { kind: "accepted", seq: 1, newStock: [0], replayed: true, created: true, expiresAtMs: 0 },
      { kind: "conflict", sku: "S" },
      { kind: "accepted", seq: 2, newStock: [7], replayed: false, created: false, expiresAtMs: 0 },
      { kind: "insufficient", sku: "S", available: 7 },
      { kind: "accepted", seq: 3, newStock: [0], replayed: false, created: false, expiresAtMs: 0 },
    ]);
  });

  test("quantities stay exact up to 10^12 and no further", async ({ store, control, log }) => {
    await armEmpty(control);
    const most = 1_000_000_000_000;
    const outcomes = await decide(
      store,
      adjust("a", "S", most),
      adjust("b", "S", 1),
      deduct("o", "S", 1),
      adjust("c", "S", 1),
    );
    assert.deepEqual(outcomes.map((outcome) => outcome.kind), [
      "accepted",
      "stock_limit",
      "accepted",
      "accepted",
    ]);
    assert.deepEqual(outcomes[2], {
      kind: "accepted",
      seq: 2,
      newStock: [most - 1],
      replayed: false,
      created: false,
      expiresAtMs: 0,
    });
    const [entry] = await readAll(log);
    assert.equal(entry?.events[0]?.lines[0]?.available, most);
  });

  test("an adjustment and an order of the same id do not meet", async ({ store, control }) => {
    await armEmpty(control);
    const outcomes = await decide(store, adjust("same", "S", 5), deduct("same", "S", 1));
    assert.deepEqual(outcomes.map((outcome) => outcome.kind), ["accepted", "accepted"]);
  });

  test("past its deadline a command has no effect", async ({ store, control }) => {
    await armEmpty(control);
    await decide(store, adjust("a", "S", 1));
    const result = await store.decide(0, [{ command: deduct("o", "S"), deadlineMs: Date.now() - 60_000 }]);
    assert.deepEqual(result.kind === "decided" && result.outcomes, [{ kind: "late" }]);
    assert.equal((await decide(store, deduct("o", "S")))[0]?.kind, "accepted");
  });

  test("one purchase a user and SKU in the limit; a retry is not a second purchase", async (parts) => {
    await armEmpty(parts.control);
    await decide(parts.store, adjust("a", "S", 5), adjust("a", "T", 5));
    const outcomes = await decide(
      parts.store,
      deduct("o-1", "S"),
      deduct("o-2", "S"),
      deduct("o-1", "S"),
      deduct("o-3", "T"),
      deduct("o-4", "S", 1, "user-2"),
    );
    assert.deepEqual(outcomes.map((outcome) => outcome.kind), [
      "accepted",
      "rate_limited",
      "accepted",
      "accepted",
      "accepted",
    ]);
    const limited = outcomes[1];
    assert.ok(
      limited?.kind === "rate_limited" && limited.retryAfterMs > 0 && limited.retryAfterMs <= 600_000,
    );
  }, { userLimitMs: 600_000 });

  test(
    "sells on until the backlog is full; then a retry and an adjustment still go through",
    async (parts) => {
      const { store, control } = parts;
      await armEmpty(control);
      await decide(store, adjust("a", "S", 9), deduct("o-1", "S"), deduct("o-2", "S"));
      const outcomes = await decide(store, deduct("o-3", "S"), deduct("o-1", "S"), adjust("b", "S", 1));
      assert.deepEqual(outcomes.map((outcome) => outcome.kind), ["backlog_full", "accepted", "accepted"]);
      const ack = await control.acknowledge(0, { epoch: 1, seq: 4 }, deployment, armedNonce);
      assert.deepEqual([ack.kind, ack.head], ["armed", 4]);
      assert.equal((await decide(store, deduct("o-3", "S")))[0]?.kind, "accepted");
    },
    { backlogMax: 3 },
  );

  test("a shard that is marked for a rebuild does not sell and has no epoch; another deployment's is left alone", async ({ control }) => {
    await armEmpty(control);
    const someone = "00000000-0000-4000-8000-000000000002";
    assert.ok(!await control.markForRebuild(0, someone));
    assert.ok((await control.inspect(0)).armed);
    assert.ok(await control.markForRebuild(0, deployment));
    const { armed, position, deployment: owner } = await control.inspect(0);
    assert.deepEqual([armed, position.epoch, owner], [false, 0, deployment]);
  });

  test("an acknowledgement changes nothing in a shard of another epoch or deployment, nor does disarming", async (parts) => {
    const { store, control } = parts;
    await armEmpty(control);
    await decide(store, adjust("a", "S", 9));
    const someone = "00000000-0000-4000-8000-000000000002";
    for (const [epoch, whose] of [[2, deployment], [1, someone]] as const) {
      const { kind, head } = await control.acknowledge(0, { epoch, seq: 1 }, whose, armedNonce);
      assert.deepEqual([kind, head], ["lost", 1]);
    }
    await control.disarm(0, someone);
    assert.equal((await control.inspect(0)).applied, 0);
    assert.equal((await store.decide(0, [])).kind, "decided");
  });

  test("an order has room for 100 lines", async ({ store, control }) => {
    await armEmpty(control);
    const skus = Array.from({ length: 101 }, (_, i) => `S${i}`);
    await decide(store, ...skus.map((sku) => adjust("a-" + sku, sku, 1)));
    const outcomes = await decide(store, ...skus.map((sku) => deduct("o", sku)));
    assert.equal(outcomes.filter((outcome) => outcome.kind === "accepted").length, 100);
    assert.deepEqual(outcomes[100], { kind: "order_full" });
  });

  test("looks up what it remembers of an adjustment, by its name", async ({ store, control }) => {
    await armEmpty(control);
    const name = adjustmentKey("a");
    const [made, found, none] = await decide(
      store,
      adjust("a", "S", 5),
      { kind: "lookup", orderId: name },
      { kind: "lookup", orderId: adjustmentKey("b") },
    );
    assert.ok(made?.kind === "accepted" && found?.kind === "order" && none?.kind === "order");
    const lines = found.lines.map(({ sku, kind, amount, newStock, seq }) => ({
      sku,
      kind,
      amount,
      newStock,
      seq,
    }));
    assert.deepEqual(lines, [{ sku: "S", kind: "create", amount: 5, newStock: 5, seq: made.seq }]);
    assert.deepEqual(none.lines, []);
  });

  test("looks up what it remembers of an order", async ({ store, control }) => {
    await armEmpty(control);
    await decide(store, adjust("a", "S", 5), deduct("o", "S", 2));
    const [order, none] = await decide(store, { kind: "lookup", orderId: "o" }, {
      kind: "lookup",
      orderId: "a",
    });
    assert.ok(order?.kind === "order" && order.lines.length === 1);
    const { atMs, ...line } = order.lines[0] ?? assert.fail();
    assert.ok(Math.abs(atMs - Date.now()) < 60_000);
    assert.deepEqual(line, {
      sku: "S",
      kind: "deduct",
      amount: 2,
      newStock: 3,
      seq: 2,
      userId: "user-1",
      ...unsettled,
      actor: "till",
      units: 2,
    });
    assert.deepEqual(none, { kind: "order", lines: [], forgottenSeq: 0, windowMs: 86_400_000 });
  });

  test("writes each fact once, numbered, with the stock after it", async ({ store, control, log }) => {
    await armEmpty(control);
    await decide(store, adjust("a", "S", 5));
    await decide(store, deduct("o", "S", 2), deduct("p", "S", 9), deduct("o", "S", 2), deduct("q", "S", 1));
    const entries = await readAll(log);
    assert.deepEqual(entries.map((entry) => entry.position), [{ epoch: 1, seq: 1 }, { epoch: 1, seq: 3 }]);
    const events = entries.flatMap((entry) => entry.events);
    assert.deepEqual(events.map(({ seq, kind, id, actor }) => [seq, kind, id, actor]), [
      [1, "create", "a", "keeper"],
      [2, "deduct", "o", "till"],
      [3, "deduct", "q", "till"],
    ]);
    assert.deepEqual(events[1]?.lines, [{
      sku: "S",
      delta: -2,
      reservedDelta: 0,
      available: 3,
      reserved: 0,
    }]);
  });

  test("arms only what is still as it was seen", async ({ store, control }) => {
    const view = await control.inspect(0);
    const arming = { seen: view, epoch: 1, deployment, shards: 1, applied: 0, token: "", chunks: 0 };
    assert.ok(!await control.arm(0, { ...arming, seen: { ...view, instance: "another" } }));
    const elsewhere = { epoch: 0, seq: 7 };
    assert.ok(!await control.arm(0, { ...arming, seen: { ...view, position: elsewhere } }));
    assert.ok(!await control.arm(0, { ...arming, token: "another" }));
    assert.ok((await control.inspect(0)).empty);
    assert.ok(await control.arm(0, arming));
    await decide(store, adjust("a", "S", 1));
    await control.disarm(0, deployment);
    assert.equal((await store.decide(0, [])).kind, "unarmed");
    assert.deepEqual((await control.inspect(0)).position, { epoch: 1, seq: 1 });
  });

  test("a restored shard has the stock, the answers and the numbers it had", async ({ store, control }) => {
    const start = { deployment, shards: 1, seq: 41, applied: 41 };
    await control.beginRestore(0, "token-1", await control.inspect(0), start);
    const line = { ...unsettled, newStock: 3, atMs: Date.now(), returnId: "" };
    await control.restoreStock(0, "token-1", [{ sku: "S", available: 3, reserved: 0, policy: null }]);
    await control.restoreLines(0, "token-1", [
      { id: "o", sku: "S", kind: "deduct", amount: 2, seq: 40, userId: "user-1", ...line },
      { id: "a", sku: "S", kind: "create", amount: 5, seq: 39, userId: "", ...line, newStock: 5 },
    ]);
    assert.equal((await store.decide(0, [])).kind, "unarmed");
    const seen = await control.inspect(0);
    const arming = { seen, epoch: 4, deployment, shards: 1, applied: 41, token: "token-1", chunks: 2 };
    assert.ok(await control.arm(0, arming));
    const outcomes = await decide(
      store,
      deduct("o", "S", 2),
      adjust("a", "S", 5),
      deduct("n", "S", 1, "user-2"),
    );
    assert.deepEqual(outcomes, [
      { kind: "accepted", seq: 40, newStock: [3], replayed: true, created: false, expiresAtMs: 0 },
      { kind: "accepted", seq: 39, newStock: [5], replayed: true, created: true, expiresAtMs: 0 },
      { kind: "accepted", seq: 42, newStock: [2], replayed: false, created: false, expiresAtMs: 0 },
    ]);
  });

  test("a restore that was overtaken writes nothing more", async ({ control }) => {
    const start = { deployment, shards: 1, seq: 0, applied: 0 };
    await control.beginRestore(0, "old", await control.inspect(0), start);
    await control.beginRestore(0, "new", await control.inspect(0), start);
    const row = { sku: "S", available: 1, reserved: 0, policy: null };
    await assert.rejects(control.restoreStock(0, "old", [row]), { name: "RestoreOvertaken" });
    await control.restoreStock(0, "new", [row]);
    const seen = await control.inspect(0);
    const arming = { seen, epoch: 1, deployment, shards: 1, applied: 0, chunks: 1 };
    assert.ok(!await control.arm(0, { ...arming, token: "old" }));
    assert.ok(await control.arm(0, { ...arming, token: "new" }));
    await assert.rejects(control.restoreStock(0, "new", [row]), { name: "RestoreOvertaken" });
  });

  test("a restored shard is armed only with every chunk of its restore", async ({ control }) => {
    const start = { deployment, shards: 1, seq: 0, applied: 0 };
    const [stock, quota] = [{ sku: "S", available: 1, reserved: 0, policy: null }, {
      ...{ userId: "user-1", sku: "S", units: 2, sale: 0 },
    }];
    const line = { ...unsettled, newStock: 1, atMs: Date.now(), returnId: "", userId: "user-1" };
    const lines = [{ id: "o", sku: "S", kind: "deduct" as const, amount: 2, seq: 0, ...line }];
    const armWith = async (token: string, chunks: number) => {
      const seen = await control.inspect(0);
      return await control.arm(0, { seen, epoch: 1, deployment, shards: 1, applied: 0, token, chunks });
    };
    await control.beginRestore(0, "t", await control.inspect(0), start);
    await control.restoreStock(0, "t", [stock]);
    await control.restoreQuotas(0, "t", [quota]);
    assert.ok(!await armWith("t", 3), "the third one is missing");
    assert.ok(!(await control.inspect(0)).armed);

    await control.beginRestore(0, "u", await control.inspect(0), start);
    await control.restoreStock(0, "u", [stock]);
    await control.restoreQuotas(0, "u", [quota]);
    await control.restoreQuotas(0, "u", []); // not written
    await control.restoreLines(0, "u", lines);
    assert.ok(await armWith("u", 3));
    await control.disarm(0, deployment);
    assert.ok(await armWith("", 0), "the count ends with the restore");
  });
}
