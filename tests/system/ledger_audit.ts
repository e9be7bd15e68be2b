/**
 * The audit after a sale, with zero tolerance: what buyers heard, what the store has left and what the
 * ledger holds must be one and the same.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { withConnection } from "../../tools/servers/database.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import type { Heard } from "./load_clients.ts";
import type { Order } from "./plan.ts";
import type { HistoryRecorder } from "./recorder.ts";
import type { Service } from "./stack.ts";

/** The ledger's tables, as far as an auditor reads them. */
export interface LedgerTables {
  readonly lines: readonly {
    readonly order_id: string;
    readonly sku: string;
    readonly user_id: string;
    readonly amount: number;
    readonly new_stock: number;
    readonly seq: number;
  }[];
  readonly movements: readonly {
    readonly shard: number;
    readonly seq: number;
    readonly kind: string;
    readonly order_id: string;
    readonly user_id: string;
    readonly reference: string;
    readonly sku: string;
    readonly delta: number;
    readonly reserved_delta: number;
    readonly available_after: number;
    readonly reserved_after: number;
  }[];
  readonly stock: readonly { readonly sku: string; readonly available: number; readonly reserved: number }[];
  readonly cursors: readonly { readonly shard: number; readonly seq: number }[];
  /** Numbers that were declared lost. */
  readonly jumps: readonly NumberRange[];
  /** Declared numbers that were recovered from the store. */
  readonly recoveries: readonly NumberRange[];
  readonly deadLetters: number;
}

/** Numbers after `from_seq`, up to `to_seq`, and when something was decided about them: ms since 1970. */
export interface NumberRange {
  readonly shard: number;
  readonly from_seq: number;
  readonly to_seq: number;
  readonly at_ms: number;
}

/** A sale as the outside saw it. */
export interface Sale {
  readonly orders: readonly Order[];
  /** What each buyer heard at last, in the order of `orders`; missing for an order that was never sent. */
  readonly heard: readonly (Heard | undefined)[];
  /** Units of each SKU before the sale, all of them by one adjustment; nothing else touched the stock. */
  readonly initial: ReadonlyMap<string, number>;
  /** Units of each SKU after it, as the API says. */
  readonly left: ReadonlyMap<string, number>;
  /** All that clients called and heard. */
  readonly history: HistoryRecorder;
}

/** Enough violations to see what is wrong. */
const VIOLATIONS_SHOWN = 10;

/** Asserts that the sale and the ledger agree to the unit, and that the history of the sale breaks no rule. */
export function assertLedger(sale: Sale, tables: LedgerTables): void {
  const violations = [
    ...undecided(sale),
    ...linesAgainstAnswers(sale, tables),
    ...stockAgainstLines(sale, tables),
    ...numbersWithoutGap(tables),
    ...refusalsWereTrue(sale, tables),
    ...tables.deadLetters > 0 ? [`${tables.deadLetters} dead letters`] : [],
  ];
  assert.deepEqual(violations.slice(0, VIOLATIONS_SHOWN), [], `${violations.length} violations`);
  sale.history.assertHolds(tables);
}

function undecided({ orders, heard }: Sale): string[] {
  return orders.flatMap(({ orderId }, index) => {
    const last = heard[index];
    return last?.kind === "unknown" ? [`${orderId} has no definite answer: ${last.code}`] : [];
  });
}

/** The rows are the accepted answers: no more, no fewer, and with the same contents. */
function linesAgainstAnswers({ orders, heard }: Sale, tables: LedgerTables): string[] {
  const rows = new Map(tables.lines.map((line) => [line.order_id, line]));
  const violations = rows.size === tables.lines.length ? [] : ["an order id has two lines"];
  orders.forEach(({ orderId, ...order }, index) => {
    const row = rows.get(orderId);
    const answer = heard[index];
    rows.delete(orderId);
    if (answer?.kind !== "accepted") {
      if (row) violations.push(`${orderId} is applied, and its buyer heard ${JSON.stringify(answer)}`);
      return;
    }
    const said = { ...order, newStock: answer.newStock, seq: answer.seq };
    const written = row &&
      { userId: row.user_id, sku: row.sku, amount: row.amount, newStock: row.new_stock, seq: row.seq };
    if (JSON.stringify(said) !== JSON.stringify(written)) {
      violations.push(
        `${orderId} was accepted as ${JSON.stringify(said)}, applied ${JSON.stringify(written)}`,
      );
    }
  });
  return [
    ...violations,
    ...[...rows.keys()].map((orderId) => `${orderId} is applied and no buyer ordered it`),
  ];
}

