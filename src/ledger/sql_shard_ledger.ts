/**
 * One shard's books, written and read on the session that holds the shard's lease.
 *
 * @module
 */
import type { LogEntry, Position } from "../log/event.ts";
import { type Booked, Booking } from "./booking.ts";
import type { Session, Transaction } from "./database.ts";
import type { Applied, Compensation, Cursor, LinePage, LineRow, ShardLedger, StockRow } from "./ledger.ts";
import { planBatch } from "./movements.ts";
import { remedyFor } from "./sqlstate.ts";
import type { Statements } from "./statements.ts";

/** See {@link ShardLedger}. */
export class SqlShardLedger implements ShardLedger {
  readonly #session: Session;
  readonly #sql: Statements;

  /**
   * Takes a session over.
   *
   * @param session holds the lock of `shard`, and is this ledger's alone
   */
  constructor(readonly shard: number, session: Session, sql: Statements) {
    this.#session = session;
    this.#sql = sql;
  }

  async cursor(): Promise<Cursor> {
    return this.#known(await this.#session.query<Cursor>(this.#sql.read_cursor, [this.shard]));
  }

  async apply(entries: readonly LogEntry[]): Promise<Applied> {
    try {
      return await this.#apply(entries, (booking) => booking.bookAtOnce());
    } catch (error) {
      if (remedyFor(error) !== "split") throw error;
      return await this.#apply(entries, (booking) => booking.bookByHalves());
    }
  }

  /**
   * The cursor moves in the same transaction as the rows. A crash before the commit replays the batch, a crash
   * after it skips it: there is no third case, which is why nothing here acknowledges anything.
   */
  #apply(entries: readonly LogEntry[], book: (booking: Booking) => Promise<Booked>): Promise<Applied> {
    return this.#session.transaction(async (tx: Transaction): Promise<Applied> => {
      const cursor = this.#known(await tx.query<Position>(this.#sql.lock_cursor, [this.shard]));
      const plan = planBatch(entries, cursor);
      if (plan.kind !== "book") return { kind: plan.kind, cursor, found: plan.found };
      const last = plan.events.at(-1);
      if (!last) return { kind: "applied", cursor, events: 0, deadLetters: 0, compensations: 0 };

      const { differences, ...counts } = await book(new Booking(tx, this.#sql, this.shard, plan.events));
      if (differences.length > 0) {
        await tx.rollback();
        return { kind: "mismatch", differences };
      }
      const moved = { epoch: last.epoch, seq: last.seq };
      return { kind: "applied", cursor: moved, events: plan.events.length, ...counts };
    });
  }

  async issueEpoch(previous: number): Promise<number | undefined> {
    const params = [this.shard, previous];
    const [issued] = await this.#session.query<{ issuedEpoch: number }>(this.#sql.issue_epoch, params);
    return issued?.issuedEpoch;
  }

  stock(afterSku: string, limit: number): Promise<StockRow[]> {
    return this.#session.query<StockRow>(this.#sql.page_stock, [this.shard, afterSku, limit]);
  }

  async countSkus(): Promise<number> {
    const [count] = await this.#session.query<{ skus: number }>(this.#sql.count_skus, [this.shard]);
    return count?.skus ?? 0;
  }

  async lines(sinceMs: number, after: { seq: number; line: number }, limit: number): Promise<LinePage> {
    const start = after.seq > 0 ? after : await this.#beforeFirstLine(sinceMs);
    if (!start) return { rows: [], next: undefined };
    const params = [this.shard, start.seq, start.line, sinceMs, limit];
    const page = await this.#session.query<LineRow & { line: number }>(this.#sql.page_lines, params);
    const last = page.length === limit ? page.at(-1) : undefined;
    return {
      rows: page.map(({ line: _, ...row }) => row),
      next: last && { seq: last.seq, line: last.line },
    };
  }

  compensations(limit: number): Promise<Compensation[]> {
    return this.#session.query<Compensation>(this.#sql.page_compensations, [this.shard, limit]);
  }

  async closeCompensation({ seq, sku }: Compensation): Promise<void> {
    await this.#session.query(this.#sql.close_compensation, [this.shard, seq, sku]);
  }

  async noteHead(head: number): Promise<void> {
    await this.#session.query(this.#sql.note_head, [this.shard, head]);
  }

  jump(to: Position): Promise<void> {
    return this.#session.transaction(async (tx) => {
      const { epoch, seq } = this.#known(await tx.query<Position>(this.#sql.lock_cursor, [this.shard]));
      if (to.seq <= seq || to.epoch < epoch) {
        throw new RangeError(
          `Cannot jump to ${to.epoch}-${to.seq} as shard ${this.shard} is booked up to ${epoch}-${seq}`,
        );
      }
      await Promise.all([
        tx.query(this.#sql.note_jump, [this.shard, seq, to.seq, to.epoch]),
        tx.query(this.#sql.move_cursor, [this.shard, to.epoch, to.seq]),
      ]);
    });
  }

  beat(): Promise<void> {
    return this.#session.ping();
  }

  release(): Promise<void> {
    return this.#session.close();
  }

  /** Where a time window starts in the log, so that the first page does not read a year to find it. */
  async #beforeFirstLine(sinceMs: number): Promise<{ seq: number; line: number } | undefined> {
    const params = [this.shard, sinceMs];
    const [first] = await this.#session.query<{ seq: number | null }>(this.#sql.find_first_line, params);
    return typeof first?.seq === "number" ? { seq: first.seq, line: -1 } : undefined;
  }

  #known<Row>([row]: readonly Row[]): Row {
    if (row === undefined) {
      throw new RangeError(
        `Cannot read the books of shard ${this.shard} as this deployment has no such shard`,
      );
    }
    return row;
  }
}
