/**
 * Proves that a shard's ledger is complete: everything in it follows from its movements, and no movement is missing.
 *
 * It reads pages of 5000 rows and takes no lock, while the worker continues. Movements only grow, so rows that were
 * read stay valid; values that depend on later movements are compared in one statement, or a second time.
 *
 * @module
 */
import type { Param, Queries } from "../database.ts";
import { compensationId } from "../compensation_id.ts";
import {
  canonical,
  type Fault,
  holdKey,
  ProofWalk,
  type ProvenHold,
  type ProvenMovement,
} from "../proof_walk.ts";
import { readOpenings } from "./openings.ts";
import type { CompensationRow, Ends, HeldRow, LineFault, OrderLineRow, StockPageRow } from "./proof_rows.ts";
import type { Statements } from "./statements.ts";

/** Rows per page: 20 to 60 ms. */
const pageRows = 5000;
/** Holds and compensations may change between two reads: a difference counts when it persists. */
const attemptsMax = 4;
/** Stock is compared at the end of the walk, which continues until fewer movements than this are new. */
const nearRows = 20_000;

/** Dependencies of a proof. */
export interface ProofParts {
  readonly queries: Pick<Queries, "query">;
  readonly sql: Statements;
  readonly shard: number;
  /** Order lines older than this may be deleted, ms. */
  readonly retentionMs: number;
  /** Called with the number of movements read so far. */
  readonly onProgress?: (movements: number) => void;
}

/** Reads all rows of a shard. Yields faults as they are found; the returned walk has the sums. */
export async function* proveShard(parts: ProofParts): AsyncGenerator<Fault, ProofWalk | undefined> {
  const proof = new Proof(parts);
  return yield* proof.run();
}

class Proof {
  readonly #parts: ProofParts;
  /** Order lines are compared up to this number. */
  #linesRead = 0;

  constructor(parts: ProofParts) {
    this.#parts = parts;
  }

  async *run(): AsyncGenerator<Fault, ProofWalk | undefined> {
    const openings = await readOpenings(this.#parts.queries, this.#parts.sql, this.#parts.shard, "", "");
    const walk = new ProofWalk(await this.#jumps(), await this.#deadNumbers(), openings);
    this.#linesRead = Math.max(0, openings.seq);
    let cursor = await this.#ends();
    yield* this.#walkTo(walk, cursor.seq);
    for (let near = false; !near;) {
      const now = await this.#ends();
      near = now.seq - cursor.seq < nearRows;
      cursor = now;
      yield* this.#walkTo(walk, cursor.seq);
    }
    yield* walk.end(cursor.seq);
    if (cursor.last > cursor.seq) {
      const wrong = `the movements go on to ${cursor.last}, the cursor is at ${cursor.seq}`;
      yield { check: "numbers", seq: cursor.last, subject: "", wrong };
    }
    yield* this.#stock(walk);
    yield* this.#orderLines();
    yield* this.#settled(walk, (moment) => this.#holds(moment));
    yield* this.#settled(walk, (moment) => this.#compensations(moment));
    return walk;
  }

  #query<Row extends object>(statement: keyof Statements, ...params: Param[]): Promise<Row[]> {
    return this.#parts.queries.query<Row>(this.#parts.sql[statement], [this.#parts.shard, ...params]);
  }

  async #ends(): Promise<Ends> {
    const [ends] = await this.#query<Ends>("verify_ends");
    if (!ends) {
      throw new RangeError(`Cannot prove shard ${this.#parts.shard} as this ledger has no such shard`);
    }
    return ends;
  }