/** Initial − sold = left, by the API, by the table of stock and by the sum of the movements. */
function stockAgainstLines({ orders, heard, initial, left }: Sale, tables: LedgerTables): string[] {
  const sold = sums(
    orders.flatMap(({ sku, amount }, index) =>
      heard[index]?.kind === "accepted" ? [[sku, amount] as const] : []
    ),
  );
  const moved = sums(tables.movements.map(({ sku, delta }) => [sku, delta] as const));
  const stock = new Map(tables.stock.map(({ sku, available }) => [sku, available]));
  const skus = new Set([...initial.keys(), ...stock.keys(), ...moved.keys()]);
  return [...skus].flatMap((sku) => {
    const expected = (initial.get(sku) ?? 0) - (sold.get(sku) ?? 0);
    const found = { api: left.get(sku), stock: stock.get(sku), movements: moved.get(sku) };
    const agrees = expected >= 0 && Object.values(found).every((units) => units === expected);
    return agrees ? [] : [`${sku} must have ${expected} units left: found ${JSON.stringify(found)}`];
  });
}

/** 1, 2, 3, … to the cursor in every shard, but for numbers that a rebuild has declared lost. */
function numbersWithoutGap({ movements, cursors, jumps }: LedgerTables): string[] {
  return cursors.flatMap(({ shard, seq: last }) => {
    const found = new Set(movements.filter((row) => row.shard === shard).map(({ seq }) => seq));
    const lost = jumps.filter((jump) => jump.shard === shard);
    const violations: string[] = [];
    for (let seq = 1; seq <= last; seq++) {
      const isLost = lost.some(({ from_seq, to_seq }) => from_seq < seq && seq <= to_seq);
      if (found.delete(seq) === isLost) {
        violations.push(`shard ${shard}, number ${seq}: ${isLost ? "applied though lost" : "missing"}`);
      }
    }
    return [...violations, ...[...found].map((seq) => `shard ${shard}, number ${seq} is after the cursor`)];
  });
}

/**
 * Stock only falls in a sale, so a refusal is true only if the order wants more than was left at the end.
 * And what it says was available must be a quantity that the SKU once had.
 */
function refusalsWereTrue({ orders, heard, left }: Sale, tables: LedgerTables): string[] {
  const states = new Set(tables.movements.map(({ sku, available_after }) => `${sku} ${available_after}`));
  return orders.flatMap(({ orderId, sku, amount }, index) => {
    const answer = heard[index];
    if (answer?.kind !== "refused" || answer.code !== "insufficient_stock") return [];
    const { available = -1 } = answer;
    const isTrue = amount > available && amount > (left.get(sku) ?? 0) && states.has(`${sku} ${available}`);
    return isTrue ? [] : [
      `${orderId} wanted ${amount} of ${sku}, heard that ${available} were there; ${left.get(sku)} are left`,
    ];
  });
}

function sums(pairs: readonly (readonly [string, number])[]): Map<string, number> {
  const sum = new Map<string, number>();
  for (const [key, value] of pairs) sum.set(key, (sum.get(key) ?? 0) + value);
  return sum;
}

/** Makes every SKU with its units, by one adjustment each. Returns the history of the API's deployment. */
export async function stockUp(api: Service, initial: ReadonlyMap<string, number>): Promise<HistoryRecorder> {
  for (const [sku, delta] of initial) {
    const adjustment_id = `initial-${sku}`;
    const { status, body } = await api.post(`/api/v1/inventory/${sku}/adjustments`, { adjustment_id, delta });
    assert.equal(status, 201, JSON.stringify(body));
  }
  return api.history;
}

/** What the API says of each SKU. */
export async function stockOf(
  api: Service,
  skus: Iterable<string>,
): Promise<Map<string, { available: number; shard: number; seq: number }>> {
  const stock = new Map();
  for (const sku of skus) {
    const { status, body } = await api.get(`/api/v1/inventory/${sku}`);
    assert.equal(status, 200, JSON.stringify(body));
    stock.set(sku, { available: body.available, shard: body.shard, seq: body.seq });
  }
  return stock;
}

/** Units of each SKU. */
export function unitsOf(stock: ReadonlyMap<string, { readonly available: number }>): Map<string, number> {
  return new Map([...stock].map(([sku, { available }]) => [sku, available]));
}

/** Where a deployment's ledger is on PostgreSQL. */
export interface LedgerPlace {
  readonly databaseUrl: string;
  /** NAMESPACE; `inventory` when left out. */
  readonly namespace?: string;
}

