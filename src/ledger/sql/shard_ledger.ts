/**
 * The ledger of one shard, written and read on the connection that has the shard's lease.
 *
 * @module
 */
import { type LogEntry, type Position } from "../../domain/event.ts";
import type { CheckResult } from "../../domain/check_result.ts";
import { applyByCursor, applyInOneTrip, type Place } from "./apply_batch.ts";
import type { Lease } from "./backend.ts";
import type { Connection, Transaction } from "../database.ts";
import { findDivergent } from "./divergence.ts";
import { LeaseLost } from "../../domain/errors.ts";
import type { Applied, Cursor, MovementRange, ShardLedger, StockAt } from "../ledger.ts";
import { partsOf } from "../movements.ts";
import { extendRanges, foldMovements, readOpenings } from "./openings.ts";
import type { Folded, Openings } from "../openings.ts";
import { ForeignLedger } from "../../domain/errors.ts";
import type { LinePosition, PageEnd, QuotaCursor, QuotaPage } from "../pages.ts";
import { before, prepare } from "./prepared.ts";
import { type Jump, type Recovery } from "../recovery.ts";
import { applyJump } from "./recovery.ts";
import type { Compensation, Forgotten, LinePage, LineRow, QuotaRow, StockRow } from "../../domain/rows.ts";
import { remedyFor } from "../sqlstate.ts";
import { holdsSetAside } from "./set_aside.ts";
import { SqlShardBaskets } from "./shard_baskets.ts";
import type { Statements } from "./statements.ts";

/** The position of the first line accepted since a time. */
interface Window {
  readonly sinceMs: number;
  /** Before its first line. */
  readonly start: LinePosition;
}

/** The connection of a released lease. */
const noConnection: Pick<Connection, "query" | "transaction" | "page"> = {
  query: () => Promise.reject(new LeaseLost("it was released")),
  transaction: () => Promise.reject(new LeaseLost("it was released")),
  page: () => Promise.reject(new LeaseLost("it was released")),
};

const noPosition: Position = { epoch: 0, seq: 0 };

/** See {@link ShardLedger}. */
export class SqlShardLedger implements ShardLedger {
  readonly #lease: Lease;
  #connection: Pick<Connection, "query" | "transaction" | "page">;
  readonly #sql: Statements;
  readonly baskets: SqlShardBaskets;
  #window: Window | undefined;
  /** The cursor after this lease's last write, on which the preparation of a transaction relies. */
  #lastCursor: Position | undefined;

  /** @param lease of `shard` */
  constructor(readonly shard: number, lease: Lease, sql: Statements) {
    this.#lease = lease;
    this.#connection = lease.connection;
    this.#sql = sql;
    this.baskets = new SqlShardBaskets(shard, sql, (...args) => this.#connection.query(...args));
  }

  checkResults(): Promise<CheckResult[]> {
    return this.#lease.checkResults();
  }

  async cursor(): Promise<Cursor> {
    return this.#known(await this.#connection.query<Cursor>(this.#sql.read_cursor, [this.shard]));
  }

  async apply(entries: readonly LogEntry[]): Promise<Applied> {
    let all: Applied = { kind: "applied", cursor: noPosition, events: 0, deadLetters: 0, compensations: 0 };
    for (const part of entries.length === 0 ? [[]] : partsOf(entries)) {
      const applied = await this.#applyPart(part);
      if (applied.kind !== "applied") return applied;
      all = {
        ...applied,
        events: all.events + applied.events,
        deadLetters: all.deadLetters + applied.deadLetters,
        compensations: all.compensations + applied.compensations,
      };
    }
    return all;
  }

  async #applyPart(entries: readonly LogEntry[]): Promise<Applied> {
    const prepared = prepare(entries, this.#lastCursor ?? before(entries), this.#lease);
    const place: Place = {
      sql: this.#sql,
      shard: this.shard,
      lease: this.#lease,
      lockCursor: (tx) => this.#lockCursor(tx),
    };
    try {
      return await this.#inTransaction((tx) => applyInOneTrip(tx, place, prepared)) ??
        await this.#inTransaction((tx) => applyByCursor(tx, place, { entries, prepared, how: "at once" }));
    } catch (error) {
      if (remedyFor(error) !== "split") throw error;
      return await this.#inTransaction((tx) =>
        applyByCursor(tx, place, { entries, prepared, how: "by halves" })
      );
    }
  }

