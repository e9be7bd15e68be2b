/**
 * What every ledger must do, seventh part: baskets of several shards. Their lines are held until the decision, which is
 * recorded once.
 */
import assert from "node:assert/strict";
import type { Attempt, PreparedPart } from "../../src/decide/basket_decisions.ts";
import { attemptName } from "../../src/domain/basket.ts";
import type { InventoryEvent } from "../../src/domain/event.ts";
import {
  applied,
  assertSums,
  assertWhole,
  atMs,
  entry,
  leased,
  type LedgerFixture,
  opening,
  plainLine,
  type Registrar,
  Shelf,
} from "./ledger_fixture.ts";

const farMs = 600_000;

function attemptOf(orderId: string): Attempt {
  const lines = [{ sku: "SKU-1", amount: 4 }, { sku: "SKU-9", amount: 1 }];
  return { orderId, attempt: crypto.randomUUID(), home: 0, userId: "user-1", lines };
}

/** The part of shard 0, which number 2 has prepared. */
const part: PreparedPart = { shard: 0, seq: 2, lines: 1, newStock: [6] };

const prepared = (shelf: Shelf, id = "basket", units = 4, reference = `0/${id}`) =>
  shelf.next("prepare", id, [["SKU-1", -units, units]], { reference });
const preparedFor = ({ orderId, home, attempt }: Attempt, shelf = new Shelf()) =>
  prepared(shelf, orderId, 4, attemptName(home, attempt));
const aborted = (shelf: Shelf, id = "basket", units = 4) =>
  shelf.next("abort", id, [["SKU-1", units, -units]]);
const committed = (shelf: Shelf, id = "basket", units = 4) =>
  shelf.next("commit", id, [["SKU-1", 0, -units]]);