  async #jumps(): Promise<Map<number, number>> {
    const jumps = new Map<number, number>();
    for (let after: number | undefined = -1; after !== undefined;) {
      const rows: { from: number; to: number }[] = await this.#query("page_jumps", after, pageRows);
      for (const { from, to } of rows) jumps.set(from, to);
      after = rows.length === pageRows ? rows.at(-1)?.from : undefined;
    }
    return jumps;
  }

  async #deadNumbers(): Promise<Set<number>> {
    const dead = new Set<number>();
    for (let after: number | undefined = -1; after !== undefined;) {
      const rows: { seq: number }[] = await this.#query("page_dead_numbers", after, pageRows);
      for (const { seq } of rows) dead.add(seq);
      after = rows.length === pageRows ? rows.at(-1)?.seq : undefined;
    }
    return dead;
  }

  /** Reads movements after the last one of the walk, up to a number, with the order lines of each page. */
  async *#walkTo(walk: ProofWalk, seq: number): AsyncGenerator<Fault> {
    for (let more = true; more;) {
      const from = walk.last;
      const page = await this.#query<ProvenMovement>("verify_movements", from.seq, from.line, seq, pageRows);
      const faults = [...walk.read(page)];
      if (faults.length > 0) await this.#assertUnfolded(from.seq);
      yield* faults;
      const last = page.at(-1);
      if (last) yield* this.#linesUpTo(last.seq);
      this.#parts.onProgress?.(walk.movements);
      more = page.length === pageRows;
    }
  }

  /** @throws {RangeError} when movements after a number went into opening balances while the proof reads them */
  async #assertUnfolded(seq: number): Promise<void> {
    const { openingSeq } = await this.#ends();
    if (openingSeq <= seq) return;
    const { shard } = this.#parts;
    throw new RangeError(
      `Cannot prove shard ${shard} as its movements up to ${openingSeq} went into opening balances meanwhile: try again`,
    );
  }

  /** By whole events, because a page of movements may end within one. */
  async *#linesUpTo(last: number): AsyncGenerator<Fault> {
    const after = this.#linesRead;
    this.#linesRead = Math.max(after, last);
    const rows = await this.#query<LineFault & { kind: string }>(
      "verify_lines",
      after,
      last,
      this.#parts.retentionMs,
    );
    for (const { seq, kind, orderId, sku, wrong } of rows) {
      yield { check: "order lines", seq, subject: `${orderId} ${sku}`, wrong: `${kind}: ${wrong}` };
    }
  }

  async *#stock(walk: ProofWalk): AsyncGenerator<Fault> {
    const seen = new Set<string>();
    const { seq: at, line } = walk.last;
    for (let after: string | undefined = ""; after !== undefined;) {
      const rows: StockPageRow[] = await this.#query("verify_stock", after, pageRows, at, line);
      for (const row of rows) {
        seen.add(row.sku);
        const known = walk.stock.get(row.sku);
        if (!known && row.isMovedLater) continue; // created since
        const sum = walk.sumOf(row.sku);
        if (sum.available !== row.available || sum.reserved !== row.reserved) {
          const wrong =
            `stock has ${row.available}+${row.reserved}, the movements give ${sum.available}+${sum.reserved}`;
          yield { check: "stock", seq: 0, subject: row.sku, wrong };
        }
        const [is, shall] = [canonical(row.policy), known ? known.policy : ""];
        if (!row.isRuledLater && shall !== undefined && is !== shall) {
          const wrong = `stock has ${is || "no rules"}, the movements give ${shall || "no rules"}`;
          yield { check: "rules", seq: 0, subject: row.sku, wrong };
        }
      }
      after = rows.length === pageRows ? rows.at(-1)?.sku : undefined;
    }
    for (const sku of walk.stock.keys()) {
      if (!seen.has(sku)) {
        yield { check: "stock", seq: 0, subject: sku, wrong: "its row in stock is missing" };
      }
    }
  }

  async *#orderLines(): AsyncGenerator<Fault> {
    for (let after: { seq: number; line: number } | undefined = { seq: 0, line: -1 }; after;) {
      const rows: OrderLineRow[] = await this.#query("verify_order_lines", after.seq, after.line, pageRows);
      for (const { seq, orderId, sku, wrong } of rows) {
        if (wrong !== null) yield { check: "order lines", seq, subject: `${orderId} ${sku}`, wrong };
      }
      const [first] = rows;
      after = first?.read === pageRows ? { seq: first.lastSeq, line: first.lastLine } : undefined;
    }
  }

  /**
   * Compares values that change while they are read; a fault must appear repeatedly, each time with the walk at the
   * end.
   */
  async *#settled(walk: ProofWalk, compare: (walk: ProofWalk) => Promise<Fault[]>): AsyncGenerator<Fault> {
    let found: Fault[] = [];
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const before = new Set(found.map(({ subject }) => subject));
      found = await compare(walk);
      if (attempt > 0) found = found.filter(({ subject }) => before.has(subject));
      if (found.length === 0) return;
      yield* this.#walkTo(walk, (await this.#ends()).seq);
    }
    yield* found;
  }

  async #holds(walk: ProofWalk): Promise<Fault[]> {
    const faults: Fault[] = [];
    const seen = new Set<string>();
    for (let after: { seq: number; line: number } | undefined = { seq: 0, line: -1 }; after;) {
      const rows: HeldRow[] = await this.#query("verify_holds", after.seq, after.line, pageRows);
      for (const row of rows) {
        const key = holdKey(row.orderId, row.sku);
        seen.add(key);
        const wrong = whyHold(row, walk.holds.get(key));
        if (wrong) faults.push({ check: "holds", seq: row.seq, subject: `${row.orderId} ${row.sku}`, wrong });
      }
      after = rows.length === pageRows ? rows.at(-1) : undefined;
    }
    for (const [key, { seq, isDead }] of walk.holds) {
      if (seen.has(key) || isDead) continue;
      const subject = key.replace("\u001f", " ");
      faults.push({
        check: "holds",
        seq,
        subject,
        wrong: "it is held by its movements, not by its order line",
      });
    }
    return faults;
  }

  async #compensations(walk: ProofWalk): Promise<Fault[]> {
    const faults: Fault[] = [];
    const { openingSeq } = await this.#ends();
    for (let after: { seq: number; sku: string } | undefined = { seq: 0, sku: "" }; after;) {
      const rows: CompensationRow[] = await this.#query(
        "verify_compensations",
        after.seq,
        after.sku,
        pageRows,
      );
      for (const { seq, sku, isDone } of rows) {
        if (isDone && seq <= openingSeq) continue; // its return may be gone
        const times = walk.givenBack.get(holdKey(compensationId(this.#parts.shard, seq), sku)) ?? 0;
        if (times === Number(isDone)) continue;
        const wrong = `it is ${isDone ? "closed" : "open"}, and was returned ${times} times`;
        faults.push({ check: "compensations", seq, subject: sku, wrong });
      }
      after = rows.length === pageRows ? rows.at(-1) : undefined;
    }
    return faults;
  }
}

function whyHold({ units, expires }: HeldRow, hold: ProvenHold | undefined): string {
  if (!hold) return "it is not held by any movement";
  if (hold.isDead) return "";
  if (units !== hold.units) return `units ${units} instead of ${hold.units}`;
  return expires === hold.expires ? "" : `expires at ${expires}, by the movements at ${hold.expires}`;
}
