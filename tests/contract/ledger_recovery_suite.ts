/**
 * What every ledger must do, sixth part: know that it went back, and go over lost numbers as a person decided.
 */
import assert from "node:assert/strict";
import { applied, assertSums, entry, type Registrar, sale } from "./ledger_books.ts";

const accepted = {
  fromSeq: 1,
  toSeq: 9,
  source: "store",
  actor: "cli:alice",
  reason: "backup of May 3rd",
} as const;

/** Registers these tests. */
export function registerRecovery({ test }: Registrar): void {
  test("what a store knows beyond the books is noted, never backwards, and its epoch is not issued", async ({ shard }) => {
    await shard.noteSeen({ epoch: 7, seq: 40 }, 30);
    await shard.noteSeen({ epoch: 3, seq: 20 }, 10);
    const seen = { notedHead: 40, seenBooked: 30 };
    assert.deepEqual(await shard.cursor(), { epoch: 1, seq: 1, issuedEpoch: 1, ...seen });
    assert.equal(await shard.issueEpoch(1, 0), 8);
  });

  test("a jump takes the store's figures in by corrections, says who and why, and closes what was accepted", async (books) => {
    const { ledger, shard, rows } = books;
    await ledger.acceptLoss(0, { ...accepted, toSeq: 5 });
    await ledger.acceptLoss(0, accepted);
    const recovery = await shard.recovery();
    assert.deepEqual({ ...recovery, id: 0 }, { ...accepted, id: 0 }, "the last one counts");
    const { actor, reason } = accepted;
    await shard.jump({
      to: { epoch: 2, seq: 9 },
      actor,
      reason,
      recoveryId: recovery?.id ?? 0,
      corrections: [
        { sku: "SKU-1", delta: -4, reservedDelta: 1, available: 6, reserved: 1 },
        { sku: "SKU-2", delta: 5, reservedDelta: 0, available: 5, reserved: 0 },
      ],
    });
    assert.equal(await shard.recovery(), undefined);
    const { epoch, seq } = await shard.cursor();
    assert.deepEqual({ epoch, seq }, { epoch: 2, seq: 9 });
    assert.deepEqual(await rows("select from_seq, to_seq, count, actor, reason from log_jumps"), [
      { from_seq: 1, to_seq: 9, count: 8, actor, reason },
    ]);
    const reference = "numbers 2 to 9 are lost";
    assert.deepEqual(
      await rows(
        "select seq, sku, delta, actor, reason, reference from movements where kind = 'correction' order by line",
      ),
      [
        { seq: 9, sku: "SKU-1", delta: -4, actor, reason, reference },
        { seq: 9, sku: "SKU-2", delta: 5, actor, reason, reference },
      ],
    );
    await assertSums(books);
    const next = sale(10, "SKU-1", 5);
    applied(
      await shard.apply([entry(2, { ...next, lines: next.lines.map((line) => ({ ...line, reserved: 1 })) })]),
    );
    await assertSums(books);
  });
}
