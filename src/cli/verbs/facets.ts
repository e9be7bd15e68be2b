/**
 * The four facets of a comparison, each with the values of store and ledger.
 *
 * @module
 */
import type { RememberedLine } from "../../domain/outcome.ts";
import { isPseudonym } from "../../domain/pseudonym.ts";
import { pairKey, rememberedKey } from "../../domain/remembered_line.ts";
import type { Facet, FacetValue } from "../../decide/shard_reader.ts";
import type { Param, Queries } from "../../ledger/database.ts";
import type { PostgresStatementName, PostgresStatements } from "../../ledger/postgres/statements.ts";
import type { StockAt } from "../../ledger/ledger.ts";
import { nothing, stockDifference, type Unequal } from "../../worker/stock_difference.ts";
import type { Pending } from "./pending.ts";

export interface LedgerSide {
  readonly queries: Queries;
  readonly sql: PostgresStatements;
  readonly shard: number;
  /** Lines accepted since then must be remembered, ms since 1970. Advances with the clock. */
  readonly sinceMs: () => number;
  /** Lines with a higher number were accepted after the comparison began, and are left out. */
  readonly untilSeq: number;
  /** Events that cannot be applied; undefined when everything is applied. */
  readonly pending: Pending | undefined;
}

export interface Comparer<F extends Facet = Facet> {
  readonly facet: F;
  /** Names in the ledger, in pages; for orders with the SKU that must be present. */
  ledgerNames(side: LedgerSide): AsyncGenerator<Named[]>;
  /** Differences by name, when the ledger has applied `head`. */
  compare(
    side: LedgerSide,
    names: readonly Named[],
    values: readonly FacetValue[F][],
    head: number,
  ): Promise<Map<string, Unequal>>;
  /** Whether the ledger may have a later value of the name than the store's response. */
  isChanged(name: string, changes: Changes): boolean;
}

/** Changes by the ledger's events after a number. */
export interface Changes {
  /** Ids of orders and adjustments. */
  readonly ids: ReadonlySet<string>;
  /** Users with their SKUs, by their names in the store. */
  readonly pairs: ReadonlySet<string>;
  /** SKUs whose rules changed. */
  readonly ruled: ReadonlySet<string>;
}

/** Reads the changes after number `seq`. */
export async function readChanges(side: LedgerSide, seq: number): Promise<Changes> {
  type Row = { id: string; userId: string; sku: string; isRuled: boolean };
  const rows = await query<Row>(side, "find_changes", seq);
  return {
    ids: new Set(rows.map(({ id }) => id)),
    pairs: new Set(rows.map(({ userId, sku }) => pairKey(userId, sku))),
    ruled: new Set(rows.filter(({ isRuled }) => isRuled).map(({ sku }) => sku)),
  };
}

export interface Named {
  readonly name: string;
  /** A line that must be present; left out = any. */
  readonly sku?: string;
}

const pageRows = 2000;

function query<Row extends object>(
  side: LedgerSide,
  statement: PostgresStatementName,
  ...params: Param[]
): Promise<Row[]> {
  return side.queries.query<Row>(side.sql[statement], [side.shard, ...params]);
}

/** Available and reserved units, and the rules. */
const stock: Comparer<"stock"> = {
  facet: "stock",
  async *ledgerNames(side) {
    for (let after: string | undefined = ""; after !== undefined;) {
      const rows: { sku: string }[] = await query(side, "page_stock", after, pageRows);
      yield rows.map(({ sku }) => ({ name: sku }));
      after = rows.length === pageRows ? rows.at(-1)?.sku : undefined;
    }
  },
  async compare(side, names, values, head) {
    const { pending } = side;
    const at = pending ? pending.cursor.seq : head;
    const rows = await query<StockAt>(
      side,
      "stock_at",
      JSON.stringify(names.map(({ name }) => name)),
      at,
    );
    const inLedgerByName = new Map(rows.map((row) => [row.sku, row]));
    const unequal = new Map<string, Unequal>();
    names.forEach(({ name: sku }, i) => {
      const found = stockDifference(inLedgerByName.get(sku), values[i] ?? null, pending?.skus.get(sku));
      if (found) unequal.set(sku, found);
    });
    return unequal;
  },
  isChanged: () => false, // compared at the head itself
};

interface LedgerLine {
  readonly at: number;
  readonly kind: string | null;
  /** Null like `kind`: the ledger has no such line. */
  readonly userId: string | null;
  readonly amount: number;
  readonly seq: number;
  readonly state: string;
  readonly units: number;
  readonly expiresAtMs: number;
  readonly isAside: boolean;
}

