/**
 * What every ledger must do, tenth part: leave the neighbors of what is meant as they are. They share its number, its
 * order or its shard, and nothing else.
 */
import assert from "node:assert/strict";
import { attemptName } from "../../src/domain/basket.ts";
import type { Attempt } from "../../src/decide/basket_decisions.ts";
import type { InventoryEvent } from "../../src/domain/event.ts";
import type { ShardLedger } from "../../src/ledger/ledger.ts";
import { applied, atMs, entry, leased, opening, type Registrar, Shelf } from "./ledger_fixture.ts";

const by = { actor: "cli:alice", reason: "backup" };

function stocked(shelf: Shelf): InventoryEvent[] {
  return ["SKU-2", "SKU-3"].map((sku) => shelf.next("create", `stock-${sku}`, [[sku, 9, 0]], { userId: "" }));
}

/** Takes events from a store, all under the last of their numbers. */
async function recallAsOne(shard: ShardLedger, events: readonly InventoryEvent[]): Promise<number> {
  const seq = events.at(-1)?.seq ?? 0;
  const recalled = events.map((event) => ({ ...event, seq }));
  await shard.jump({ to: { epoch: 2, seq }, ...by, recalled });
  return seq;
}

/** Registers these tests. */
export function registerNeighbors({ test, testOpening }: Registrar): void {
  testOpening("aborts of other lines and of another shard hide no line that returns", async (open) => {
    const { ledger } = await open();
    try {
      await ledger.prepare(2);
      const [other, shard] = [await leased(ledger, 0), await leased(ledger, 1)];
      const elsewhere = new Shelf();
      const late = Array.from({ length: 9 }, () => elsewhere.next("adjust", "more", [["SKU-1", 1, 0]]));
      const tried = [["one", "SKU-1"], ["two", "SKU-1"]] as const;
      const ends = tried.map(([id, sku]) => elsewhere.next("abort", id, [[sku, 1, 0]]));
      applied(await other.apply([entry(1, opening(1, "SKU-1", 10), ...late, ...ends)]));
      const shelf = new Shelf();
      const sold = () => shelf.next("deduct", "again", [["SKU-1", -1, 0]]);
      applied(await shard.apply([entry(1, opening(1, "SKU-1", 10), ...stocked(shelf), sold())]));
      const kept = tried.map(([id, sku]) => shelf.next("prepare", id, [[sku, -1, 1]]));
      assert.equal(
        applied(await shard.apply([entry(1, ...kept, sold())])).compensations,
        1,
        "of another shard",
      );
      const parts = shelf.next("prepare", "parts", [["SKU-1", -1, 1], ["SKU-2", -1, 1], ["SKU-3", -1, 1]]);
      const end = shelf.next("abort", "parts", [["SKU-3", 1, -1]]);
      assert.equal(
        applied(await shard.apply([entry(1, parts, end, sold())])).compensations,
        1,
        "of other lines",
      );
    } finally {
      await ledger.close();
    }
  });

  test("a basket's row ends with its own lines, and its decision is about its own numbers", async (fixture) => {
    const { ledger: { baskets }, shard, database } = fixture;
    const shelf = new Shelf();
    applied(await shard.apply([entry(1, ...stocked(shelf))]));
    const attempt: Attempt = {
      ...{ orderId: "basket", attempt: crypto.randomUUID(), home: 0, userId: "user-1" },
      lines: [{ sku: "SKU-1", amount: 1 }],
    };
    await baskets.begin(attempt, 600_000);
    const reference = attemptName(0, attempt.attempt);
    const seq = await recallAsOne(shard, [
      shelf.next("prepare", "neighbor", [["SKU-2", -1, 1]], { reference: "0/neighbor" }),
      shelf.next("prepare", "basket", [["SKU-1", -1, 1]], { reference }),
    ]);
    assert.equal(await baskets.commit(attempt, [{ shard: 0, seq, lines: 1, newStock: [9] }]), "committed");
    const decided = async (parts: unknown) => {
      await database.script(
        `update baskets set parts = '${JSON.stringify(parts)}', decided_at = '2020-01-01 00:00:00.000'`,
      );
      const found = await shard.baskets.prepared(10);
      return found.find(({ orderId }) => orderId === "basket")?.decision;
    };
    assert.equal(await decided([{ shard: 0, seq: seq + 1 }]), "abort", "another number of this shard");
    assert.equal(await decided([{ shard: 1, seq }]), "abort", "this number of another shard");
    assert.equal(await decided([{ shard: 1, seq: seq + 1 }, { shard: 0, seq }]), "commit");
    // The order has another line, of another number: it is none of this basket's parts.
    const more = shelf.next("prepare", "basket", [["SKU-3", -1, 1]], { reference });
    applied(await shard.apply([entry(2, more)]));
    assert.equal(await shard.baskets.end(), 1, "its own line is held");
    applied(await shard.apply([entry(2, shelf.next("commit", "basket", [["SKU-1", 0, -1]]))]));
    assert.equal(await shard.baskets.end(), 0);
  });

  test("a decision on a line that was not prepared changes nothing", async ({ ledger, shard }) => {
    const shelf = new Shelf();
    const events = [
      shelf.next("deduct", "sold", [["SKU-1", -1, 0]]),
      shelf.reserve("held", ["SKU-1", 1]),
      shelf.reserve("ended", ["SKU-1", 1]),
      shelf.next("cancel", "ended", [["SKU-1", 1, -1]]),
      shelf.next("prepare", "prepared", [["SKU-1", -1, 1]]),
      shelf.next("commit", "prepared", [["SKU-1", 0, -1]]),
    ];
    applied(await shard.apply([entry(1, ...events)]));
    const ids = ["sold", "held", "ended", "prepared"];
    const lines = async () =>
      (await Promise.all(ids.map((id) => ledger.findOrder(id)))).map((order) => order.lines);
    const before = await lines();
    for (const kind of ["commit", "abort"]) {
      applied(await shard.apply([entry(1, ...ids.map((id) => shelf.next(kind, id, [["SKU-1", 0, 0]])))]));
      assert.deepEqual(await lines(), before, kind);
    }
  });

  test("a return under the number of a sale that returned is not counted as one after it", async ({ shard }) => {
    const shelf = new Shelf();
    const sold = () => shelf.next("deduct", "twice", [["SKU-1", -2, 0]]);
    applied(await shard.apply([entry(1, sold())]));
    const back = (reference: string) => shelf.next("return", "twice", [["SKU-1", 1, 0]], { reference });
    const seq = await recallAsOne(shard, [sold(), back("return-1")]);
    const found = async () =>
      (await shard.compensations({ seq: 0, sku: "" }, 10)).map((
        one,
      ) => [one.seq, one.soldUnits, one.returnedUnits]);
    assert.deepEqual(await found(), [[seq, 1, 0]]);
    applied(await shard.apply([entry(2, back("return-2"))]));
    assert.deepEqual(await found(), [[seq, 1, 1]]);
  });

  test("an adjustment of before the window is not remembered, although its number is in the window", async ({ shard }) => {
    const shelf = new Shelf();
    const adjust = (id: string, at: number) =>
      shelf.next("adjust", id, [["SKU-1", 1, 0]], { atMs: at, userId: "" });
    const events = [
      adjust("old", atMs),
      adjust("first", atMs + 5000),
      adjust("late", atMs),
      adjust("next", atMs + 5001),
    ];
    applied(await shard.apply([entry(1, ...events)]));
    const { rows } = await shard.lines(atMs + 5000, { seq: 0, line: 0 }, 10);
    assert.deepEqual(rows.map(({ id }) => id), ["first", "next"]);
  });
}
