/**
 * What every ledger must do, fifth part: take corrections, and nothing but additions to the movements.
 */
import assert from "node:assert/strict";
import { SqlError } from "../../src/ledger/database.ts";
import { applied, assertSums, entry, opening, type Registrar, sale } from "./ledger_books.ts";

const note = { actor: "cli:alice", reason: "counted", reference: "stocktaking 7" };

/** Registers these tests. */
export function registerCorrections({ test }: Registrar): void {
  test("a correction stands behind the last number, and the next event is audited against it", async (books) => {
    const { ledger, shard, rows } = books;
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9), opening(3, "SKU-2", 5))]));
    const made = await ledger.correct(0, { epoch: 1, seq: 3 }, [
      { sku: "SKU-1", delta: 10, reservedDelta: 0, available: 19, reserved: 0 },
      { sku: "SKU-3", delta: 4, reservedDelta: 1, available: 4, reserved: 1 },
    ], note);
    assert.ok(made);
    const again = { sku: "SKU-1", delta: -1, reservedDelta: 0, available: 18, reserved: 0 };
    assert.ok(await ledger.correct(0, { epoch: 1, seq: 3 }, [again], note));

    assert.deepEqual(
      await rows(`select epoch, seq, line, sku, delta, available_after, actor, reason, reference
        from movements where kind = 'correction' order by seq, line`),
      [
        { epoch: 1, seq: 3, line: 1000, sku: "SKU-1", delta: 10, available_after: 19, ...note },
        { epoch: 1, seq: 3, line: 1001, sku: "SKU-3", delta: 4, available_after: 4, ...note },
        { epoch: 1, seq: 3, line: 1002, sku: "SKU-1", delta: -1, available_after: 18, ...note },
      ],
    );
    await assertSums(books);
    applied(await shard.apply([entry(1, sale(4, "SKU-1", 17))]));
    await assertSums(books);
  });

  test("a correction is refused when the cursor has moved since", async ({ ledger, shard, rows }) => {
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9))]));
    const correction = { sku: "SKU-1", delta: 1, reservedDelta: 0, available: 11, reserved: 0 };
    assert.ok(!await ledger.correct(0, { epoch: 1, seq: 1 }, [correction], note));
    assert.equal((await rows("select from movements")).length, 2);
    assert.deepEqual(await rows("select available from stock"), [{ available: 9 }]);
  });

  test("movements only grow: no change, no deletion, not even by the owner", async ({ shard, database }) => {
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9))]));
    const refused = ["update movements set delta = 1", "delete from movements", "truncate movements"];
    for (const statement of refused) {
      await assert.rejects(
        database.script(statement),
        (error) => error instanceof SqlError && error.sqlstate === "42501",
        statement,
      );
    }
  });
}