  async #inTransaction<T extends Applied | undefined>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    const applied = await this.#connection.transaction(run);
    if (applied) this.#lastCursor = applied.kind === "applied" ? applied.cursor : undefined;
    return applied;
  }

  async divergent(entries: readonly LogEntry[]): Promise<number[]> {
    const { seq } = await this.cursor();
    const applied = entries.flatMap(({ events }) => events.filter((event) => event.seq <= seq));
    return await findDivergent(this.#connection, this.#sql, this.shard, applied);
  }

  async issueEpoch(previous: number, seen: number): Promise<number | undefined> {
    const params = [this.shard, previous, seen, this.#lease.deployment];
    const [issued] = await this.#connection.query<{ issuedEpoch: number }>(this.#sql.issue_epoch, params);
    return issued?.issuedEpoch;
  }

  stock(afterSku: string, limit: number): Promise<StockRow[]> {
    return this.#connection.query<StockRow>(this.#sql.page_stock, [this.shard, afterSku, limit]);
  }

  async countSkus(): Promise<number> {
    const [count] = await this.#connection.query<{ skus: number }>(this.#sql.count_skus, [this.shard]);
    return count?.skus ?? 0;
  }

  stockAt(skus: readonly string[], seq: number): Promise<StockAt[]> {
    return this.#connection.query(this.#sql.stock_at, [this.shard, JSON.stringify(skus), seq]);
  }

  sumMovements(range: MovementRange): Promise<Omit<StockAt, "policy">[]> {
    const { afterSeq, toSeq, afterSku, toSku } = range;
    return this.#connection.query(this.#sql.sum_movements, [this.shard, afterSeq, toSeq, afterSku, toSku]);
  }

  async nthSku(afterSku: string, count: number): Promise<string | undefined> {
    const params = [this.shard, afterSku, count];
    const [row] = await this.#connection.query<{ sku: string }>(this.#sql.find_nth_sku, params);
    return row?.sku;
  }

  async countDeadLetters(): Promise<number> {
    const params = [this.shard];
    const [count] = await this.#connection.query<{ deadLetters: number }>(
      this.#sql.count_dead_letters,
      params,
    );
    return count?.deadLetters ?? 0;
  }

  lowStock(below: number, limit: number): Promise<Pick<StockRow, "sku" | "available">[]> {
    return this.#connection.query(this.#sql.find_low_stock, [this.shard, below, limit]);
  }

  async lines(sinceMs: number, after: LinePosition, limit: number): Promise<LinePage> {
    const { start } = await this.#windowOf(sinceMs, after);
    const from = after.seq < start.seq ? start : after;
    const page = await this.#connection.page<LineRow & { line: number }>(this.#sql.page_lines, [
      ...[this.shard, after.seq, after.line, sinceMs, limit],
      ...[start.seq, from.seq, from.line],
    ]);
    const last = page.length === limit ? page.at(-1) : undefined;
    return {
      rows: page.map(({ line: _, ...row }) => row),
      next: last && { seq: last.seq, line: last.line },
    };
  }

  async heldAside(): Promise<LineRow[]> {
    const prepared = this.#connection.query<LineRow>(this.#sql.find_prepared_twice, [this.shard]);
    return [...await prepared, ...await holdsSetAside(this.#connection, this.#sql, this.shard)];
  }

  async quotas(after: QuotaCursor, limit: number): Promise<QuotaPage> {
    const params = [this.shard, after.sku, after.seq, after.line, limit];
    const page = await this.#connection.page<QuotaRow & PageEnd>(this.#sql.page_quotas, params);
    const [last] = page;
    const rows = page.map(({ userId, sku, units, sale }) => ({ userId, sku, units, sale }));
    const next = last?.lines === limit
      ? { sku: last.lastSku, seq: last.lastSeq, line: last.lastLine }
      : undefined;
    return { rows: rows.filter(({ units }) => units > 0), next };
  }

  async compensations(after: Pick<Compensation, "seq" | "sku">, limit: number): Promise<Compensation[]> {
    const params = [this.shard, after.seq, after.sku, limit];
    const open = await this.#connection.query<Compensation>(this.#sql.page_compensations, params);
    if (open.length === 0) return open;
    // The applied adjustments are the record; `done_at` is derived from them, so that units are not returned again
    // when it is lost.
    await this.#connection.page(this.#sql.close_compensations, [this.shard, 0, Number.MAX_SAFE_INTEGER]);
    return this.#connection.query<Compensation>(this.#sql.page_compensations, params);
  }

  async forgetLines(ageMs: number, after: LinePosition, limit: number): Promise<Forgotten | undefined> {
    const params = [this.shard, after.seq, after.line, ageMs, limit];
    const [page] = await this.#connection.page<LinePosition & { lines: number }>(
      this.#sql.forget_lines,
      params,
    );
    return page && { lines: page.lines, last: { seq: page.seq, line: page.line } };
  }

  extendRanges(): Promise<boolean> {
    return extendRanges(this.#connection, this.#sql, this.shard);
  }

  foldMovements(ageMs: number, limit: number): Promise<Folded | undefined> {
    return foldMovements(this.#connection, this.#sql, this.shard, { ageMs, limit });
  }

  openings(afterSku: string, toSku: string): Promise<Openings> {
    return readOpenings(this.#connection, this.#sql, this.shard, afterSku, toSku);
  }

  async recordHead(head: number): Promise<void> {
    await this.#connection.query(this.#sql.note_head, [this.shard, head]);
  }

  async recordSeen({ epoch, seq }: Position, applied: number): Promise<void> {
    await this.#connection.query(this.#sql.note_seen, [this.shard, seq, applied, epoch]);
  }

  async recovery(): Promise<Recovery | undefined> {
    const [open] = await this.#connection.query<Recovery>(this.#sql.read_recovery, [this.shard]);
    return open;
  }

  jump(jump: Jump): Promise<void> {
    return this.#connection.transaction(async (tx) => {
      await this.#lockCursor(tx);
      await applyJump(tx, this.#sql, this.shard, jump);
    });
  }

  async beat(): Promise<void> {
    if (this.#connection === noConnection) throw new LeaseLost("it was released");
    await this.#lease.beat();
  }

  async release(): Promise<void> {
    if (this.#connection === noConnection) return;
    this.#connection = noConnection;
    await this.#lease.release();
  }

  /**
   * Read once, with the first page, because finding the start of a window of a day takes as long as counting its
   * lines.
   */
  async #windowOf(sinceMs: number, after: LinePosition): Promise<Window> {
    const known = this.#window;
    if (after.seq > 0 && known?.sinceMs === sinceMs) return known;
    const params = [this.shard, sinceMs];
    const [first] = await this.#connection.query<{ seq: number | null }>(this.#sql.find_first_line, params);
    const start = { seq: first?.seq ?? Number.MAX_SAFE_INTEGER, line: -1 };
    return this.#window = { sinceMs, start };
  }

  /** Reads and locks the cursor for a transaction that moves it. */
  async #lockCursor(tx: Transaction): Promise<Position> {
    const rows = await tx.query<Position & { deployment: string }>(this.#sql.lock_cursor, [this.shard]);
    const { deployment, epoch, seq } = this.#known(rows);
    if (deployment !== this.#lease.deployment) throw new ForeignLedger(deployment, this.#lease.deployment);
    return { epoch, seq };
  }

  #known<Row>([row]: readonly Row[]): Row {
    if (row === undefined) {
      throw new RangeError(
        `Cannot read the ledger of shard ${this.shard} as this deployment has no such shard`,
      );
    }
    return row;
  }
}
