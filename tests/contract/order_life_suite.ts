/**
 * The whole life of an order, on each store: held, confirmed, cancelled, extended, lapsed, returned; windows,
 * quotas and pauses.
 */
import assert from "node:assert/strict";
import type { Command, SetRules } from "../../src/domain/command.ts";
import { type RememberedLine, unsettled } from "../../src/domain/outcome.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import type { ShardControl } from "../../src/decide/shard_control.ts";
import type { StockStore } from "../../src/decide/store.ts";
import { realWorld, sleep } from "../../src/runtime/world.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import {
  cancel,
  confirm,
  expiryOf,
  extend,
  kinds,
  origin,
  quantities,
  read,
  reserve,
  returnUnits,
  rules,
  waitPast,
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
  type SuiteOptions,
} from "./store_suite.ts";

/** Empties shard 0 and fills it with 10 units of S and T from a ledger that ends at `seq`: all before is forgotten. */
async function rebuildAt(control: ShardControl, seq: number): Promise<void> {
  const start = { deployment, shards: 1, seq, applied: seq };
  await control.beginRestore(0, "t", await control.inspect(0), start);
  const stock = { available: 10, reserved: 0, policy: null };
  await control.restoreStock(0, "t", [{ sku: "S", ...stock }, { sku: "T", ...stock }]);
  const seen = await control.inspect(0);
  assert.ok(
    await control.arm(0, { seen, epoch: 2, deployment, shards: 1, applied: seq, token: "t", chunks: 1 }),
  );
}

