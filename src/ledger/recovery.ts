/**
 * Numbers that are lost, and what a person decided about them.
 *
 * @module
 */
import type { Position } from "../log/event.ts";
import type { InventoryEvent } from "../log/event.ts";
import type { Correction } from "./corrections.ts";
import type { Transaction } from "./database.ts";
import { bookRecalled } from "./recalled.ts";
import type { Statements } from "./statements.ts";

/** A person accepts that the numbers after `fromSeq`, up to `toSeq`, are neither in the ledger nor in the log. */
export interface LossAccepted {
  /** Last number booked, as the person saw it. */
  readonly fromSeq: number;
  /** Last number lost. */
  readonly toSeq: number;
  /** Whose figures count. `store`: the ledger is corrected to them. `ledger`: the store is rebuilt from there. */
  readonly source: "store" | "ledger";
  /** Who, e.g. `cli:alice`. */
  readonly actor: string;
  /** Why, for people. */
  readonly reason: string;
}

/** An accepted loss that waits for the shard's worker. */
export interface Recovery extends LossAccepted {
  /** Rises. */
  readonly id: number;
}

/** How the ledger jumps over lost numbers. */
export interface Jump {
  /** The last number lost, and the epoch that goes on behind it. */
  readonly to: Position;
  /** Who decided it; `worker` when nobody had to. */
  readonly actor: string;
  /** Why, for people. */
  readonly reason: string;
  /** What the ledger lacks of the store's figures before `recalled`. They stand behind the last number booked. */
  readonly corrections?: readonly Correction[];
  /** What the store remembers of the lost numbers, by number. Its figures go on from the corrections'. */
  readonly recalled?: readonly InventoryEvent[];
  /** Closed with it. */
  readonly recoveryId?: number;
}

/**
 * Writes the lost numbers down, books what the store knows of them and moves the cursor behind them, in a transaction that the
 * caller opened.
 *
 * @throws {RangeError} when `to` is not ahead of the cursor
 */
export async function bookJump(
  tx: Transaction,
  sql: Statements,
  shard: number,
  { to, actor, reason, corrections = [], recalled = [], recoveryId }: Jump,
): Promise<void> {
  const [cursor] = await tx.query<Position>(sql.lock_cursor, [shard]);
  if (!cursor || to.seq <= cursor.seq || to.epoch < cursor.epoch) {
    throw new RangeError(
      `Cannot jump to ${to.epoch}-${to.seq} as shard ${shard} is booked up to ${cursor?.epoch}-${cursor?.seq}`,
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
  const figures = finalFigures(corrections, recalled);
  if (figures.length > 0) await tx.query(sql.set_stock, [shard, JSON.stringify(figures)]);
  if (recalled.length > 0) {
    const range = { after: cursor.seq, last: to.seq, epoch: to.epoch };
    await bookRecalled(tx, sql, shard, range, recalled);
  }
}

function finalFigures(corrections: readonly Correction[], recalled: readonly InventoryEvent[]) {
  const figures = new Map<string, { sku: string; available: number; reserved: number }>();
  const lines = [...corrections, ...recalled.flatMap((event) => event.lines)];
  for (const { sku, available, reserved } of lines) figures.set(sku, { sku, available, reserved });
  return [...figures.values()];
}