/** Waits until everything that the store has issued is in the ledger, then reads all of it. */
export async function readLedger(
  { databaseUrl, namespace = "inventory" }: LedgerPlace,
  stock: ReadonlyMap<string, { readonly shard: number; readonly seq: number }>,
  deadlineMs: number = 60_000,
): Promise<LedgerTables> {
  return await withConnection(databaseUrl, async (sql) => {
    const query: Query = async (statement) => [...await sql.unsafe(statement)];
    let cursors: LedgerTables["cursors"] = [];
    await waitFor(async () => {
      cursors = await query(
        statements(namespace, epochMs.postgres).cursors,
      ) as unknown as LedgerTables["cursors"];
      const applied = new Map(cursors.map(({ shard, seq }) => [shard, seq]));
      return [...stock.values()].every(({ shard, seq }) => (applied.get(shard) ?? -1) >= seq);
    }, { deadlineMs, what: "the ledger to have all that was sold" }).catch((error) => {
      const heads = [...stock.values()].map(({ shard, seq }) => `${shard}: ${seq}`);
      throw new Error(`${error.message}: heads ${heads}, cursors ${JSON.stringify(cursors)}`, {
        cause: error,
      });
    });
    // One snapshot: a worker may commit between two statements.
    await query("begin isolation level repeatable read read only");
    const all = statements(namespace, epochMs.postgres);
    // The ledger of a version before may lack the table.
    const [found] = await query(
      `select to_regclass('${namespace}.recoveries') is not null as "hasRecoveries"`,
    );
    return await readTables(query, found?.hasRecoveries ? all : { ...all, recoveries: "select where false" });
  });
}

/** Reads the ledger of the embedded default, which may be selling. */
export async function readFolder(folder: string): Promise<LedgerTables> {
  const database = new DatabaseSync(`${folder}/ledger.db`, { readOnly: true });
  try {
    const query: Query = (statement) => {
      const rows = database.prepare(statement.replaceAll("::float8", "")).all();
      return Promise.resolve(rows.map((row) => ({ ...row })));
    };
    database.exec("begin"); // one snapshot
    return await readTables(query, statements("main", epochMs.sqlite));
  } finally {
    database.close();
  }
}

type Query = (statement: string) => Promise<Record<string, unknown>[]>;

async function readTables(
  query: Query,
  { lines, movements, stock, cursors, jumps, recoveries, deadLetters }: ReturnType<typeof statements>,
): Promise<LedgerTables> {
  const [letters] = await query(deadLetters);
  return {
    lines: await query(lines) as unknown as LedgerTables["lines"],
    movements: await query(movements) as unknown as LedgerTables["movements"],
    stock: await query(stock) as unknown as LedgerTables["stock"],
    cursors: await query(cursors) as unknown as LedgerTables["cursors"],
    jumps: await query(jumps) as unknown as LedgerTables["jumps"],
    recoveries: await query(recoveries) as unknown as LedgerTables["recoveries"],
    deadLetters: Number(letters?.count),
  };
}

/** A column with a time as milliseconds since 1970. */
const epochMs = {
  postgres: (column: string) => `(extract(epoch from ${column}) * 1000)::float8`,
  sqlite: (column: string) => `unixepoch(${column}, 'subsec') * 1000.0`,
};

/** Quantities as float8, which drivers give as numbers: a SKU holds up to 10^12 units. */
function statements(schema: string, epochOf: (column: string) => string) {
  return {
    lines:
      `select order_id, sku, user_id, amount::float8, new_stock::float8, seq::float8 from ${schema}.order_lines`,
    movements:
      `select shard, seq::float8, kind, order_id, user_id, reference, sku, delta::float8, reserved_delta::float8,
        available_after::float8, reserved_after::float8 from ${schema}.movements order by shard, seq, line`,
    stock: `select sku, available::float8, reserved::float8 from ${schema}.stock`,
    cursors: `select shard, seq::float8 from ${schema}.log_cursor order by shard`,
    jumps: `select shard, from_seq::float8, to_seq::float8, ${
      epochOf("at")
    } as at_ms from ${schema}.log_jumps`,
    // A request that another one replaced is closed with it.
    recoveries: `select r.shard, r.from_seq::float8, r.to_seq::float8, ${epochOf("r.done_at")} as at_ms
      from ${schema}.recoveries r
      join ${schema}.log_jumps j on j.shard = r.shard and j.from_seq = r.from_seq and j.to_seq = r.to_seq
      where r.source = 'store' and r.id = (
        select max(l.id) from ${schema}.recoveries l
        where l.shard = r.shard and l.from_seq = r.from_seq and l.to_seq = r.to_seq and l.done_at is not null
      )`,
    deadLetters: `select count(*)::float8 as count from ${schema}.dead_letters`,
  };
}