/** Registers these tests. */
export function registerBaskets({ test, testOpening }: Registrar): void {
  const testBothWays = (
    what: string,
    events: (shelf: Shelf) => InventoryEvent[],
    check: (fixture: LedgerFixture) => Promise<void>,
  ) => {
    for (const way of ["in one batch", "in a batch an event"]) {
      test(`${what}, ${way}`, async (fixture) => {
        const all = events(new Shelf());
        for (const batch of way === "in one batch" ? [all] : all.map((event) => [event])) {
          const { deadLetters, compensations } = applied(await fixture.shard.apply([entry(1, ...batch)]));
          assert.deepEqual([deadLetters, compensations], [0, 0]);
        }
        await check(fixture);
        await assertSums(fixture);
        await assertWhole(fixture);
      });
    }
  };

  testBothWays(
    "prepared lines are held, and have no end by time",
    (shelf) => [prepared(shelf)],
    async (fixture) => {
      const what = { id: "basket", sku: "SKU-1", amount: 4, newStock: 6, seq: 2 } as const;
      const line = plainLine({ ...what, kind: "prepare", attempt: "0/basket" });
      const held = { ...line, state: "held" } as const;
      const { ledger, shard } = fixture;
      assert.deepEqual((await ledger.findOrder("basket")).lines, [{ ...held, shard: 0 }]);
      // A rebuild reads them, whatever their age.
      const page = await shard.lines(Date.now() + 86_400_000, { seq: 0, line: -1 }, 10);
      assert.deepEqual(page.rows, [held]);
    },
  );

  testBothWays(
    "a commit sells the lines, and units come back",
    (shelf) => [
      prepared(shelf),
      committed(shelf),
      shelf.next("return", "basket", [["SKU-1", 1, 0]], { reference: "return-1" }),
    ],
    async ({ ledger, shard }) => {
      const what = { id: "basket", sku: "SKU-1", amount: 4, newStock: 6, seq: 2 } as const;
      const line = plainLine({ ...what, kind: "prepare", attempt: "0/basket" });
      assert.deepEqual((await ledger.findOrder("basket")).lines, [{ ...line, shard: 0, units: 3 }]);
      assert.deepEqual(await shard.baskets.prepared(10), []);
      const asked = ["0/basket", "0/other"].map((name) => ({ home: 0, orderId: "basket", name }));
      const found = await shard.baskets.atHome(asked);
      assert.deepEqual(found.sort((a, b) => a.name < b.name ? -1 : 1), [
        { name: "0/basket", applied: 4, state: "accepted" },
        { name: "0/other", applied: 4, state: "" },
      ]);
    },
  );

  testBothWays(
    "an abort leaves no line, and the order is tried again",
    (shelf) => [
      prepared(shelf),
      aborted(shelf),
      prepared(shelf, "basket", 3),
      aborted(shelf, "basket", 3),
      prepared(shelf, "basket", 2),
      committed(shelf, "basket", 2),
      prepared(shelf, "other", 1),
      aborted(shelf, "other", 1),
    ],
    async ({ ledger }) => {
      const what = { id: "basket", sku: "SKU-1", amount: 2, newStock: 8, seq: 6 } as const;
      const line = plainLine({ ...what, kind: "prepare", attempt: "0/basket" });
      assert.deepEqual((await ledger.findOrder("basket")).lines, [{ ...line, shard: 0 }]);
      assert.deepEqual((await ledger.findOrder("other")).lines, []);
    },
  );

  test("a batch with an abort that is applied by halves leaves no line either", async (fixture) => {
    const shelf = new Shelf();
    const bad = shelf.next("deduct", "nul-\0", [["SKU-1", -1, 0]]);
    const [first, end, second] = [prepared(shelf), aborted(shelf), prepared(shelf)];
    const made = shelf.next("create", "adjustment-2", [["SKU-2", 5, 0]], { userId: "" });
    const result = applied(await fixture.shard.apply([entry(1, bad, first, end, second, made)]));
    assert.equal(result.deadLetters, 1);
    assert.deepEqual((await fixture.shard.stock("SKU-1", 10)).map(({ sku, available }) => [sku, available]), [
      ["SKU-2", 5],
    ]);
    const { lines } = await fixture.ledger.findOrder("basket");
    assert.deepEqual(lines.map(({ seq, state }) => [seq, state]), [[5, "held"]]);
  });

  test("a decision changes the lines of its own order alone, whatever follows on the others", async (fixture) => {
    const { ledger, shard } = fixture;
    const shelf = new Shelf();
    const again = (id: string) => shelf.next("extend", id, [["SKU-1", 0, 0]], { data: { expires: atMs } });
    const ids = ["aborted", "committed", "other"];
    applied(await shard.apply([entry(1, ...ids.map((id) => prepared(shelf, id, 1)))]));
    assert.equal(applied(await shard.apply([entry(1, again("other"))])).deadLetters, 1);
    const decided = applied(
      await shard.apply([
        entry(1, aborted(shelf, "aborted", 1), committed(shelf, "committed", 1)),
      ]),
    );
    assert.equal(decided.deadLetters, 0);
    const states = await Promise.all(ids.map(async (id) => (await ledger.findOrder(id)).lines[0]?.state));
    assert.deepEqual(states, [undefined, "accepted", "held"]);
    assert.equal(
      applied(await shard.apply([entry(1, again("other"), committed(shelf, "aborted", 1))])).deadLetters,
      2,
    );
    assert.equal((await ledger.findOrder("other")).lines[0]?.state, "held");
  });

  testOpening("a prepared order has the name of the attempt that prepared it here and now", async (open) => {
    const { ledger } = await open();
    try {
      await ledger.prepare(2);
      const [first, second] = [await leased(ledger, 0), await leased(ledger, 1)];
      for (const shard of [first, second]) {
        const shelf = new Shelf();
        const name = (attempt: string) => `0/${attempt} in ${shard.shard}`;
        const tried = [
          prepared(shelf, "basket", 1, name("first")),
          aborted(shelf, "basket", 1),
          ...shard === second ? [] : [shelf.next("deduct", "more", [["SKU-1", -1, 0]])],
          prepared(shelf, "basket", 1, name("second")),
          prepared(shelf, "other", 1, name("other")),
        ];
        applied(
          await shard.apply([entry(1, opening(1, "SKU-1", 10)), ...tried.map((event) => entry(1, event))]),
        );
      }
      for (const shard of [first, second]) {
        const names = (await shard.baskets.prepared(10)).map(({ orderId, name }) => [orderId, name]);
        const { shard: number } = shard;
        assert.deepEqual(names, [["basket", `0/second in ${number}`], ["other", `0/other in ${number}`]]);
        const tried = ["first", "second"].map((attempt) => `0/${attempt} in ${number}`);
        const asked = tried.map((name) => ({ home: number, orderId: "basket", name }));
        const states = new Map((await shard.baskets.atHome(asked)).map(({ name, state }) => [name, state]));
        assert.deepEqual(tried.map((name) => states.get(name)), ["", "held"]);
      }
    } finally {
      await ledger.close();
    }
  });

  test("lines that are prepared and aborted in a batch hide no line that returns in it", async ({ shard }) => {
    const shelf = new Shelf();
    const sold = () => shelf.next("deduct", "again", [["SKU-1", -1, 0]]);
    applied(await shard.apply([entry(1, sold())]));
    const batch = [
      prepared(shelf, "one", 1),
      prepared(shelf, "two", 1),
      committed(shelf, "two", 1),
      prepared(shelf, "tried", 1),
      aborted(shelf, "tried", 1),
      prepared(shelf, "kept", 1),
      sold(),
    ];
    assert.equal(applied(await shard.apply([entry(1, ...batch)])).compensations, 1);
  });

  test("a basket is committed when the ledger has all of its lines, once", async ({ ledger: { baskets }, shard }) => {
    const attempt = attemptOf("basket");
    assert.deepEqual(await baskets.begin(attempt, farMs), { kind: "begun" });
    assert.equal(await shard.baskets.end(), 1, "it has time left");
    assert.equal(await baskets.commit(attempt, [part]), "waiting");
    const shelf = new Shelf();
    applied(await shard.apply([entry(1, preparedFor(attempt, shelf))]));
    assert.equal(await baskets.commit(attempt, [{ ...part, lines: 2 }]), "waiting");
    assert.equal(await baskets.commit(attempt, [part, { ...part, shard: 1 }]), "waiting");
    assert.equal((await shard.baskets.prepared(10))[0]?.decision, "open");
    assert.equal(await baskets.commit(attempt, [part]), "committed");
    assert.equal(await baskets.commit(attempt, [part]), "committed");
    assert.equal(await baskets.abort(attempt), "committed");
    const { userId, lines } = attempt;
    const found = { kind: "committed", userId, lines, parts: [part] };
    assert.deepEqual(await baskets.find("basket"), found);
    assert.deepEqual(await baskets.begin(attemptOf("basket"), farMs), found);
    assert.equal(await shard.baskets.end(), 1, "its line is held");
    applied(await shard.apply([entry(1, committed(shelf))]));
    assert.equal(await shard.baskets.end(), 0);
    assert.equal(await baskets.find("basket"), undefined);
  });

  test("a basket is not committed by a line of another attempt with the same number", async ({ ledger: { baskets }, shard }) => {
    const [earlier, attempt] = [attemptOf("basket"), attemptOf("basket")];
    applied(await shard.apply([entry(1, preparedFor(earlier))]));
    await baskets.begin(attempt, farMs);
    assert.equal(await baskets.commit(attempt, [part]), "waiting");
  });

  test("what is aborted is never committed, and the order may be tried again", async ({ ledger: { baskets }, shard }) => {
    const [first, second] = [attemptOf("basket"), attemptOf("basket")];
    await baskets.begin(first, farMs);
    applied(await shard.apply([entry(1, prepared(new Shelf()))]));
    const undecided = await baskets.begin(second, farMs);
    assert.ok(undecided.kind === "undecided" && Math.abs(undecided.decideByMs - Date.now() - farMs) < 60_000);
    assert.equal(await baskets.abort(first), "aborted");
    assert.equal(await baskets.commit(first, [part]), "aborted");
    assert.deepEqual(await shard.baskets.prepared(10), [
      { orderId: "basket", seq: 2, attempt: "", decision: "abort", name: "0/basket" },
    ]);
    assert.deepEqual(await baskets.begin(second, farMs), { kind: "begun" });
    assert.equal(await baskets.commit(first, [part]), "aborted");
    assert.equal(await baskets.abort(first), "aborted");
    assert.equal(
      (await baskets.find("basket"))?.kind,
      "undecided",
      "the abort of the first is not of the second",
    );
  });

  test("an attempt ends by time: no commit, and the next one, the worker or the home shard may end it", async (fixture) => {
    const { ledger: { baskets }, shard } = fixture;
    applied(await shard.apply([entry(1, prepared(new Shelf()))]));
    const attempt = attemptOf("basket");
    await baskets.begin(attempt, -1000);
    assert.equal(await baskets.commit(attempt, [part]), "aborted");
    const [over] = await shard.baskets.prepared(10);
    const expected = {
      orderId: "basket",
      seq: 2,
      attempt: attempt.attempt,
      decision: "over",
      name: "0/basket",
    };
    assert.deepEqual(over, expected);
    const next = attemptOf("basket");
    assert.deepEqual(await baskets.begin(next, -1000), { kind: "begun" });
    assert.ok(!await shard.baskets.abort(over), "it is another attempt now");
    const [again] = await shard.baskets.prepared(10);
    assert.ok(again && await shard.baskets.abort(again));
    assert.equal(await baskets.abort(next), "aborted");
    await baskets.begin(attemptOf("left"), -1000);
    assert.equal(await shard.baskets.end(), 0);
    assert.equal(await baskets.find("left"), undefined);
  });

  test("a line that a committed basket does not have is aborted, those that it has wait a second for their API", async (fixture) => {
    const { ledger: { baskets }, shard, database } = fixture;
    const shelf = new Shelf();
    const attempt = attemptOf("basket");
    await baskets.begin(attempt, farMs);
    applied(await shard.apply([entry(1, preparedFor(attempt, shelf))]));
    assert.equal(await baskets.commit(attempt, [part]), "committed");
    assert.equal((await shard.baskets.prepared(10))[0]?.decision, "open");
    await database.script("update baskets set decided_at = '2020-01-01 00:00:00.000'");
    assert.deepEqual((await shard.baskets.prepared(10)).map(({ decision }) => decision), ["commit"]);
    await database.script("update baskets set parts = '[]'");
    assert.deepEqual((await shard.baskets.prepared(10)).map(({ decision }) => decision), ["abort"]);
  });
}
