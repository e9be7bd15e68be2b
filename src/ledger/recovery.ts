/**
 * Numbers that are lost, and what a person decided about them.
 *
 * @module
 */
import type { Position } from "../log/event.ts";
import { bookCorrections, type Correction } from "./corrections.ts";
import type { Transaction } from "./database.ts";
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
  /** Brings the stock to the store's figures behind the lost numbers. */
  readonly corrections?: readonly Correction[];
  /** Closed with it. */
  readonly recoveryId?: number;
}

/**
 * Writes the lost numbers down, moves the cursor behind them and books the corrections, in a transaction that the
 * caller opened.
 *
 * @throws {RangeError} when `to` is not ahead of the cursor
 */
export async function bookJump(
  tx: Transaction,
  sql: Statements,
  shard: number,
  { to, actor, reason, corrections = [], recoveryId }: Jump,
): Promise<void> {
  const [cursor] = await tx.query<Position>(sql.lock_cursor, [shard]);
  if (!cursor || to.seq <= cursor.seq || to.epoch < cursor.epoch) {
    throw new RangeError(
      `Cannot jump to ${to.epoch}-${to.seq} as shard ${shard} is booked up to ${cursor?.epoch}-${cursor?.seq}`,
    );
  }
  await Promise.all([
    tx.query(sql.note_jump, [shard, cursor.seq, to.seq, to.epoch, actor, reason]),
    tx.query(sql.move_cursor, [shard, to.epoch, to.seq]),
    recoveryId !== undefined && tx.query(sql.close_recovery, [shard, recoveryId]),
  ]);
  if (corrections.length === 0) return;
  const reference = `numbers ${cursor.seq + 1} to ${to.seq} are lost`;
  await bookCorrections(tx, sql, shard, to, corrections, { actor, reason, reference });
}
