/**
 * Applies a batch inside a transaction.
 *
 * Where the database has a statement for the whole batch, that applies it. Otherwise the movements are inserted first,
 * as one JSON text, and rules, order lines, stock and audit are derived from them by their numbers. Each kind of change
 * of an order line is one more statement for the whole batch, in the order of a line's life: accepted, extended, settled,
 * returned. One batch may contain the whole life of a line.
 *
 * When the data is refused, the batch is applied again step by step, in halves until the commands at fault are found:
 * their movement is applied nevertheless, and they become dead letters. A line that was accepted before is found there.
 *
 * @module
 */
import { type AuditRow, toDifference } from "./audit_row.ts";
import { isCompensationId } from "../compensation_id.ts";
import { beforeSales, followUps, sales, type Step } from "./apply_steps.ts";
import { SqlError, type Transaction } from "../database.ts";
import type { Difference } from "../ledger.ts";
import { escaped, inAscii, type Numbered, readable } from "../movements.ts";
import { movementsOf, type Prepared } from "./prepared.ts";
import { remedyFor } from "../sqlstate.ts";
import type { Statements } from "./statements.ts";

/** The result of applying. With differences the caller must roll back. */
export interface ApplyResult {
  /** SKUs whose sums differ from the store's stock. */
  readonly differences: readonly Difference[];
  /** Number of dead letters. */
  readonly deadLetters: number;
  /** Events whose units must be returned. */
  readonly compensations: number;
}

/** SQLSTATEs of errors that the ledger itself detects. */
const sqlstates = { uniqueViolation: "23505", noData: "02000" } as const;

/** Replacements for a refused movement, tried in this order. */
const plainer = [
  { rewrite: readable, how: "with U+FFFD in its place" },
  { rewrite: inAscii, how: "in ASCII" },
] as const;

/** The numbers of a batch: after `after`, up to `last`. */
interface Range {
  readonly after: number;
  readonly last: number;
}

/** Applies the events of one batch of one shard. */
export class BatchApplier {
  readonly #tx: Transaction;
  readonly #sql: Statements;
  readonly #shard: number;
  readonly #events: readonly Numbered[];
  readonly #prepared: Pick<Prepared, "oneStatement" | "movements">;
  /** Numbers of dead letters. */
  readonly #aside = new Set<number>();
  #deadLetters = 0;
  #compensations = 0;

  /**
   * @param events at least one, with consecutive numbers
   * @param prepared parameters of these events
   */
  constructor(
    tx: Transaction,
    sql: Statements,
    shard: number,
    events: readonly Numbered[],
    prepared: Pick<Prepared, "oneStatement" | "movements">,
  ) {
    this.#tx = tx;
    this.#sql = sql;
    this.#shard = shard;
    this.#events = events;
    this.#prepared = prepared;
  }

