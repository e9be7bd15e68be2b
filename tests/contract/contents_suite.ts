/**
 * What makes a command that is sent again the same one: its contents, compared one by one. And what an order id means to
 * reservations: there is one.
 */
import assert from "node:assert/strict";
import type { Command } from "../../src/domain/command.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";
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
  waitPast,
} from "./order_commands.ts";
import { adjust, armEmpty, decide, deduct, type MakeStore, type StoreUnderTest } from "./store_suite.ts";

/**
 * A user id that, with 1,000,000 units of `SKU_123`, had the FNV-1a-64 digest of one unit for `alice`. Earlier versions
 * compared that digest.
 */
export const forgedUser =
  "0haJ0vxh70xxm01GtwXhxxm01GtwXhxxm01xxm01xxm01xxm01xxm01GtwXhxxm01GtwXhGtwXhGtwXhxxm01xxm01xxm01GtwXhGtwXhxxm01F3n8nR38oA";

const set = (id: string, available: number, expected: number | null, sku = "S"): Command => ({
  ...{ kind: "set", adjustmentId: id, sku, available, expected, reason: "", reference: "" },
  ...origin,
});

/** A basket of several SKUs. */
function order(orderId: string, amounts: Record<string, number>, userId = "user-1"): Command {
  return { ...reserve(orderId, amounts, 0, userId), kind: "order" };
}