/** Remembered lines, from which retries are answered. */
const orders: Comparer<"orders"> = {
  facet: "orders",
  async *ledgerNames(side) {
    const [first] = await query<{ seq: number | null }>(side, "find_first_line", side.sinceMs());
    if (typeof first?.seq !== "number") return;
    type Row = { id: string; returnId: string; kind: string; sku: string; seq: number; line: number };
    for (let after: { seq: number; line: number } | undefined = { seq: first.seq, line: -1 }; after;) {
      const since = side.sinceMs();
      const rows: Row[] = await query(side, "compare_recent", after.seq, after.line, since, pageRows);
      const old = rows.filter(({ seq }) => seq <= side.untilSeq);
      yield old.map((row) => ({ name: rememberedKey(row), sku: row.sku }));
      after = old.length === pageRows ? rows.at(-1) : undefined;
    }
  },
  async compare(side, names, values) {
    const shown: { name: string; line: RememberedLine }[] = [];
    const unequal = new Map<string, Unequal>();
    names.forEach(({ name, sku }, i) => {
      const lines = values[i] ?? [];
      if (side.pending?.names.has(name)) return;
      for (const line of lines) shown.push({ name, line });
      if (sku !== undefined && !lines.some((line) => line.sku === sku)) {
        unequal.set(name, { what: "orders", ledger: `a line of ${sku}`, store: nothing });
      }
    });
    const asked = shown.map(({ name, line: { sku, kind, seq } }, at) => {
      const [id = "", returnId = ""] = idsOf(name);
      return { at, id, returnId, sku, kind, seq };
    });
    for (const row of await query<LedgerLine>(side, "compare_lines", JSON.stringify(asked))) {
      const found = shown[row.at];
      if (!found || row.isAside) continue;
      // A user who is forgotten in the ledger only.
      const isForgotten = row.userId !== null && isPseudonym(row.userId);
      const userId = isForgotten ? found.line.userId : row.userId;
      const [ledger, store] = [row.kind === null ? nothing : saidOf({ ...row, userId }), saidOf(found.line)];
      if (ledger === store) continue;
      const { sku } = found.line;
      unequal.set(found.name, { what: "orders", ledger: `${sku}: ${ledger}`, store: `${sku}: ${store}` });
    }
    return unequal;
  },
  isChanged: (name, { ids }) => ids.has(idsOf(name)[0] ?? ""),
};

/** The order's or adjustment's id, and the return's. */
function idsOf(name: string): string[] {
  return name.replace(/^\p{Cc}/u, "").split("\u001f");
}

function saidOf(
  line: Omit<LedgerLine, "at" | "isAside" | "kind"> & { readonly kind: string | null },
): string {
  const { kind, userId, amount, seq, state, units, expiresAtMs } = line;
  const until = state === "held" ? ` until ${expiresAtMs}` : "";
  return `${kind} ${amount} of ${userId || "no user"}, number ${seq}, ${state} ${units}${until}`;
}

/** Purchases of SKUs with a quota, by user. */
const quotas: Comparer<"quotas"> = {
  facet: "quotas",
  async *ledgerNames(side) {
    type Row = { userId: string; sku: string; seq: number; line: number };
    for (let after: Row | undefined = { userId: "", sku: "", seq: 0, line: -1 }; after;) {
      const { sku, seq, line }: Row = after;
      const rows: Row[] = await query(side, "compare_buyers", sku, seq, line, side.untilSeq, pageRows);
      const names = new Set(rows.map((row) => pairKey(row.userId, row.sku)));
      yield Array.from(names, (name) => ({ name }));
      after = rows.length === pageRows ? rows.at(-1) : undefined;
    }
  },
  async compare(side, names, values) {
    const asked = names.map(({ name }) => {
      const [userId = "", sku = ""] = name.split("\u001f");
      return { userId, sku };
    });
    type Row = { userId: string; sku: string; sale: number; units: number };
    const rows = await query<Row>(side, "compare_quotas", JSON.stringify(asked));
    const inLedgerByName = new Map(rows.map((row) => [pairKey(row.userId, row.sku), row]));
    const unequal = new Map<string, Unequal>();
    names.forEach(({ name }, i) => {
      const inLedger = inLedgerByName.get(name);
      if (!inLedger || side.pending?.names.has(name)) return; // without a quota nothing counts
      const [units = 0, sale = 0] = (values[i] ?? "0 0").split(" ").map(Number);
      const counted = sale === inLedger.sale ? units : 0;
      if (counted !== inLedger.units) {
        unequal.set(name, { what: "quotas", ledger: `${inLedger.units} bought`, store: `${counted} bought` });
      }
    });
    return unequal;
  },
  isChanged: (name, { pairs, ruled }) => pairs.has(name) || ruled.has(name.split("\u001f")[1] ?? ""),
};

/** Before the ids of orders with prepared lines: see `lua/state.lua`. */
const preparedPrefix = "\u0003";

/** Expiry of open reservations. */
const holds: Comparer<"holds"> = {
  facet: "holds",
  async *ledgerNames(side) {
    type Row = { orderId: string; seq: number; line: number };
    for (let after: { seq: number; line: number } | undefined = { seq: 0, line: -1 }; after;) {
      const rows: Row[] = await query(side, "verify_holds", after.seq, after.line, pageRows);
      const old = rows.filter(({ seq }) => seq <= side.untilSeq);
      yield old.map(({ orderId }) => ({ name: orderId }));
      after = old.length === pageRows ? rows.at(-1) : undefined;
    }
  },
  async compare(side, names, values) {
    const asked = JSON.stringify(names.map(({ name }) => name));
    const rows = await query<{ id: string; expires: number }>(side, "compare_holds", asked);
    const inLedgerByName = new Map(rows.map(({ id, expires }) => [id, String(expires)]));
    const unequal = new Map<string, Unequal>();
    names.forEach(({ name }, i) => {
      // Prepared lines have no end by time: they are compared as orders.
      if (side.pending?.names.has(name) || name.startsWith(preparedPrefix)) return;
      const [ledger, store] = [inLedgerByName.get(name) ?? nothing, values[i] ?? nothing];
      if (ledger !== store) {
        unequal.set(name, { what: "holds", ledger: `lapses: ${ledger}`, store: `lapses: ${store}` });
      }
    });
    return unequal;
  },
  isChanged: (name, { ids }) => ids.has(name),
};

/** All four, in the order in which they are compared. */
export const comparers: readonly Comparer[] = [
  stock,
  orders,
  quotas,
  holds,
] as readonly unknown[] as readonly Comparer[];
