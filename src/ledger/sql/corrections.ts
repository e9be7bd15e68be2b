/**
 * Corrections: movements of kind `correction`, for changes of the stock that no event of the store explains.
 *
 * A correction has no number of its own, because the store issues the numbers. It follows the last applied number, so
 * the running sums include it before the audit of the next event.
 *
 * @module
 */
import type { Position } from "../../domain/event.ts";
import type { Closed, Correction, CorrectionNote, UnitsOf } from "../corrections.ts";
import type { Transaction } from "../database.ts";
import type { Statements } from "./statements.ts";

/**
 * Applies corrections after the cursor, in a transaction of the caller.
 *
 * @param at the cursor as the caller saw it
 * @returns false when the cursor has moved: nothing was applied
 */
export async function applyCorrections(
  tx: Transaction,
  sql: Statements,
  shard: number,
  at: Position,
  corrections: readonly Correction[],
  { actor, reason, reference }: CorrectionNote,
): Promise<boolean> {
  const [cursor] = await tx.query<Position>(sql.lock_cursor, [shard]);
  if (cursor?.seq !== at.seq || cursor.epoch !== at.epoch) return false;
  const rows = JSON.stringify(corrections);
  await Promise.all([
    tx.query(sql.insert_corrections, [shard, actor, reason, reference, rows]),
    tx.query(sql.set_stock, [shard, rows]),
  ]);
  return true;
}

/**
 * Closes a dead letter in a transaction of the caller: the row stores the decision, a correction of 0 units per SKU
 * stores it among the movements, and units to return become a compensation, which the worker applies once.
 *
 * @param note the decision
 */
export async function closeDeadLetter(
  tx: Transaction,
  sql: Statements,
  id: number,
  { actor, reason }: CorrectionNote,
  units: UnitsOf,
): Promise<Closed> {
  const [letter] = await tx.query<{ shard: number; seq: number }>(sql.close_dead_letter, [id, actor, reason]);
  if (!letter) return { kind: "unknown" };
  const { shard, seq } = letter;
  const [at] = await tx.query<Position>(sql.lock_cursor, [shard]);
  type Row = { kind: string; sku: string; available: number; reserved: number; taken: number };
  const rows = await tx.query<Row>(sql.find_event_stock, [shard, seq]);
  const [first] = rows;
  const givesBack = units === "give back";
  const given = givesBack ? rows.reduce((sum, { taken }) => sum + taken, 0) : 0;
  if (givesBack && !(first && ["deduct", "order"].includes(first.kind))) {
    await tx.rollback();
    return { kind: "took_nothing", eventKind: first?.kind ?? "nothing" };
  }
  if (at && first) {
    const corrections = rows.map(({ sku, available, reserved }) => {
      return { sku, delta: 0, reservedDelta: 0, available, reserved };
    });
    await applyCorrections(tx, sql, shard, at, corrections, {
      actor,
      reason,
      reference: `dead letter ${id}`,
    });
  }
  if (givesBack) await tx.query(sql.insert_compensations, [shard, seq]);
  return { kind: "closed", shard, seq, units: given };
}