  /** The normal case: sends all statements together, without those that the batch does not need. */
  async applyAtOnce(): Promise<ApplyResult> {
    const { oneStatement } = this.#prepared;
    let differences: Difference[];
    if (oneStatement) {
      const { statement, params } = oneStatement;
      const [rows] = await together([this.#tx.query<AuditRow>(statement, params), ...this.#run(followUps)]);
      differences = rows.map(toDifference);
    } else {
      differences = await this.#applyInSteps();
    }
    if (followUps.some((step) => this.#wants(step))) await this.#setStraysAside();
    await this.#closeCompensations();
    return this.#result(differences);
  }

  async #applyInSteps(): Promise<Difference[]> {
    const range = rangeOf(this.#events);
    const [, , , returned, , differences] = await together([
      this.#insertMovements(this.#events),
      this.#onRange(this.#sql.add_missing_stock, range),
      Promise.all(this.#run(beforeSales)),
      this.#wants(sales) ? this.#insertOrderLines(this.#events) : 0,
      Promise.all(this.#run(followUps)),
      this.#moveStock(),
      this.#moveCursor(),
    ]);
    if (returned > 0) await this.#judgeReturnedLines();
    return differences;
  }

  /** The slow case: the batch contains something that PostgreSQL refuses. */
  async applyByHalves(): Promise<ApplyResult> {
    await this.#byHalves(
      this.#events,
      (part) => this.#insertMovements(part),
      (event, refusal) => this.#applyPlainly(event, refusal),
    );
    await this.#onRange(this.#sql.add_missing_stock, rangeOf(this.#events));
    for (const step of beforeSales) await this.#stepByHalves(step, "rules or order line not changed");
    let returned = 0;
    await this.#byHalves(this.#events, async (part) => {
      returned += await this.#insertOrderLines(part);
    }, (event, refusal) => this.#setAside(event, refusal.sqlstate, `no order line: ${refusal.message}`));
    for (const step of followUps) await this.#stepByHalves(step, "order line not changed");
    if (returned > 0) await this.#judgeReturnedLines();
    await this.#setStraysAside();
    await this.#closeCompensations();
    const [differences] = await together([this.#moveStock(), this.#moveCursor()]);
    return this.#result(differences);
  }

  #run(steps: readonly Step[]): Promise<object[]>[] {
    const wanted = steps.filter((step) => this.#wants(step));
    return wanted.map(({ statement }) => this.#onRange(this.#sql[statement], rangeOf(this.#events)));
  }

  #wants({ isFor }: Step): boolean {
    return this.#events.some(isFor);
  }

  async #stepByHalves(step: Step, what: string): Promise<void> {
    if (!this.#wants(step)) return;
    await this.#byHalves(this.#events, async (part) => {
      await this.#onRange(this.#sql[step.statement], rangeOf(part));
    }, (event, refusal) => this.#setAside(event, refusal.sqlstate, `${what}: ${refusal.message}`));
  }

  #result(differences: readonly Difference[]): ApplyResult {
    return { differences, deadLetters: this.#deadLetters, compensations: this.#compensations };
  }

  /** Runs `apply` on all events or, where it is refused, on ever smaller parts; calls `refuse` for single events. */
  async #byHalves(
    events: readonly Numbered[],
    apply: (part: readonly Numbered[]) => Promise<void>,
    refuse: (event: Numbered, refusal: SqlError) => Promise<void>,
  ): Promise<void> {
    const [first] = events;
    if (!first) return;
    const refusal = await this.#attempt(() => apply(events));
    if (!refusal) return;
    if (events.length === 1) return await refuse(first, refusal);
    const middle = events.length >> 1;
    await this.#byHalves(events.slice(0, middle), apply, refuse);
    await this.#byHalves(events.slice(middle), apply, refuse);
  }

  /** Runs `apply`. When its data is refused, rolls back and returns the refusal; other errors are thrown. */
  async #attempt(apply: () => Promise<void>): Promise<SqlError | undefined> {
    await this.#tx.script("savepoint attempt");
    try {
      await apply();
      await this.#tx.script("release savepoint attempt");
      return undefined;
    } catch (error) {
      if (!(error instanceof SqlError) || remedyFor(error) !== "split") throw error;
      await this.#tx.script("rollback to savepoint attempt; release savepoint attempt");
      return error;
    }
  }

  async #insertMovements(events: readonly Numbered[]): Promise<void> {
    const prepared = events === this.#events ? this.#prepared.movements : "";
    const movements = prepared === "" ? movementsOf(events) : prepared;
    await this.#tx.query(this.#sql.insert_movements, [this.#shard, movements]);
  }

  /** Applies a refused movement with simpler characters, and makes its event a dead letter in any case. */
  async #applyPlainly(event: Numbered, { message, sqlstate }: SqlError): Promise<void> {
    for (const { rewrite, how } of plainer) {
      const refusal = await this.#attempt(() => this.#insertMovements([rewrite(event)]));
      if (!refusal) return await this.#setAside(event, sqlstate, `${message}; applied ${how}`);
    }
    await this.#setAside(event, sqlstate, `${message}; its movement is not applied`);
  }

  /** @returns how many lines existed before */
  async #insertOrderLines(events: readonly Numbered[]): Promise<number> {
    const [row] = await this.#onRange<{ returned: number }>(this.#sql.insert_order_lines, rangeOf(events));
    return row?.returned ?? 0;
  }

