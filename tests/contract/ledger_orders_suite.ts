/**
 * What every ledger must do, second part: an order's whole life, from the sale or the reservation to the return.
 */
import assert from "node:assert/strict";
import { compensationId } from "../../src/ledger/compensation_id.ts";
import type { InventoryEvent } from "../../src/domain/event.ts";
import {
  applied,
  assertSums,
  atMs,
  entry,
  holdMs,
  type LedgerFixture,
  plainLine,
  type Registrar,
  Shelf,
} from "./ledger_fixture.ts";

/** Registers these tests. */
export function registerOrderLives({ test }: Registrar): void {
  /** The same events in one batch, and in a batch each. */
  const testBothWays = (
    what: string,
    events: (shelf: Shelf) => InventoryEvent[],
    check: (fixture: LedgerFixture) => Promise<void>,
  ) => {
    test(`${what}, in one batch`, async (fixture) => {
      assert.equal(applied(await fixture.shard.apply([entry(1, ...events(new Shelf()))])).deadLetters, 0);
      await check(fixture);
      await assertSums(fixture);
    });
    test(`${what}, in a batch an event`, async (fixture) => {
      for (const event of events(new Shelf())) {
        assert.equal(applied(await fixture.shard.apply([entry(1, event)])).deadLetters, 0);
      }
      await check(fixture);
      await assertSums(fixture);
    });
  };

  testBothWays("adjustments are found by id and SKU, as they were made", (shelf) => [
    shelf.next("create", "adjustment-2", [["SKU-2", 5, 0]], { userId: "" }),
    shelf.next("adjust", "adjustment-3", [["SKU-2", -2, 0]], { userId: "" }),
    shelf.next("set", "adjustment-4", [["SKU-2", 6, 0]], { userId: "" }),
  ], async ({ ledger }) => {
    const found = (id: string, sku: string) => ledger.findAdjustment(0, id, sku);
    const appliedSeq = 4;
    const made = [
      { kind: "create", amount: 5, newStock: 5, seq: 2 },
      { kind: "adjust", amount: -2, newStock: 3, seq: 3 },
      { kind: "set", amount: 6, newStock: 9, seq: 4 },
    ];
    for (const [i, one] of made.entries()) {
      assert.deepEqual(await found(`adjustment-${i + 2}`, "SKU-2"), { made: one, appliedSeq });
    }
    assert.deepEqual(await found("adjustment-2", "SKU-1"), { made: undefined, appliedSeq });
    assert.deepEqual(await found("adjustment-9", "SKU-2"), { made: undefined, appliedSeq });
  });

  testBothWays("a reservation is made, extended, confirmed and returned", (shelf) => [
    shelf.reserve("order-a", ["SKU-1", 4]),
    shelf.next("extend", "order-a", [["SKU-1", 0, 0]], { data: { expires: atMs + 2 * holdMs } }),
    shelf.next("confirm", "order-a", [["SKU-1", 0, -4]]),
    shelf.next("return", "order-a", [["SKU-1", 1, 0]], { reference: "return-1" }),
  ], async ({ ledger }) => {
    const line = plainLine({ id: "order-a", sku: "SKU-1", amount: 4, newStock: 6, seq: 2, kind: "reserve" });
    assert.deepEqual((await ledger.findOrder("order-a")).lines, [{
      ...{ ...line, shard: 0, state: "confirmed", units: 3, holdMs, expiresAtMs: atMs + 2 * holdMs },
      ...{ settledSeq: 4, settledUnits: 4, settledStock: 6 },
    }]);
  });

  testBothWays("a confirmation of fewer units keeps those, of a basket down to none of a line", (shelf) => [
    shelf.next("create", "adjustment-2", [["SKU-2", 5, 0]], { userId: "" }),
    shelf.reserve("order-b", ["SKU-1", 4], ["SKU-2", 2]),
    shelf.next("confirm", "order-b", [["SKU-1", 3, -4], ["SKU-2", 2, -2]]),
  ], async ({ ledger, shard }) => {
    const lines = (await ledger.findOrder("order-b")).lines;
    const settled = { state: "confirmed", settledSeq: 4 };
    assert.partialDeepStrictEqual(lines, [
      { sku: "SKU-1", ...settled, amount: 4, units: 1, settledUnits: 1, settledStock: 9 },
      { sku: "SKU-2", ...settled, amount: 2, units: 0, settledUnits: 0, settledStock: 5 },
    ]);
    assert.deepEqual(await shard.stock("", 10), [
      { sku: "SKU-1", available: 9, reserved: 0, policy: null },
      { sku: "SKU-2", available: 5, reserved: 0, policy: null },
    ]);
  });

  for (const [kind, state] of [["cancel", "cancelled"], ["expire", "expired"]] as const) {
    testBothWays(`${kind} gives a reservation's units back`, (shelf) => [
      shelf.reserve("order-c", ["SKU-1", 4]),
      shelf.next(kind, "order-c", [["SKU-1", 4, -4]]),
    ], async ({ ledger }) => {
      assert.partialDeepStrictEqual((await ledger.findOrder("order-c")).lines, [
        {
          state,
          amount: 4,
          units: 0,
          settledSeq: 3,
          settledUnits: 0,
          settledStock: 10,
        },
      ]);
    });
  }

  test("a sale that comes back after the window is given back if all of its contents are the same", async (fixture) => {
    const { shard, rows } = fixture;
    const shelf = new Shelf();
    const basket = (id: string, s: number, t: number, fields: Partial<InventoryEvent> = {}) =>
      shelf.next("order", id, [["SKU-1", -s, 0], ["SKU-2", -t, 0]], fields);
    applied(
      await shard.apply([
        entry(1, shelf.next("create", "adjustment-2", [["SKU-2", 50, 0]], { userId: "" })),
        entry(1, shelf.next("adjust", "adjustment-3", [["SKU-1", 50, 0]], { userId: "" })),
        entry(1, basket("same", 1, 2), basket("turned", 1, 2), basket("part", 1, 2), basket("more", 1, 2)),
        entry(1, basket("user", 1, 2), shelf.next("deduct", "kind", [["SKU-2", -1, 0]])),
        entry(
          1,
          shelf.next("deduct", "two", [["SKU-1", -1, 0]]),
          shelf.next("deduct", "two", [["SKU-2", -1, 0]]),
        ),
      ]),
    );
    // An earlier version noted digests. They are the same here, as forged contents can make them.
    await rows("update order_lines set fingerprint = 'digest'");
    const again = await shard.apply([
      entry(1, basket("same", 1, 2)),
      entry(1, shelf.next("order", "turned", [["SKU-2", -2, 0], ["SKU-1", -1, 0]])),
      entry(1, shelf.next("order", "part", [["SKU-2", -2, 0]]), basket("more", 1, 3)),
      entry(1, basket("user", 1, 2, { userId: "user-2" }), shelf.next("order", "kind", [["SKU-2", -1, 0]])),
      entry(1, shelf.next("deduct", "two", [["SKU-1", -1, 0], ["SKU-2", -1, 0]])),
    ]);
    assert.equal(applied(again).compensations, 2);
    assert.equal(again.kind === "applied" && again.deadLetters, 5);
    const given = await rows(
      "select distinct m.order_id from compensations c join movements m using (shard, seq, sku)",
    );
    assert.deepEqual(given.map((row) => row.order_id).toSorted(), ["same", "turned"]);
    await assertSums(fixture);
  });

  testBothWays("an extension never makes a hold shorter", (shelf) => [
    shelf.reserve("order-d", ["SKU-1", 1]),
    shelf.next("extend", "order-d", [["SKU-1", 0, 0]], { data: { expires: atMs + 3 * holdMs } }),
    shelf.next("extend", "order-d", [["SKU-1", 0, 0]], { data: { expires: atMs + 2 * holdMs } }),
  ], async ({ ledger }) => {
    assert.partialDeepStrictEqual((await ledger.findOrder("order-d")).lines, [
      { state: "held", units: 1, holdMs, expiresAtMs: atMs + 3 * holdMs, settledSeq: 0 },
    ]);
  });

  testBothWays("several returns of a basket add up, line by line", (shelf) => [
    shelf.next("create", "adjustment-2", [["SKU-2", 5, 0]], { userId: "" }),
    shelf.next("order", "order-e", [["SKU-1", -5, 0], ["SKU-2", -2, 0]]),
    shelf.next("return", "order-e", [["SKU-1", 1, 0], ["SKU-2", 2, 0]], { reference: "return-1" }),
    shelf.next("return", "order-e", [["SKU-1", 2, 0]], { reference: "return-2" }),
  ], async ({ ledger }) => {
    const lines = (await ledger.findOrder("order-e")).lines;
    assert.partialDeepStrictEqual(lines, [
      { sku: "SKU-1", kind: "order", state: "accepted", amount: 5, units: 2, newStock: 5 },
      { sku: "SKU-2", kind: "order", state: "accepted", amount: 2, units: 0, newStock: 3 },
    ]);
    const back = async (orderId: string, returnId: string) =>
      (await ledger.findReturn(orderId, returnId)).map(({ sku, amount, seq }) => [sku, amount, seq]);
    assert.deepEqual(await back("order-e", "return-1"), [["SKU-1", 1, 4], ["SKU-2", 2, 4]]);
    assert.deepEqual(await back("order-e", "return-2"), [["SKU-1", 2, 5]]);
    assert.deepEqual([await back("order-f", "return-1"), await back("order-e", "return-3")], [[], []]);
  });

  const dayMs = 86_400_000;

  test("order lines are forgotten by age, page by page; what is held or counts for a quota stays", async (fixture) => {
    const { shard, rows } = fixture;
    const shelf = new Shelf();
    const rules = (sku: string, sale: number) =>
      shelf.next("rules", "", [[sku, 0, 0]], { data: { policy: { quota: 5, sale } } });
    const sold = (id: string, sku: string, atDay: number) =>
      shelf.next("deduct", id, [[sku, -1, 0]], { atMs: atMs + atDay * dayMs });
    const events = [
      sold("old-1", "SKU-1", 0),
      shelf.reserve("held", ["SKU-1", 1]),
      shelf.next("create", "adjustment-2", [["SKU-2", 5, 0]], { userId: "" }),
      rules("SKU-2", 5),
      sold("counts", "SKU-2", 0),
      sold("old-2", "SKU-1", 1),
      sold("old-3", "SKU-1", 1),
      sold("young", "SKU-1", 3),
      sold("newest", "SKU-1", 12),
    ];
    assert.equal(applied(await shard.apply([entry(1, ...events)])).deadLetters, 0);
    const movements = await rows("select * from movements order by seq");

    const first = await shard.forgetLines(10 * dayMs, { seq: 0, line: -1 }, 3);
    assert.deepEqual(first, { lines: 1, last: { seq: 6, line: 0 } });
    assert.deepEqual(await shard.forgetLines(10 * dayMs, first.last, 2), {
      lines: 2,
      last: { seq: 8, line: 0 },
    });
    const between = await rows("select seq from order_lines order by seq");
    assert.deepEqual(between.map(({ seq }) => seq), [3, 6, 9, 10]);
    assert.equal(await shard.forgetLines(10 * dayMs, { seq: 8, line: 0 }, 2), undefined);
    const left = await rows("select order_id from order_lines order by seq");
    assert.deepEqual(left.map((row) => row.order_id), ["held", "counts", "young", "newest"]);
    assert.deepEqual(await rows("select * from movements order by seq"), movements);

    applied(await shard.apply([entry(1, rules("SKU-2", 11))]));
    const again = await shard.forgetLines(10 * dayMs, { seq: 0, line: -1 }, 2);
    assert.deepEqual(again, { lines: 1, last: { seq: 6, line: 0 } }, "it counts for no quota any more");
    const after = await rows("select order_id from order_lines order by seq");
    assert.deepEqual(after.map((row) => row.order_id), ["held", "young", "newest"]);
  });

  test("a line is forgotten when it is older than the window, and not at its end", async ({ shard, rows }) => {
    const shelf = new Shelf();
    const endMs = Math.trunc(atMs / 1000) * 1000;
    const sold = (id: string, at: number) => shelf.next("deduct", id, [["SKU-1", -1, 0]], { atMs: at });
    const events = [sold("end", endMs), sold("older", endMs - 1), sold("newest", endMs + 10 * dayMs)];
    applied(await shard.apply([entry(1, ...events)]));
    const start = { seq: 0, line: -1 };
    assert.equal((await shard.forgetLines(10 * dayMs, start, 2))?.lines, 1);
    assert.equal(await shard.forgetLines(10 * dayMs, start, 1), undefined);
    assert.deepEqual(await rows("select seq from order_lines order by seq"), [{ seq: 2 }, { seq: 4 }]);
  });

  test("no line is forgotten by a store's clock that ran ahead, nor before there are any", async (fixture) => {
    const { shard, rows } = fixture;
    assert.equal(await shard.forgetLines(dayMs, { seq: 0, line: -1 }, 10), undefined);
    const now = Date.now();
    const shelf = new Shelf();
    const today = shelf.next("deduct", "today", [["SKU-1", -1, 0]], { atMs: now });
    const ahead = shelf.next("deduct", "ahead", [["SKU-1", -1, 0]], { atMs: now + 500 * dayMs });
    applied(await shard.apply([entry(1, today, ahead)]));
    assert.equal(await shard.forgetLines(dayMs, { seq: 0, line: -1 }, 10), undefined);
    assert.equal((await rows("select order_id from order_lines")).length, 2);
  });

  test("a replay of an order's life changes nothing", async ({ shard, rows }) => {
    const shelf = new Shelf();
    const batch = [
      entry(1, shelf.reserve("order-f", ["SKU-1", 4]), shelf.next("confirm", "order-f", [["SKU-1", 1, -4]])),
      entry(1, shelf.next("return", "order-f", [["SKU-1", 1, 0]], { reference: "return-1" })),
      entry(1, shelf.next("pause", "", [["SKU-1", 0, 0]], { data: { policy: { paused: true } } })),
    ];
    applied(await shard.apply(batch));
    const all = async () => [
      await rows("select * from order_lines"),
      await rows("select * from movements order by seq"),
      await rows("select * from stock"),
    ];
    const before = await all();
    assert.equal(applied(await shard.apply(batch)).events, 0);
    assert.deepEqual(await all(), before);
  });

  test("a sum of reserved units that differs from the store's rolls back what became of the lines", async (fixture) => {
    const shelf = new Shelf();
    applied(await fixture.shard.apply([entry(1, shelf.reserve("order-g", ["SKU-1", 4]))]));
    const confirm = shelf.next("confirm", "order-g", [["SKU-1", 0, -4]]);
    const [line] = confirm.lines;
    assert.ok(line);
    const result = await fixture.shard.apply([entry(1, { ...confirm, lines: [{ ...line, reserved: 1 }] })]);
    assert.deepEqual(result, {
      kind: "mismatch",
      differences: [{
        sku: "SKU-1",
        ledger: { available: 6, reserved: 0 },
        store: { available: 6, reserved: 1 },
      }],
    });
    assert.partialDeepStrictEqual((await fixture.ledger.findOrder("order-g")).lines, [{
      state: "held",
      units: 4,
    }]);
    applied(await fixture.shard.apply([entry(1, confirm)]));
    assert.partialDeepStrictEqual((await fixture.ledger.findOrder("order-g")).lines, [{
      state: "confirmed",
      units: 4,
    }]);
  });

  test("a reservation that returns after the window is set aside, and what follows on it", async (fixture) => {
    const shelf = new Shelf();
    applied(
      await fixture.shard.apply([entry(
        1,
        shelf.reserve("order-h", ["SKU-1", 2]),
        shelf.next("confirm", "order-h", [["SKU-1", 0, -2]]),
        shelf.reserve("order-h", ["SKU-1", 2]),
      )]),
    );
    applied(await fixture.shard.apply([entry(1, shelf.next("expire", "order-h", [["SKU-1", 2, -2]]))]));
    assert.deepEqual(await fixture.rows("select seq, sqlstate, reason from dead_letters order by seq"), [
      { seq: 4, sqlstate: "23505", reason: "line accepted before, a reservation" },
      { seq: 5, sqlstate: "02000", reason: "no line to expire, or not in the state for it" },
    ]);
    assert.deepEqual(await fixture.shard.compensations({ seq: 0, sku: "" }, 10), []);
    assert.partialDeepStrictEqual((await fixture.ledger.findOrder("order-h")).lines, [
      { seq: 2, state: "confirmed", units: 2, settledSeq: 3 },
    ]);
    await assertSums(fixture);
  });

  test("a basket that returns with the same contents is given back whole", async (fixture) => {
    const shelf = new Shelf();
    const basket = () => shelf.next("order", "order-i", [["SKU-1", -1, 0], ["SKU-2", -2, 0]]);
    const made = shelf.next("create", "adjustment-2", [["SKU-2", 5, 0]], { userId: "" });
    assert.equal(applied(await fixture.shard.apply([entry(1, made, basket(), basket())])).compensations, 1);
    assert.deepEqual(await fixture.shard.compensations({ seq: 0, sku: "" }, 10), [
      { seq: 4, sku: "SKU-1", amount: 1, kind: "order", orderId: "order-i", soldUnits: 1, returnedUnits: 0 },
      { seq: 4, sku: "SKU-2", amount: 2, kind: "order", orderId: "order-i", soldUnits: 2, returnedUnits: 0 },
    ]);
  });

  test("a compensation says how much of the first sale is left, whenever its units came back", async ({ shard }) => {
    const shelf = new Shelf();
    const deduct = (id: string) => shelf.next("deduct", id, [["SKU-1", -2, 0]]);
    const back = (id: string, reference: string) =>
      shelf.next("return", id, [["SKU-1", 2, 0]], { reference });
    await shard.apply([entry(
      1,
      ...[deduct("before"), back("before", "r-1"), deduct("before")],
      ...[deduct("after"), deduct("after"), back("after", "r-1")],
      ...[deduct("both"), back("both", "r-1"), deduct("both"), back("both", "r-2")],
    )]);
    assert.deepEqual(
      (await shard.compensations({ seq: 0, sku: "" }, 10)).map(({ orderId, soldUnits, returnedUnits }) => [
        orderId,
        soldUnits,
        returnedUnits,
      ]),
      [["before", 0, 0], ["after", 2, 2], ["both", 0, 2]],
    );
  });

  test("more returned than was sold is set aside, the rest of the batch is applied", async (fixture) => {
    const shelf = new Shelf();
    const result = await fixture.shard.apply([entry(
      1,
      shelf.next("deduct", "order-j", [["SKU-1", -3, 0]]),
      shelf.reserve("order-k", ["SKU-1", 1]),
      shelf.next("return", "order-j", [["SKU-1", 2, 0]], { reference: "return-1" }),
      shelf.next("return", "order-j", [["SKU-1", 2, 0]], { reference: "return-2" }),
      shelf.next("confirm", "order-k", [["SKU-1", 0, -1]]),
      shelf.next("return", "unknown", [["SKU-1", 1, 0]], { reference: "return-3" }),
      shelf.next("pause", "", [["SKU-1", 0, 0]], { data: { policy: { paused: true } } }),
    )]);
    assert.equal(applied(result).deadLetters, 2);
    assert.deepEqual(await fixture.rows("select seq, sqlstate from dead_letters order by seq"), [
      { seq: 5, sqlstate: "23514" },
      { seq: 7, sqlstate: "02000" },
    ]);
    assert.partialDeepStrictEqual((await fixture.ledger.findOrder("order-j")).lines, [{
      amount: 3,
      units: 1,
    }]);
    assert.partialDeepStrictEqual((await fixture.ledger.findOrder("order-k")).lines, [{
      state: "confirmed",
    }]);
    assert.partialDeepStrictEqual(await fixture.shard.stock("", 10), [{ policy: { paused: true } }]);
    await assertSums(fixture);
  });

  test("units that are given back in a batch with a dead letter close their compensation", async ({ shard, rows }) => {
    const shelf = new Shelf();
    const twice = [1, 2].map(() => shelf.next("deduct", "twice", [["SKU-1", -2, 0]]));
    assert.equal(applied(await shard.apply([entry(1, ...twice)])).compensations, 1);
    applied(await shard.apply([entry(1, shelf.next("adjust", "other", [["SKU-1", 1, 0]], { userId: "" }))]));
    assert.equal((await shard.compensations({ seq: 0, sku: "" }, 10)).length, 1, "it was another adjustment");
    const back = shelf.next("adjust", compensationId(0, 3), [["SKU-1", 2, 0]], { userId: "" });
    // Refused, and without a line: one letter.
    const bad = shelf.next("cancel", "nul-\0", [["SKU-1", 0, 0]]);
    assert.equal(applied(await shard.apply([entry(1, back, bad)])).deadLetters, 1);
    assert.deepEqual(await rows("select seq from compensations where done_at is null"), []);
    assert.deepEqual(await shard.compensations({ seq: 0, sku: "" }, 10), []);
  });

  test("what a batch has set aside changes no line of the next one", async ({ ledger, shard }) => {
    const shelf = new Shelf();
    const data = { expires: atMs + 9 * holdMs };
    const strays = {
      confirm: {},
      cancel: {},
      expire: {},
      extend: { data },
      return: { reference: "return-1" },
      commit: {},
      abort: {},
    };
    for (const [id, fields] of Object.entries(strays)) {
      const isBasket = id === "commit" || id === "abort";
      const stray = (order: string) => shelf.next(id, order, [["SKU-1", 0, 0]], fields);
      applied(await shard.apply([entry(1, stray(id))]));
      const sold = isBasket ? shelf.next("prepare", id, [["SKU-1", -1, 1]]) : shelf.reserve(id, ["SKU-1", 1]);
      applied(await shard.apply([entry(1, sold, stray(`another-${id}`))]));
      const { lines: [line] } = await ledger.findOrder(id);
      assert.partialDeepStrictEqual(line, { state: "held", units: 1 }, id);
      assert.equal(line?.expiresAtMs, isBasket ? 0 : atMs + holdMs, id);
    }
  });

  test("what is no refusal of an event sets nothing aside", async ({ shard, database, rows }) => {
    const shelf = new Shelf();
    const bad = shelf.next("deduct", "nul-\0", [["SKU-1", -1, 0]]);
    await database.script("alter table order_lines rename to gone");
    await assert.rejects(shard.apply([entry(1, bad)]));
    await database.script("alter table gone rename to order_lines");
    assert.deepEqual(await rows("select seq from dead_letters"), []);
    assert.equal((await shard.cursor()).seq, 1);
  });

  test("what follows on a line that is not in the state for it is set aside", async (fixture) => {
    const shelf = new Shelf();
    const lives = [
      shelf.next("deduct", "sold", [["SKU-1", -1, 0]]),
      shelf.reserve("held", ["SKU-1", 1]),
      shelf.reserve("over", ["SKU-1", 1]),
      shelf.next("cancel", "over", [["SKU-1", 1, -1]]),
    ];
    const strays = [
      shelf.next("extend", "sold", [["SKU-1", 0, 0]], { data: { expires: atMs + holdMs } }),
      shelf.next("return", "held", [["SKU-1", 1, 0]], { reference: "return-1" }),
      shelf.next("confirm", "over", [["SKU-1", 0, 0]]),
      shelf.next("extend", "over", [["SKU-1", 0, 0]], { data: { expires: atMs + 2 * holdMs } }),
    ];
    assert.equal(applied(await fixture.shard.apply([entry(1, ...lives)])).deadLetters, 0);
    assert.equal(applied(await fixture.shard.apply([entry(1, ...strays)])).deadLetters, 4);
    const letters = await fixture.rows("select seq from dead_letters order by seq");
    assert.deepEqual(letters.map(({ seq }) => seq), strays.map(({ seq }) => seq));
    assert.partialDeepStrictEqual((await fixture.ledger.findOrder("over")).lines, [
      { state: "cancelled", units: 0, expiresAtMs: atMs + holdMs },
    ]);
    assert.partialDeepStrictEqual((await fixture.ledger.findOrder("held")).lines, [{
      state: "held",
      units: 1,
    }]);
  });
}