/** Registers the suite for one adapter. */
export function contentsSuite(name: string, make: MakeStore): void {
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

  test("a forged second preimage of an order is a conflict", async ({ store }) => {
    const outcomes = await decide(
      store,
      adjust("a", "SKU_123", 2_000_000),
      deduct("o", "SKU_123", 1, "alice"),
      deduct("o", "SKU_123", 1_000_000, forgedUser),
      deduct("o", "SKU_123", 1, "alice"),
      read("SKU_123"),
    );
    assert.deepEqual(kinds(outcomes), ["accepted", "accepted", "conflict", "accepted", "stock"]);
    assert.ok(outcomes[3]?.kind === "accepted" && outcomes[3].replayed);
    assert.deepEqual(quantities(outcomes[4]), [1_999_999, 0]);
  });

  test("a basket is the same in any order of its lines, and not in part or with more", async ({ store }) => {
    const [first] = await decide(store, order("o", { S: 1, T: 2 }));
    const outcomes = await decide(
      store,
      order("o", { T: 2, S: 1 }),
      order("o", { S: 1 }),
      order("o", { T: 2 }),
      order("o", { S: 1, T: 1 }),
      order("o", { S: 1, T: 2, U: 1 }),
      order("o", { S: 1, T: 2 }, "user-2"),
      deduct("o", "S", 1),
      reserve("o", { S: 1, T: 2 }),
    );
    assert.ok(first?.kind === "accepted" && outcomes[0]?.kind === "accepted" && outcomes[0].replayed);
    assert.deepEqual(outcomes[0].newStock, first.newStock.toReversed());
    assert.deepEqual(kinds(outcomes.slice(1)), Array(7).fill("conflict"));
  });

  test("two sales under an order id are not one basket of both", async ({ store }) => {
    await decide(store, deduct("o", "S", 1), deduct("o", "T", 1), order("p", { S: 1 }), order("p", { T: 1 }));
    const outcomes = await decide(
      store,
      order("p", { S: 1, T: 1 }),
      order("o", { S: 1, T: 1 }),
      order("p", { T: 1 }),
      deduct("o", "S", 1),
    );
    assert.deepEqual(kinds(outcomes), ["conflict", "conflict", "accepted", "accepted"]);
  });

  test("an order id has one reservation", async ({ store }) => {
    const [first] = await decide(store, reserve("r", { S: 1 }, 600_000));
    const outcomes = await decide(
      store,
      reserve("r", { S: 1 }, 600_000),
      reserve("r", { T: 1 }, 600_000),
      reserve("r", { S: 1, T: 1 }, 600_000),
      reserve("r", { S: 2 }, 600_000),
      reserve("r", { S: 1 }, 600_000, "user-2"),
      reserve("r", { S: 1 }, 900_000),
      read("S"),
      read("T"),
    );
    assert.deepEqual(outcomes[0], { ...first, replayed: true });
    assert.deepEqual(kinds(outcomes.slice(1, 6)), Array(5).fill("conflict"));
    assert.deepEqual([quantities(outcomes[6]), quantities(outcomes[7])], [[9, 1], [10, 0]]);
  });

  test("a reservation that has ended is not made again, and no retry says that it holds", async ({ store }) => {
    const ends: [string, Command, string][] = [
      ["x", cancel("x"), "already_cancelled"],
      ["c", confirm("c"), "already_confirmed"],
    ];
    for (const [id, end, kind] of ends) {
      await decide(store, reserve(id, { S: 1 }), end);
      const outcomes = await decide(store, reserve(id, { S: 1 }), reserve(id, { T: 1 }), end);
      assert.deepEqual(kinds(outcomes), [kind, kind, "settled"]);
    }
    const [brief] = await decide(store, reserve("e", { S: 1 }, 1000));
    await waitPast(store, expiryOf(brief));
    const outcomes = await decide(store, reserve("e", { S: 1 }, 1000), reserve("e", { T: 1 }), read("S"));
    assert.deepEqual(kinds(outcomes), ["reservation_expired", "reservation_expired", "stock"]);
    assert.deepEqual(quantities(outcomes[2]), [9, 0]);
  });

  test("a late retry of a cancellation takes nothing with it", async ({ store }) => {
    await decide(store, reserve("r", { S: 1 }), cancel("r"), deduct("r", "T", 2));
    const [again, second, later, stock] = await decide(
      store,
      cancel("r"),
      reserve("r", { S: 3 }),
      cancel("r"),
      read("T"),
    );
    assert.ok(again?.kind === "settled" && again.replayed);
    assert.equal(second?.kind, "already_cancelled");
    assert.deepEqual(later, again);
    assert.deepEqual(quantities(stock), [8, 0]);
  });

  test("the longest life of a hold is not evaded by a second reservation", async ({ store }) => {
    const [first] = await decide(store, reserve("r", { S: 1 }, 14_400_000));
    const outcomes = await decide(store, reserve("r", { T: 1 }, 14_400_000), extend("r", 14_400_000));
    assert.equal(outcomes[0]?.kind, "conflict");
    assert.ok(outcomes[1]?.kind === "extended");
    assert.equal(outcomes[1].expiresAtMs, expiryOf(first));
  });

  test("a confirmation is the same with the same units, however they are named", async ({ store }) => {
    await decide(store, reserve("all", { S: 1, T: 1 }), confirm("all"));
    await decide(store, reserve("part", { S: 2, T: 1 }), confirm("part", { S: 1 }));
    const outcomes = await decide(
      store,
      confirm("all"),
      confirm("all", { T: 1, S: 1 }),
      confirm("all", { S: 1 }),
      confirm("all", { S: 1, T: 1, U: 1 }),
      confirm("part", { S: 1 }),
      confirm("part"),
      confirm("part", { S: 2 }),
      confirm("part", { S: 1, T: 1 }),
      confirm("part", {}),
    );
    assert.deepEqual(kinds(outcomes), [
      ...["settled", "settled", "already_confirmed", "already_confirmed"],
      ...["settled", "already_confirmed", "already_confirmed", "already_confirmed", "already_confirmed"],
    ]);
    assert.deepEqual(outcomes[4]?.kind === "settled" && outcomes[4].lines.map(({ amount }) => amount), [
      1,
      0,
    ]);
  });

  test("a confirmation sent again shows the reservation and no sale in addition", async ({ store }) => {
    await decide(store, deduct("r", "T", 1), reserve("r", { S: 1 }), confirm("r"));
    const [again] = await decide(store, confirm("r"));
    assert.ok(again?.kind === "settled" && again.replayed);
    assert.deepEqual(again.lines.map(({ sku }) => sku), ["S"]);
  });

  test("an adjustment is the same with the same change, a set with the same quantities", async ({ store }) => {
    await decide(
      store,
      adjust("plus", "S", 5),
      set("put", 4, 15),
      adjust("new", "N", 5),
      set("made", 3, null, "M"),
    );
    const outcomes = await decide(
      store,
      ...[adjust("plus", "S", 5), adjust("plus", "S", 4), set("plus", 15, 10)],
      ...[
        set("put", 4, 15),
        set("put", 5, 15),
        set("put", 4, 14),
        set("put", 4, null),
        adjust("put", "S", -11),
      ],
      ...[adjust("new", "N", 5), adjust("new", "N", 4), set("new", 5, 0, "N")],
      ...[set("made", 3, null, "M"), set("made", 4, null, "M"), set("made", 3, 0, "M")],
    );
    assert.deepEqual(kinds(outcomes), [
      ...["accepted", "conflict", "conflict"],
      ...["accepted", "conflict", "conflict", "conflict", "conflict"],
      ...["accepted", "conflict", "conflict"],
      ...["accepted", "conflict", "conflict"],
    ]);
  });

  test("a return is the same with the same SKUs and amounts", async ({ store }) => {
    await decide(store, order("o", { S: 3, T: 3 }), returnUnits("o", "x", { S: 1, T: 2 }));
    const outcomes = await decide(
      store,
      returnUnits("o", "x", { T: 2, S: 1 }),
      returnUnits("o", "x", { S: 1 }),
      returnUnits("o", "x", { S: 1, T: 1 }),
      returnUnits("o", "y", { S: 1 }),
      returnUnits("o", "y", { T: 1 }),
      returnUnits("o", "y", { S: 1, T: 1 }),
    );
    assert.deepEqual(kinds(outcomes), [
      ...["accepted", "conflict", "conflict"],
      ...["accepted", "accepted", "conflict"],
    ]);
  });
}
