/**
 * The part of a basket of several shards that one shard has, on each store: prepared, then committed or aborted.
 */
import assert from "node:assert/strict";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import { unsettled } from "../../src/domain/outcome.ts";
import {
  cancel,
  confirm,
  extend,
  kinds,
  prepare,
  quantities,
  read,
  reserve,
  returnUnits,
  rules,
  settle,
} from "./order_commands.ts";
import {
  adjust,
  armEmpty,
  decide,
  deduct,
  deployment,
  type MakeStore,
  readAll,
  type StoreUnderTest,
} from "./store_suite.ts";

/** Registers the suite for one adapter. */
export function basketSuite(name: string, make: MakeStore): void {
  const test = (
    title: string,
    body: (parts: StoreUnderTest) => Promise<void>,
    limits?: Partial<DecisionLimits>,
  ) =>
    Deno.test(`${name}: ${title}`, async () => {
      await using parts = await make({ userLimitMs: 0, ...limits });
      await armEmpty(parts.control);
      await decide(parts.store, adjust("a", "S", 10), adjust("a", "T", 10));
      await body(parts);
    });

  test("prepared lines hold their units, and a commit sells them as a basket", async ({ store, log }) => {
    const [prepared, stock] = await decide(store, prepare("b", { S: 3, T: 1 }), read("S"));
    assert.deepEqual(prepared, {
      kind: "accepted",
      seq: 3,
      newStock: [7, 9],
      replayed: false,
      created: false,
      expiresAtMs: 0,
    });
    assert.deepEqual(quantities(stock), [7, 3]);
    const [done, again, late, after] = await decide(
      store,
      settle("commit", "b", 3),
      settle("commit", "b", 3),
      settle("abort", "b", 3),
      read("S"),
    );
    const lines = [{ sku: "S", amount: 3, available: 7 }, { sku: "T", amount: 1, available: 9 }];
    assert.deepEqual(done, { kind: "settled", state: "confirmed", seq: 4, replayed: false, lines });
    assert.deepEqual(again, { kind: "settled", state: "confirmed", seq: 3, replayed: true, lines });
    assert.deepEqual(late, { kind: "already_confirmed" });
    assert.deepEqual(quantities(after), [7, 0]);
    const [found, returned] = await decide(
      store,
      { kind: "lookup", orderId: "b" },
      returnUnits("b", "r", { S: 2 }),
    );
    assert.ok(found?.kind === "order");
    const [first] = found.lines;
    const { atMs: _, ...line } = first ?? assert.fail();
    assert.deepEqual(line, {
      ...unsettled,
      ...{ sku: "S", kind: "prepare", amount: 3, newStock: 7, seq: 3, userId: "user-1" },
      ...{ units: 3, actor: "till", attempt: "0/b" },
    });
    assert.equal(returned?.kind, "accepted");
    const events = (await readAll(log)).flatMap((entry) => entry.events).slice(2, 4);
    assert.deepEqual(
      events.map(({ kind, userId, reference, lines }) => ({ kind, userId, reference, lines })),
      [
        {
          kind: "prepare",
          userId: "user-1",
          reference: "0/b",
          lines: [
            { sku: "S", delta: -3, reservedDelta: 3, available: 7, reserved: 3 },
            { sku: "T", delta: -1, reservedDelta: 1, available: 9, reserved: 1 },
          ],
        },
        {
          kind: "commit",
          userId: "user-1",
          reference: "",
          lines: [
            { sku: "S", delta: 0, reservedDelta: -3, available: 7, reserved: 0 },
            { sku: "T", delta: 0, reservedDelta: -1, available: 9, reserved: 0 },
          ],
        },
      ],
    );
  });

  test("an abort leaves the lines that the order had before", async ({ store }) => {
    const before = deduct("b", "T", 1);
    const outcomes = await decide(
      store,
      before,
      prepare("b", { S: 3 }),
      settle("abort", "b", 4),
      before,
      { kind: "lookup", orderId: "b" },
    );
    assert.deepEqual(kinds(outcomes), ["accepted", "accepted", "settled", "accepted", "order"]);
    assert.partialDeepStrictEqual(outcomes.slice(3), [
      { seq: 3, replayed: true },
      { lines: [{ sku: "T", kind: "deduct", seq: 3 }] },
    ]);
  });

  test("an abort leaves nothing behind, and the order may be tried again, also with other contents", async ({ store }) => {
    const outcomes = await decide(
      store,
      prepare("b", { S: 3 }),
      settle("abort", "b", 3),
      settle("abort", "b", 3),
      settle("commit", "b", 3),
      { kind: "lookup", orderId: "b" },
      returnUnits("b", "r", { S: 1 }),
      prepare("b", { S: 4, T: 1 }),
      read("S"),
    );
    assert.deepEqual(kinds(outcomes), [
      "accepted",
      "settled",
      "unknown_reservation",
      "unknown_reservation",
      "order",
      "unknown_order",
      "accepted",
      "stock",
    ]);
    assert.deepEqual(outcomes[4]?.kind === "order" && outcomes[4].lines, []);
    assert.deepEqual(quantities(outcomes[7]), [6, 4]);
    const [aborted, found, stock] = await decide(
      store,
      settle("abort", "b", 5),
      { kind: "lookup", orderId: "b" },
      read("S"),
    );
    assert.deepEqual(aborted, {
      kind: "settled",
      state: "cancelled",
      seq: 6,
      replayed: false,
      lines: [{ sku: "S", amount: 0, available: 10 }, { sku: "T", amount: 0, available: 10 }],
    });
    assert.deepEqual(found?.kind === "order" && found.lines, []);
    assert.deepEqual(quantities(stock), [10, 0]);
  });

  test("a decision on another number changes nothing", async ({ store }) => {
    await decide(store, prepare("b", { S: 3 }));
    const outcomes = await decide(store, settle("commit", "b", 2), settle("abort", "b", 4), read("S"));
    assert.deepEqual(kinds(outcomes), ["unknown_reservation", "unknown_reservation", "stock"]);
    assert.deepEqual(quantities(outcomes[2]), [7, 3]);
  });

  test("while an attempt is prepared, another one of its order is pending, and every other sale a conflict", async ({ store }) => {
    await decide(store, prepare("b", { S: 3 }));
    const outcomes = await decide(
      store,
      prepare("b", { S: 3 }),
      prepare("b", { T: 1 }),
      deduct("b", "S", 3),
      { ...deduct("b", "S", 3), kind: "order" },
      reserve("b", { S: 3 }),
      deduct("b", "T", 1),
    );
    assert.deepEqual(kinds(outcomes), ["pending", "pending", "conflict", "conflict", "conflict", "accepted"]);
    await decide(store, settle("commit", "b", 3));
    const after = await decide(store, prepare("b", { S: 3 }), prepare("b", { S: 2 }), deduct("b", "S", 3));
    assert.deepEqual(kinds(after), ["accepted", "conflict", "conflict"]);
    assert.ok(after[0]?.kind === "accepted" && after[0].replayed);
  });

  test("commands on a reservation leave prepared lines alone", async ({ store }) => {
    await decide(store, prepare("b", { S: 3 }));
    const alone = await decide(store, confirm("b"), cancel("b"), extend("b", 900_000));
    assert.deepEqual(kinds(alone), ["unknown_reservation", "unknown_reservation", "unknown_reservation"]);
    await decide(store, reserve("b", { T: 2 }));
    const both = await decide(store, extend("b", 900_000), cancel("b"), read("S"), read("T"));
    assert.deepEqual(kinds(both), ["extended", "settled", "stock", "stock"]);
    assert.deepEqual([quantities(both[2]), quantities(both[3])], [[7, 3], [10, 0]]);
    assert.equal((await decide(store, settle("commit", "b", 3)))[0]?.kind, "settled");
  });

  test("a sale that is refused prepares nothing", async ({ store }) => {
    const outcomes = await decide(
      store,
      prepare("b", { S: 3, T: 11 }),
      prepare("b", { S: 3, U: 1 }),
      { kind: "lookup", orderId: "b" },
      read("S"),
    );
    assert.deepEqual(kinds(outcomes), ["insufficient", "unknown_sku", "order", "stock"]);
    assert.deepEqual(quantities(outcomes[3]), [10, 0]);
  });

  test("an abort gives the user limit and the quota back, a commit keeps them", async ({ store }) => {
    await decide(store, rules("S", { quota: 3 }));
    const outcomes = await decide(
      store,
      prepare("b", { S: 3 }),
      deduct("other", "T"),
      deduct("later", "S"),
      settle("abort", "b", 4),
      prepare("b", { S: 3 }),
    );
    assert.deepEqual(kinds(outcomes), ["accepted", "accepted", "rate_limited", "settled", "accepted"]);
    const after = await decide(store, settle("commit", "b", 7), deduct("later", "S"));
    assert.deepEqual(kinds(after), ["settled", "rate_limited"]);
  }, { userLimitMs: 600_000 });

  test("a rebuilt store has prepared lines and decides them", async ({ store, control }) => {
    const start = { deployment, shards: 1, seq: 9, applied: 9 };
    await control.beginRestore(0, "t", await control.inspect(0), start);
    await control.restoreStock(0, "t", [{ sku: "S", available: 7, reserved: 3, policy: null }]);
    const line = {
      ...unsettled,
      kind: "prepare",
      sku: "S",
      amount: 3,
      units: 3,
      newStock: 7,
      seq: 5,
    } as const;
    const row = { ...line, id: "b", returnId: "", userId: "user-1", atMs: 1, state: "held" } as const;
    await control.restoreLines(0, "t", [row]);
    const seen = await control.inspect(0);
    assert.ok(
      await control.arm(0, { seen, epoch: 2, deployment, shards: 1, applied: 9, token: "t", chunks: 2 }),
    );
    const outcomes = await decide(store, prepare("b", { S: 1 }), settle("commit", "b", 5), read("S"));
    assert.deepEqual(kinds(outcomes), ["pending", "settled", "stock"]);
    assert.deepEqual(quantities(outcomes[2]), [7, 0]);
  });
}
