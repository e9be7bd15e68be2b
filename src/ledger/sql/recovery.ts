/**
 * Applies an operator's decision about lost numbers.
 *
 * @module
 */
import type { Jump } from "../recovery.ts";
import type { Position } from "../../domain/event.ts";
import type { InventoryEvent } from "../../domain/event.ts";
import type { Correction } from "../corrections.ts";
import type { Transaction } from "../database.ts";
import { applyRecalled } from "./recalled.ts";
import type { Statements } from "./statements.ts";

/**
 * Records the lost numbers, applies the events that the store remembers and moves the cursor past them, in a
 * transaction of the caller.
 *
 * @throws {RangeError} when `to` is not ahead of the cursor
 */
export async function applyJump(
  tx: Transaction,
  sql: Statements,
  shard: number,
  { to, actor, reason, corrections = [], recalled = [], recoveryId }: Jump,
): Promise<void> {
  const [cursor] = await tx.query<Position>(sql.lock_cursor, [shard]);
  if (!cursor || to.seq <= cursor.seq || to.epoch < cursor.epoch) {
    throw new RangeError(
      `Cannot jump to ${to.epoch}-${to.seq} as shard ${shard} is applied up to ${cursor?.epoch}-${cursor?.seq}`,
    );
  }
  if (corrections.length > 0) {
    const reference = `numbers ${cursor.seq + 1} to ${to.seq} are lost`;
    await tx.query(sql.insert_corrections, [shard, actor, reason, reference, JSON.stringify(corrections)]);
  }
  await Promise.all([
    tx.query(sql.note_jump, [shard, cursor.seq, to.seq, to.epoch, actor, reason]),
    tx.query(sql.move_cursor, [shard, to.epoch, to.seq]),
    recoveryId !== undefined && tx.query(sql.close_recovery, [shard, recoveryId]),
  ]);
  const stock = finalStock(corrections, recalled);
  if (stock.length > 0) await tx.query(sql.set_stock, [shard, JSON.stringify(stock)]);
  if (recalled.length > 0) {
    const range = { after: cursor.seq, last: to.seq, epoch: to.epoch };
    await applyRecalled(tx, sql, shard, range, recalled);
  }
}

function finalStock(corrections: readonly Correction[], recalled: readonly InventoryEvent[]) {
  const stock = new Map<string, { sku: string; available: number; reserved: number }>();
  const lines = [...corrections, ...recalled.flatMap((event) => event.lines)];
  for (const { sku, available, reserved } of lines) stock.set(sku, { sku, available, reserved });
  return [...stock.values()];
}
