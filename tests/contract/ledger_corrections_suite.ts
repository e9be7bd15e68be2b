/**
 * What every ledger must do, fifth part: take corrections, and nothing but additions to the movements.
 */
import assert from "node:assert/strict";
import { SqlError } from "../../src/ledger/database.ts";
import type { Applied } from "../../src/ledger/ledger.ts";
import { applied, assertSums, entry, opening, type Registrar, sale } from "./ledger_fixture.ts";

const note = { actor: "cli:alice", reason: "active", reference: "stocktaking 7" };

/** Registers these tests. */
export function registerCorrections({ test }: Registrar): void {
  test("a correction follows the last applied number, and the next event is audited against it", async (fixture) => {
    const { ledger, shard, rows } = fixture;
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9), opening(3, "SKU-2", 5))]));
    const made = await ledger.correct(0, ({ seq }) =>
      Promise.resolve(
        seq !== 3 ? [] : [
          { sku: "SKU-1", delta: 10, reservedDelta: 0, available: 19, reserved: 0 },
          { sku: "SKU-3", delta: 4, reservedDelta: 1, available: 4, reserved: 1 },
        ],
      ), note);
    assert.equal(made, 2);
    const again = { sku: "SKU-1", delta: -1, reservedDelta: 0, available: 18, reserved: 0 };
    await ledger.correct(0, () => Promise.resolve([again]), note);

    assert.deepEqual(
      await rows(`select epoch, seq, line, sku, delta, available_after, actor, reason, reference
        from movements where kind = 'correction' order by seq, line`),
      [
        { epoch: 1, seq: 3, line: 1000, sku: "SKU-1", delta: 10, available_after: 19, ...note },
        { epoch: 1, seq: 3, line: 1001, sku: "SKU-3", delta: 4, available_after: 4, ...note },
        { epoch: 1, seq: 3, line: 1002, sku: "SKU-1", delta: -1, available_after: 18, ...note },
      ],
    );
    await assertSums(fixture);
    assert.deepEqual(await shard.divergent([entry(1, opening(3, "SKU-2", 5))]), [], "the event is as it was");
    applied(await shard.apply([entry(1, sale(4, "SKU-1", 17))]));
    await assertSums(fixture);
  });

  test("nothing is applied while a correction is decided", async ({ ledger, shard, rows }) => {
    let applying: Promise<unknown> = Promise.resolve();
    await ledger.correct(0, async (at, queries) => {
      applying = shard.apply([entry(1, sale(2, "SKU-1", 10))]);
      const [seen] = await queries.query<{ count: number }>("select count(*) as count from movements");
      assert.deepEqual([at.epoch, at.seq, seen?.count], [1, 1, 1]);
      return [{ sku: "SKU-1", delta: 1, reservedDelta: 0, available: 11, reserved: 0 }];
    }, note);
    applied(await applying as Applied);
    assert.deepEqual(await rows("select seq, line, available_after from movements order by seq, line"), [
      { seq: 1, line: 0, available_after: 10 },
      { seq: 1, line: 1000, available_after: 11 },
      { seq: 2, line: 0, available_after: 10 },
    ]);
  });

  test("a dead letter is closed once, by a correction of nothing, and gives back what it took", async (fixture) => {
    const { ledger, shard, rows, database } = fixture;
    const again = { id: "order-2", userId: "user-2" };
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9), sale(3, "SKU-1", 8, again))]));
    const [letter] = await rows("select id from dead_letters");
    const id = Number(letter?.id);
    assert.deepEqual(await ledger.closeDeadLetter(id, note, "give back"), {
      kind: "closed",
      shard: 0,
      seq: 3,
      units: 1,
    });
    assert.deepEqual(await ledger.closeDeadLetter(id, note, "give back"), { kind: "unknown" });
    assert.equal(await shard.countDeadLetters(), 0);
    assert.deepEqual(await rows("select delta, reason, reference from movements where line = 1000"), [
      { delta: 0, reason: "active", reference: `dead letter ${id}` },
    ]);
    assert.partialDeepStrictEqual(await shard.compensations({ seq: 0, sku: "" }, 10), [{
      seq: 3,
      sku: "SKU-1",
      amount: 1,
    }]);
    await database.script(
      `insert into dead_letters (shard, seq, event, sqlstate, reason) values (0, 1, '{}', '02000', 'a test')`,
    );
    const [other] = await rows("select max(id) as id from dead_letters");
    const refused = { kind: "took_nothing", eventKind: "create" };
    assert.deepEqual(await ledger.closeDeadLetter(Number(other?.id), note, "give back"), refused);
    assert.equal(await shard.countDeadLetters(), 1, "it stays open");
  });

  test("movements only grow: no change, no deletion, not even by the owner", async ({ shard, database }) => {
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9))]));
    const refused = ["update movements set delta = 1", "delete from movements"];
    for (const statement of refused) {
      await assert.rejects(
        database.script(statement),
        (error) => error instanceof SqlError && error.sqlstate === "42501",
        statement,
      );
    }
  });
}
