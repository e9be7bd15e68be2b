/**
 * Books a batch inside a transaction.
 *
 * The movements go in first, as one JSON text; order lines, stock and audit are then derived from the movements
 * themselves, by their numbers, so what the books say of a line cannot differ from what they say of its movement.
 * When PostgreSQL refuses the data, the batch is booked a second time by halves, until the commands that it means
 * stand alone: their movement is booked all the same, and they are set aside in `dead_letters`.
 *
 * @module
 */
import { SqlError, type Transaction } from "./database.ts";
import type { Difference } from "./ledger.ts";
import { type Numbered, readable, toMovements } from "./movements.ts";
import { remedyFor } from "./sqlstate.ts";
import type { Statements } from "./statements.ts";

/** What booking found. With differences the caller must roll back. */
export interface Booked {
  /** SKUs whose sums are not what the store said. */
  readonly differences: readonly Difference[];
  /** Events set aside. */
  readonly deadLetters: number;
  /** Events whose units are to be given back. */
  readonly compensations: number;
}

interface AuditRow {
  readonly sku: string;
  readonly available: number;
  readonly reserved: number;
  readonly storeAvailable: number;
  readonly storeReserved: number;
}

/** The numbers of a batch: after `after`, up to `last`. */
interface Range {
  readonly after: number;
  readonly last: number;
}

/** Books the events of one batch of one shard. */
export class Booking {
  readonly #tx: Transaction;
  readonly #sql: Statements;
  readonly #shard: number;
  readonly #events: readonly Numbered[];
  #deadLetters = 0;
  #compensations = 0;

  /**
   * Makes one, for one transaction.
   *
   * @param events at least one, with consecutive numbers
   */
  constructor(tx: Transaction, sql: Statements, shard: number, events: readonly Numbered[]) {
    this.#tx = tx;
    this.#sql = sql;
    this.#shard = shard;
    this.#events = events;
  }

  /** The ordinary way: all statements leave together. */
  async bookAtOnce(): Promise<Booked> {
    const [, returned, differences] = await Promise.all([
      this.#insertMovements(this.#events),
      this.#insertOrderLines(this.#events),
      this.#moveStock(),
      this.#moveCursor(),
    ]);
    if (returned > 0) await this.#judgeReturnedLines();
    return this.#booked(differences);
  }

  /** The slow way, for a batch that holds something PostgreSQL cannot take. */
  async bookByHalves(): Promise<Booked> {
    await this.#byHalves(this.#events, (part) => this.#insertMovements(part), async (event, refusal) => {
      await this.#insertMovements([readable(event)]);
      await this.#setAside(event, refusal.sqlstate, `${refusal.message}; booked with U+FFFD in its place`);
    });
    let returned = 0;
    await this.#byHalves(this.#events, async (part) => {
      returned += await this.#insertOrderLines(part);
    }, (event, refusal) => this.#setAside(event, refusal.sqlstate, `no order line: ${refusal.message}`));
    if (returned > 0) await this.#judgeReturnedLines();
    const [differences] = await Promise.all([this.#moveStock(), this.#moveCursor()]);
    return this.#booked(differences);
  }

  #booked(differences: readonly Difference[]): Booked {
    return { differences, deadLetters: this.#deadLetters, compensations: this.#compensations };
  }

  /** Runs `book` on all events or, where it is refused, on ever smaller parts; `refuse` gets those that stand alone. */
  async #byHalves(
    events: readonly Numbered[],
    book: (part: readonly Numbered[]) => Promise<void>,
    refuse: (event: Numbered, refusal: SqlError) => Promise<void>,
  ): Promise<void> {
    const [first] = events;
    if (!first) return;
    const refusal = await this.#attempt(() => book(events));
    if (!refusal) return;
    if (events.length === 1) return await refuse(first, refusal);
    const middle = events.length >> 1;
    await this.#byHalves(events.slice(0, middle), book, refuse);
    await this.#byHalves(events.slice(middle), book, refuse);
  }

  /** Runs `book`; a refusal of its data is undone and returned, anything else is thrown. */
  async #attempt(book: () => Promise<void>): Promise<SqlError | undefined> {
    await this.#tx.script("savepoint attempt");
    try {
      await book();
      await this.#tx.script("release savepoint attempt");
      return undefined;
    } catch (error) {
      if (!(error instanceof SqlError) || remedyFor(error) !== "split") throw error;
      await this.#tx.script("rollback to savepoint attempt; release savepoint attempt");
      return error;
    }
  }

  async #insertMovements(events: readonly Numbered[]): Promise<void> {
    await this.#tx.query(this.#sql.insert_movements, [this.#shard, JSON.stringify(toMovements(events))]);
  }

  /** @returns how many lines were there already */
  async #insertOrderLines(events: readonly Numbered[]): Promise<number> {
    const [row] = await this.#onRange<{ returned: number }>(this.#sql.insert_order_lines, rangeOf(events));
    return row?.returned ?? 0;
  }

  async #moveStock(): Promise<Difference[]> {
    const range = rangeOf(this.#events);
    const [, rows] = await Promise.all([
      this.#onRange(this.#sql.add_missing_stock, range),
      this.#onRange<AuditRow>(this.#sql.audit_stock, range),
    ]);
    return rows.map(toDifference);
  }

  async #moveCursor(): Promise<void> {
    const last = this.#events.at(-1);
    if (!last) return;
    await this.#tx.query(this.#sql.move_cursor, [this.#shard, last.epoch, last.seq]);
  }

  /**
   * Lines that came back after the idempotency window: the store had forgotten them and sold again, so their
   * movements stay. With the same contents the units are given back, and the answer stays true; with others the
   * order id was used for something else, which a person must judge.
   */
  async #judgeReturnedLines(): Promise<void> {
    const returned = await this.#onRange<{ seq: number; same: boolean }>(
      this.#sql.find_returned_lines,
      rangeOf(this.#events),
    );
    const bySeq = new Map(this.#events.map((event) => [event.seq, event]));
    for (const { seq, same } of returned) {
      const event = bySeq.get(seq);
      if (!event) continue;
      await this.#tx.query(this.#sql.remove_order_lines, [this.#shard, seq]);
      if (same) {
        this.#compensations++;
        await this.#tx.query(this.#sql.insert_compensations, [this.#shard, seq]);
      } else {
        await this.#setAside(event, "23505", "line accepted before, with other contents");
      }
    }
  }

  async #setAside(event: Numbered, sqlstate: string, reason: string): Promise<void> {
    this.#deadLetters++;
    await this.#tx.query(this.#sql.insert_dead_letter, [
      this.#shard,
      event.seq,
      JSON.stringify(event),
      sqlstate,
      reason,
    ]);
  }

  #onRange<Row extends object>(statement: string, { after, last }: Range): Promise<Row[]> {
    return this.#tx.query<Row>(statement, [this.#shard, after, last]);
  }
}

function rangeOf(events: readonly Numbered[]): Range {
  const last = events.at(-1)?.seq ?? 0;
  return { after: last - events.length, last };
}

function toDifference(row: AuditRow): Difference {
  return {
    sku: row.sku,
    ledger: { available: row.available, reserved: row.reserved },
    store: { available: row.storeAvailable, reserved: row.storeReserved },
  };
}
