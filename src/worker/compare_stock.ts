/**
 * Compares the stock of a shard's store with the ledger's, SKU by SKU.
 *
 * @module
 */
import type { ShardControl, ShardView } from "../decide/shard_control.ts";
import type { Difference, ShardLedger } from "../ledger/ledger.ts";

/** The two sides of the comparison. */
export interface ComparisonParts {
  /** The store's side. */
  readonly control: ShardControl;
  /** The lease on the shard's books; kept alive between pages. */
  readonly ledger: ShardLedger;
}

/** Unarmed and with everything applied, store and ledger must agree on every SKU. */
export async function compareStock(
  view: ShardView,
  { control, ledger }: ComparisonParts,
): Promise<Difference[]> {
  const books = new Map<string, { available: number; reserved: number }>();
  const pageRows = 5000;
  for (let after = "";;) {
    const rows = await ledger.stock(after, pageRows);
    for (const { sku, available, reserved } of rows) books.set(sku, { available, reserved });
    await ledger.beat();
    const last = rows.at(-1);
    if (!last || rows.length < pageRows) break;
    after = last.sku;
  }
  const differences: Difference[] = [];
  // A scan may show a SKU twice, so what was seen is kept until the end.
  const seen = new Set<string>();
  for (let cursor: string | null = view.empty ? null : "0"; cursor !== null;) {
    const page: Awaited<ReturnType<ShardControl["stock"]>> = await control.stock(ledger.shard, cursor);
    for (const { sku, available, reserved } of page.rows) {
      if (seen.has(sku)) continue;
      seen.add(sku);
      const book = books.get(sku);
      if (book?.available === available && book.reserved === reserved) continue;
      differences.push({ sku, ledger: book, store: { available, reserved } });
    }
    cursor = page.next;
    await ledger.beat();
  }
  for (const [sku, book] of books) {
    if (!seen.has(sku)) differences.push({ sku, ledger: book, store: undefined });
  }
  return differences;
}

/** By how many units store and ledger differ: at least 1, as a SKU that only one of them knows is a difference too. */
export function driftOf(differences: readonly Difference[]): number {
  const units = (side: Difference["ledger"]) => side ? side.available + side.reserved : 0;
  return differences.reduce(
    (sum, { ledger, store }) => sum + Math.max(1, Math.abs(units(ledger) - units(store))),
    0,
  );
}

/** The first few differences as text. */
export function describe(differences: readonly Difference[], shard: number): string {
  const figures = (side: Difference["ledger"]) => side ? `${side.available}+${side.reserved}` : "unknown";
  const some = differences.slice(0, 3).map(({ sku, ledger, store }) =>
    `'${sku}' is ${figures(ledger)} in the ledger and ${figures(store)} in the store`
  );
  return `Cannot arm shard ${shard} as ${differences.length} SKUs differ: ${some.join(", ")}`;
}