  async #moveStock(): Promise<Difference[]> {
    const rows = await this.#onRange<AuditRow>(this.#sql.audit_stock, rangeOf(this.#events));
    return rows.map(toDifference);
  }

  async #moveCursor(): Promise<void> {
    const last = this.#events.at(-1);
    if (!last) return;
    await this.#tx.query(this.#sql.move_cursor, [this.#shard, last.epoch, last.seq]);
  }

  /**
   * Handles lines that were sold again after the idempotency window. The store had forgotten them, so their movements
   * stay. A sale with the same contents becomes a compensation, and its response stays true. An operator must decide
   * about other contents, because the order id was used for something else, and about reservations, because the units
   * to return are unknown until the reservation is settled. A part of a basket that was prepared again is never sold, as
   * the ledger has no line for it: whatever its contents, it becomes a compensation, and is aborted.
   */
  async #judgeReturnedLines(): Promise<void> {
    const returned = await this.#onRange<{ seq: number; same: boolean }>(
      this.#sql.find_returned_lines,
      rangeOf(this.#events),
    );
    const bySeq = this.#eventsBySeq();
    for (const { seq, same } of returned) {
      const event = bySeq.get(seq);
      if (!event) continue;
      await this.#tx.query(this.#sql.remove_order_lines, [this.#shard, seq]);
      if (event.kind === "prepare" || same && event.kind !== "reserve") {
        this.#compensations++;
        await this.#tx.query(this.#sql.insert_compensations, [this.#shard, seq]);
      } else {
        const contents = same ? "a reservation" : "with other contents";
        await this.#setAside(event, sqlstates.uniqueViolation, `line accepted before, ${contents}`);
      }
    }
  }

  /** Handles events of lines that the ledger does not have, because the line is a dead letter. */
  async #setStraysAside(): Promise<void> {
    const strays = await this.#onRange<{ seq: number }>(this.#sql.find_strays, rangeOf(this.#events));
    const bySeq = this.#eventsBySeq();
    for (const { seq } of strays) {
      const event = bySeq.get(seq);
      if (!event || this.#aside.has(seq)) continue;
      await this.#setAside(event, sqlstates.noData, `no line to ${event.kind}, or not in the state for it`);
    }
  }

  async #closeCompensations(): Promise<void> {
    if (!this.#events.some(({ id }) => isCompensationId(id))) return;
    await this.#onRange(this.#sql.close_compensations, rangeOf(this.#events));
  }

  #eventsBySeq(): Map<number, Numbered> {
    return new Map(this.#events.map((event) => [event.seq, event]));
  }

  async #setAside(event: Numbered, sqlstate: string, reason: string): Promise<void> {
    this.#deadLetters++;
    this.#aside.add(event.seq);
    const insert = async (rewrite: (text: string) => string) => {
      const texts = [rewrite(JSON.stringify(event)), sqlstate, rewrite(reason)];
      await this.#tx.query(this.#sql.insert_dead_letter, [this.#shard, event.seq, ...texts]);
    };
    if (await this.#attempt(() => insert((text) => text))) await insert(escaped);
  }

  #onRange<Row extends object>(statement: string, { after, last }: Range): Promise<Row[]> {
    return this.#tx.query<Row>(statement, [this.#shard, after, last]);
  }
}

/**
 * Waits for pipelined statements. The refusal of the first one counts, whichever arrives first: the later ones only
 * report the aborted transaction.
 */
async function together<const T extends readonly unknown[]>(calls: T) {
  const ends = await Promise.allSettled(calls);
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return await Promise.all(calls);
}

function rangeOf(events: readonly Numbered[]): Range {
  const last = events.at(-1)?.seq ?? 0;
  return { after: last - events.length, last };
}