/** Registers the suite for one adapter. */
export function orderLifeSuite(name: string, make: MakeStore, options: SuiteOptions = {}): void {
  const test = (
    title: string,
    body: (parts: StoreUnderTest) => Promise<void>,
    limits?: Partial<DecisionLimits>,
  ) =>
    Deno.test(`${name}: ${title}`, options, async () => {
      await using parts = await make({ userLimitMs: 0, ...limits });
      await armEmpty(parts.control);
      await decide(parts.store, adjust("a", "S", 10), adjust("a", "T", 10));
      await body(parts);
    });

  test("a reservation holds its units, and a confirmation sells them", async ({ store }) => {
    const [held, stock] = await decide(store, reserve("r", { S: 3, T: 1 }), read("S"));
    assert.ok(held?.kind === "accepted" && held.expiresAtMs > Date.now() + 500_000);
    assert.deepEqual(held.newStock, [7, 9]);
    assert.deepEqual(quantities(stock), [7, 3]);
    const [confirmed, again, after] = await decide(store, confirm("r"), confirm("r"), read("S"));
    assert.deepEqual(confirmed, {
      kind: "settled",
      state: "confirmed",
      seq: 4,
      replayed: false,
      lines: [{ sku: "S", amount: 3, available: 7 }, { sku: "T", amount: 1, available: 9 }],
    });
    assert.deepEqual(again, { ...confirmed, replayed: true });
    assert.deepEqual(quantities(after), [7, 0]);
  });

  test("a confirmation may name fewer units: the rest returns", async ({ store }) => {
    await decide(store, reserve("r", { S: 3, T: 2 }));
    const [confirmed, s, t] = await decide(store, confirm("r", { S: 1 }), read("S"), read("T"));
    assert.deepEqual(confirmed?.kind === "settled" && confirmed.lines, [
      { sku: "S", amount: 1, available: 9 },
      { sku: "T", amount: 0, available: 10 },
    ]);
    assert.deepEqual([quantities(s), quantities(t)], [[9, 0], [10, 0]]);
  });

  test("more than is held cannot be confirmed, and nothing happens", async ({ store }) => {
    await decide(store, reserve("r", { S: 3 }));
    const outcomes = await decide(store, confirm("r", { S: 4 }), confirm("r", { T: 1 }), read("S"));
    assert.deepEqual(outcomes[0], { kind: "exceeds", sku: "S", units: 3 });
    assert.deepEqual(outcomes[1], { kind: "exceeds", sku: "T", units: 0 });
    assert.deepEqual(quantities(outcomes[2]), [7, 3]);
  });

  test("what comes too late gets the state as its reply", async ({ store }) => {
    await decide(store, reserve("c", { S: 1 }), confirm("c"), reserve("x", { S: 1 }), cancel("x"));
    assert.deepEqual(
      kinds(
        await decide(
          store,
          cancel("c"),
          extend("c", 900_000),
          confirm("c", { S: 2 }),
          confirm("x"),
          extend("x", 900_000),
          cancel("x"),
          confirm("none"),
          cancel("none"),
          extend("none", 900_000),
        ),
      ),
      [
        "already_confirmed",
        "already_confirmed",
        "already_confirmed",
        "already_cancelled",
        "already_cancelled",
        "settled",
        "unknown_reservation",
        "unknown_reservation",
        "unknown_reservation",
      ],
    );
  });

  test("a lapsed reservation stops counting in the very call that looks at the stock", async (parts) => {
    const { store, log } = parts;
    const [held] = await decide(store, reserve("r", { S: 10 }, 1000), deduct("o", "S"));
    // No call to the store meanwhile: that would release it.
    await sleep(realWorld, expiryOf(held) + 5 - Date.now());
    const [sold, late] = await decide(store, deduct("o", "S"), confirm("r"));
    assert.deepEqual(sold?.kind === "accepted" && sold.newStock, [9]);
    assert.deepEqual(late, { kind: "reservation_expired" });
    const events = (await readAll(log)).flatMap((entry) => entry.events);
    assert.deepEqual(events.slice(3).map(({ kind, id }) => [kind, id]), [["expire", "r"], ["deduct", "o"]]);
    assert.ok((events[3]?.atMs ?? 0) >= expiryOf(held));
    assert.equal(events[3]?.atMs, events[4]?.atMs, "released by the call that looks");
  });

  test(
    "a user's limit counts for units that come back in the very call, by an adjustment or a lapsed hold",
    async ({ store }) => {
      const [, held] = await decide(store, deduct("o", "S", 2, "u"), reserve("r", { S: 8 }, 1000));
      const [, more] = await decide(store, adjust("more", "S", 1), deduct("again", "S", 1, "u"));
      assert.equal(more?.kind, "rate_limited");
      await decide(store, deduct("rest", "S", 1, "another"));
      // No call to the store meanwhile: that would release it.
      await sleep(realWorld, expiryOf(held) + 5 - Date.now());
      const [lapsed] = await decide(store, deduct("once more", "S", 1, "u"));
      assert.equal(lapsed?.kind, "rate_limited");
      assert.deepEqual(quantities((await decide(store, read("S")))[0]), [8, 0]);
    },
    { userLimitMs: 600_000 },
  );

  test("an extension counts from when the reservation was made, and never shortens it", async ({ store }) => {
    const [held] = await decide(store, reserve("r", { S: 1 }, 600_000));
    assert.ok(held?.kind === "accepted");
    const outcomes = await decide(
      store,
      extend("r", 900_000),
      extend("r", 900_000),
      extend("r", 60_000),
      extend("r", 99_000_000),
    );
    const ends = outcomes.map((outcome) =>
      outcome.kind === "extended" && outcome.expiresAtMs - held.expiresAtMs
    );
    assert.deepEqual(ends, [300_000, 300_000, 300_000, 13_800_000]);
  });

  test("what lapses is not forgotten before it is back, however much of it there is", async ({ store }) => {
    const start = (await store.decide(0, [])).timeMs;
    await decide(store, adjust("more", "S", 490));
    await waitPast(store, start + 300);
    const held = await decide(
      store,
      ...Array.from({ length: 250 }, (_, i) => reserve(`r-${i}`, { S: 1 }, 500)),
    );
    await waitPast(store, start + 550);
    await decide(store, adjust("turn", "T", 1)); // the generation with the reservations is the older one now
    await sleep(realWorld, start + 1150 - Date.now());
    await waitPast(store, expiryOf(held.at(-1)));
    await waitFor(async () => quantities((await decide(store, read("S")))[0])[1] === 0, {
      deadlineMs: 60_000,
      what: "every reservation to be back",
    });
  }, { idempotencyWindowMs: 500 });

  test("returns give back what was sold, all or part, never more", async ({ store }) => {
    await decide(store, deduct("o", "S", 3), reserve("r", { S: 2 }), reserve("h", { S: 1 }));
    await decide(store, confirm("r"));
    const outcomes = await decide(
      store,
      returnUnits("o", "x", { S: 2 }),
      returnUnits("o", "x", { S: 2 }),
      returnUnits("o", "x", { S: 1 }),
      returnUnits("o", "y", { S: 2 }),
      returnUnits("o", "y", { S: 1 }),
      returnUnits("r", "z", { S: 2 }),
      returnUnits("h", "z", { S: 1 }),
      returnUnits("none", "z", { S: 1 }),
      read("S"),
    );
    assert.deepEqual(kinds(outcomes), [
      "accepted",
      "accepted",
      "conflict",
      "exceeds",
      "accepted",
      "accepted",
      "exceeds",
      "unknown_order",
      "stock",
    ]);
    assert.deepEqual(quantities(outcomes[8]), [9, 1]);
  });

  test("a shard that has forgotten an order takes the ledger's word for a return", async ({ store, control }) => {
    await rebuildAt(control, 9);
    const sold: RememberedLine = {
      sku: "S",
      kind: "deduct",
      amount: 3,
      newStock: 7,
      seq: 1,
      atMs: 1,
      userId: "user-1",
      state: "accepted",
      units: 2,
      holdMs: 0,
      expiresAtMs: 0,
      settledSeq: 0,
      settledUnits: 0,
      settledStock: 0,
      actor: "",
      attempt: "",
    };
    const ledger = { appliedSeq: 9, sold: [sold], returned: [] };
    const outcomes = await decide(
      store,
      returnUnits("o", "x", { S: 1 }),
      { ...returnUnits("o", "x", { S: 1 }), ledger: { ...ledger, appliedSeq: 8 } },
      { ...returnUnits("o", "x", { S: 3 }), ledger },
      { ...returnUnits("o", "x", { S: 1 }), ledger },
      { ...returnUnits("o", "y", { S: 2 }), ledger },
      { ...returnUnits("o", "y", { S: 1 }), ledger },
      { ...returnUnits("p", "y", { S: 1 }), ledger: { ...ledger, sold: [] } },
    );
    assert.deepEqual(kinds(outcomes), [
      ...["forgotten", "ledger_behind", "exceeds", "accepted", "exceeds", "accepted", "unknown_order"],
    ]);
  });

  test("a return that was forgotten is not taken again, also when the order is remembered", async (parts) => {
    const { store, control } = parts;
    await rebuildAt(control, 9);
    const line: RememberedLine = {
      ...unsettled,
      ...{
        sku: "S",
        kind: "deduct",
        amount: 5,
        newStock: 5,
        seq: 3,
        atMs: 1,
        userId: "user-1",
      },
      units: 3,
    };
    const returned: RememberedLine = {
      ...{ ...line, ...unsettled, kind: "return", amount: 2, newStock: 7, seq: 4 },
    };
    const ledger = { appliedSeq: 9, sold: [line], returned: [] };
    const outcomes = await decide(
      store,
      { ...returnUnits("o", "y", { S: 1 }), ledger },
      returnUnits("o", "y", { S: 1 }),
      returnUnits("o", "x", { S: 2 }),
      { ...returnUnits("o", "x", { S: 2 }), ledger: { ...ledger, returned: [returned] } },
      { ...returnUnits("o", "x", { S: 1 }), ledger: { ...ledger, returned: [returned] } },
      { ...returnUnits("o", "z", { S: 1 }), ledger },
      read("S"),
    );
    assert.deepEqual(kinds(outcomes), [
      ...["accepted", "accepted", "forgotten", "accepted", "conflict", "accepted", "stock"],
    ]);
    assert.deepEqual(outcomes[3], {
      kind: "accepted",
      seq: 4,
      newStock: [7],
      replayed: true,
      created: false,
      expiresAtMs: 0,
    });
    assert.deepEqual(quantities(outcomes[6]), [12, 0]);
  });

  for (
    const { first, returned, stock } of [
      { first: "was returned before", returned: [], stock: 10 },
      { first: "was returned before, and the second one before it is undone", returned: ["r"], stock: 10 },
    ]
  ) {
    test(`what a second sale took comes back once: the first ${first}`, async ({ store, control }) => {
      await rebuildAt(control, 9);
      await decide(store, deduct("o", "S", 5), ...returned.map((id) => returnUnits("o", id, { S: 5 })));
      const secondSale = { orderId: "o", seq: 10, soldUnits: 0, returnedUnits: 0 };
      const undone = { ...adjust("undo", "S", 5), secondSale };
      const outcomes = await decide(store, undone, undone, returnUnits("o", "later", { S: 1 }), read("S"));
      assert.deepEqual(kinds(outcomes), ["accepted", "accepted", "exceeds", "stock"]);
      assert.deepEqual(quantities(outcomes[3]), [stock, 0]);
    });
  }

  test("what is left of the first sale can be returned when the second one is undone", async ({ store, control }) => {
    await rebuildAt(control, 9);
    await decide(store, deduct("o", "S", 5), returnUnits("o", "r", { S: 1 }));
    const secondSale = { orderId: "o", seq: 10, soldUnits: 4, returnedUnits: 0 };
    const outcomes = await decide(
      store,
      { ...adjust("undo", "S", 5), secondSale },
      returnUnits("o", "s", { S: 4 }),
      returnUnits("o", "s", { S: 3 }),
      returnUnits("o", "t", { S: 3 }),
      read("S"),
    );
    assert.deepEqual(kinds(outcomes), ["accepted", "exceeds", "accepted", "exceeds", "stock"]);
    assert.deepEqual(quantities(outcomes[4]), [14, 0]);
  });

  test("a pause takes effect with the next decision, and only sales heed it", async ({ store, log }) => {
    await decide(store, reserve("r", { S: 1 }), deduct("o", "S"));
    const pause: Command = { kind: "pause", sku: "S", reason: "recount", ...origin };
    const outcomes = await decide(
      store,
      pause,
      pause,
      deduct("p", "S"),
      deduct("o", "S"),
      confirm("r"),
      returnUnits("o", "x", { S: 1 }),
      adjust("b", "S", 1),
      { ...pause, kind: "resume" },
      deduct("p", "S"),
    );
    assert.deepEqual(kinds(outcomes), [
      "accepted",
      "accepted",
      "paused",
      "accepted",
      "settled",
      "accepted",
      "accepted",
      "accepted",
      "accepted",
    ]);
    const events = (await readAll(log)).flatMap((entry) => entry.events);
    const policies = events.filter((event) => event.data.policy).map(({ kind, data }) => [kind, data.policy]);
    assert.deepEqual(policies, [["pause", { paused: true }], ["resume", {}]]);
  });

  test("a sale opens and closes by the store's clock", async ({ store }) => {
    const hourMs = 3_600_000;
    const soon = Date.now() + hourMs;
    const past = Date.now() - hourMs;
    const outcomes = await decide(
      store,
      rules("S", { opensAtMs: soon }),
      deduct("o", "S"),
      rules("S", { opensAtMs: past, closesAtMs: soon, expected: 3 }),
      deduct("o", "S"),
      rules("S", { closesAtMs: past, expected: 4 }),
      deduct("p", "S"),
      read("S"),
    );
    assert.deepEqual(outcomes[1], { kind: "not_open", sku: "S", opensAtMs: soon });
    assert.equal(outcomes[3]?.kind, "accepted");
    assert.deepEqual(outcomes[5], { kind: "sale_closed", sku: "S", closesAtMs: past });
    assert.ok(
      outcomes[6]?.kind === "stock" && outcomes[6].closesAtMs === past && outcomes[6].opensAtMs === null,
    );
  });

  test("a SKU may require a purchase token; a replay needs none", async ({ store }) => {
    const outcomes = await decide(
      store,
      rules("S", { tokenRequired: true }),
      deduct("o", "S"),
      { ...deduct("o", "S"), hasToken: true },
      deduct("o", "S"),
    );
    assert.deepEqual(kinds(outcomes), ["accepted", "token_required", "accepted", "accepted"]);
  });

  test("a quota counts what a user has of a SKU within the window", async ({ store }) => {
    await decide(store, deduct("before", "S", 2), rules("S", { quota: 3 }));
    const outcomes = await decide(
      store,
      deduct("o", "S", 2),
      deduct("p", "S", 2),
      deduct("o", "S", 2),
      returnUnits("o", "x", { S: 1 }),
      deduct("p", "S", 2),
      reserve("r", { S: 1 }, 600_000, "user-2"),
      cancel("r"),
      deduct("q", "S", 3, "user-2"),
      rules("S", { quota: 1, opensAtMs: 1, expected: 4 }),
      deduct("n", "S", 1),
    );
    assert.deepEqual(kinds(outcomes), [
      "accepted",
      "quota_exceeded",
      "accepted",
      "accepted",
      "accepted",
      "accepted",
      "settled",
      "accepted",
      "accepted",
      "accepted",
    ]);
    assert.deepEqual(outcomes[1], { kind: "quota_exceeded", sku: "S", quota: 3, left: 1 });
  });

  /** Quota 2, all of it bought; then other rules, and the next sale to the same user. */
  const ruled = async (store: StockStore, before: Partial<SetRules>, after: Partial<SetRules>) => {
    const expected = 3; // number of the first rules: the opening was 1 and 2
    await decide(store, rules("S", { quota: 2, ...before }), deduct("all", "S", 2));
    const [changed, sale] = await decide(
      store,
      rules("S", { quota: 2, ...before, ...after, expected }),
      deduct("more", "S", 1),
    );
    return [changed?.kind, sale?.kind];
  };
  const [soon, later, longAgo] = [
    Date.now() + 3_600_000,
    Date.now() + 7_200_000,
    Date.now() - 2 * 86_400_000,
  ];
  const keepsCount: Record<string, [before: Partial<SetRules>, after: Partial<SetRules>, sale: string]> = {
    "another end": [{ closesAtMs: soon }, { closesAtMs: later }, "quota_exceeded"],
    "no end any more": [{ closesAtMs: soon }, { closesAtMs: null }, "quota_exceeded"],
    "an end where there was none": [{}, { closesAtMs: later }, "quota_exceeded"],
    "no opening any more": [{ opensAtMs: 1 }, { opensAtMs: null }, "quota_exceeded"],
    "a lower quota": [{}, { quota: 1 }, "quota_exceeded"],
    "a purchase token": [{}, { tokenRequired: true, opensAtMs: null }, "token_required"],
    "a higher quota": [{}, { quota: 3 }, "accepted"],
    "another opening": [{ opensAtMs: 1 }, { opensAtMs: 2 }, "accepted"],
    "an opening where there was none": [{}, { opensAtMs: 1 }, "accepted"],
  };
  for (const [name, [before, after, sale]] of Object.entries(keepsCount)) {
    test(`after ${name} the next sale is ${sale}`, async ({ store }) => {
      assert.deepEqual(await ruled(store, before, after), ["accepted", sale]);
    });
  }

  test("a higher quota gives a user the difference and no more", async ({ store }) => {
    await ruled(store, {}, { quota: 3 });
    assert.deepEqual(kinds(await decide(store, deduct("last", "S", 1))), ["quota_exceeded"]);
  });

  test("a sale that has been closed for longer than a day starts anew", async ({ store, log }) => {
    await decide(store, rules("S", { quota: 2 }), rules("S", { quota: 2, closesAtMs: longAgo, expected: 3 }));
    await decide(store, rules("S", { quota: 2, closesAtMs: later, expected: 4 }));
    const events = (await readAll(log)).flatMap((entry) => entry.events);
    assert.deepEqual(events.flatMap(({ data }) => data.policy?.sale ?? []), [3, 3, 5]);
  });

  test("rules change only as the version that the caller has seen", async ({ store }) => {
    const outcomes = await decide(
      store,
      rules("S", { quota: 2 }), // number 3
      rules("S", { quota: 3 }), // expects none
      rules("S", { quota: 3, expected: null }),
      rules("S", { quota: 3, expected: 1 }),
      rules("S", { quota: 2, expected: 1 }), // is so already
      deduct("o", "S"), // a sale is no change of the rules, nor is a pause
      { kind: "pause", sku: "S", reason: "", ...origin },
      rules("S", { quota: 3, expected: 3 }), // number 6
      read("S"),
      rules("S", { expected: 6 }), // number 7: none, and that is a version too
      rules("S", { quota: 4 }),
    );
    const stale = (version: number) => ({ kind: "stale_rules", sku: "S", version });
    assert.deepEqual(outcomes.slice(1, 4), [stale(3), stale(3), stale(3)]);
    assert.ok(outcomes[4]?.kind === "accepted" && outcomes[4].seq === 3);
    assert.ok(outcomes[7]?.kind === "accepted" && outcomes[7].seq === 6);
    assert.ok(outcomes[8]?.kind === "stock" && outcomes[8].rulesVersion === 6 && outcomes[8].paused);
    assert.deepEqual(outcomes[10], stale(7));
  });

  test("a rebuilt shard goes on with the count and the version, and knows what has had no stock", async (parts) => {
    const { store, control } = parts;
    const start = { deployment, shards: 1, seq: 9, applied: 9 };
    await control.beginRestore(0, "t", await control.inspect(0), start);
    await control.restoreStock(0, "t", [
      { sku: "S", available: 10, reserved: 0, policy: { quota: 2, closes: later, sale: 3, version: 7 } },
      { sku: "N", available: 0, reserved: 0, policy: { quota: 1, sale: 4, version: 4, unstocked: true } },
    ]);
    await control.restoreQuotas(0, "t", [{ userId: "user-1", sku: "S", units: 2, sale: 3 }]);
    const seen = await control.inspect(0);
    assert.ok(
      await control.arm(0, { seen, epoch: 2, deployment, shards: 1, applied: 9, token: "t", chunks: 2 }),
    );
    const outcomes = await decide(
      store,
      rules("S", { quota: 3, expected: 3 }),
      rules("S", { quota: 3, expected: 7 }), // another end and a higher quota
      deduct("o", "S", 2),
      deduct("o", "S", 1),
      adjust("first", "N", 5),
      deduct("n", "N", 2),
    );
    assert.deepEqual(kinds(outcomes), [
      ...["stale_rules", "accepted", "quota_exceeded", "accepted"],
      ...["accepted", "quota_exceeded"],
    ]);
    assert.ok(outcomes[4]?.kind === "accepted" && outcomes[4].created);
  });

  test("rules come before the stock, which then is sold by them", async ({ store, log }) => {
    const first = { kind: "set", adjustmentId: "a", sku: "N", available: 5, expected: null } as const;
    const outcomes = await decide(
      store,
      rules("N", { quota: 1 }), // expects a SKU
      rules("N", { quota: 1, expected: null }), // number 3
      rules("N", { quota: 1, expected: null }),
      read("N"),
      deduct("o", "N"),
      rules("N", { quota: 2, expected: 3 }),
      { ...first, reason: "", reference: "", ...origin },
      { ...first, reason: "", reference: "", ...origin },
      { ...first, adjustmentId: "b", reason: "", reference: "", ...origin },
      deduct("o", "N", 3),
      rules("M", { opensAtMs: soon, expected: null }),
      adjust("c", "M", 7),
      adjust("d", "M", 7),
      deduct("p", "M"),
    );
    assert.deepEqual(kinds(outcomes), [
      "unknown_sku",
      ...["accepted", "accepted", "stock", "insufficient", "accepted"],
      ...["accepted", "accepted", "stale", "quota_exceeded"],
      ...["accepted", "accepted", "accepted", "not_open"],
    ]);
    const created = outcomes.map((outcome) => outcome.kind === "accepted" && outcome.created);
    assert.deepEqual(created.map(Number), [0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0]);
    const events = (await readAll(log)).flatMap((entry) => entry.events).slice(2);
    assert.deepEqual(events.map(({ kind, data }) => [kind, data.policy]), [
      ["rules", { quota: 1, sale: 3, version: 3, unstocked: true }],
      ["rules", { quota: 2, sale: 3, version: 4, unstocked: true }],
      ["create", { quota: 2, sale: 3, version: 4 }],
      ["rules", { opens: soon, version: 6, unstocked: true }],
      ["create", { opens: soon, version: 6 }],
      ["adjust", undefined],
    ]);
  });

  test("sets the stock if it is as expected", async ({ store }) => {
    const set = (adjustmentId: string, sku: string, available: number, expected: number | null): Command => {
      const note = { reason: "", reference: "" };
      return { kind: "set", adjustmentId, sku, available, expected, ...note, ...origin };
    };
    const outcomes = await decide(
      store,
      set("1", "S", 4, 9),
      set("1", "S", 4, 10),
      set("1", "S", 4, 10),
      set("1", "S", 5, 4),
      set("2", "S", 4, null),
      set("2", "N", 4, 1),
      set("2", "N", 4, null),
    );
    assert.deepEqual(kinds(outcomes), [
      "stale",
      "accepted",
      "accepted",
      "conflict",
      "stale",
      "unknown_sku",
      "accepted",
    ]);
    assert.ok(outcomes[6]?.kind === "accepted" && outcomes[6].created);
  });
}
