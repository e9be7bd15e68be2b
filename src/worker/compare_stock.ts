/**
 * Compares the stock of a shard's store with the ledger's, SKU by SKU.
 *
 * @module
 */
import type { ShardControl, ShardView } from "../decide/shard_control.ts";
import type { Difference, ShardLedger } from "../ledger/ledger.ts";

export interface ComparisonParts {
  readonly control: ShardControl;
  readonly ledger: ShardLedger;
}

/** The SKUs by which an unarmed store differs from a ledger that has applied everything. */
export async function compareStock(
  view: ShardView,
  { control, ledger }: ComparisonParts,
): Promise<Difference[]> {
  const ledgerStock = new Map<string, { available: number; reserved: number }>();
  const pageRows = 5000;
  for (let after = "";;) {
    const rows = await ledger.stock(after, pageRows);
    for (const { sku, available, reserved } of rows) ledgerStock.set(sku, { available, reserved });
    await ledger.beat();
    const last = rows.at(-1);
    if (!last || rows.length < pageRows) break;
    after = last.sku;
  }
  const differences: Difference[] = [];
  // A scan may return a SKU twice.
  const seen = new Set<string>();
  for (let cursor: string | null = view.empty ? null : "0"; cursor !== null;) {
    const page: Awaited<ReturnType<ShardControl["stock"]>> = await control.stock(ledger.shard, cursor);
    for (const { sku, available, reserved } of page.rows) {
      if (seen.has(sku)) continue;
      seen.add(sku);
      const inLedger = ledgerStock.get(sku);
      if (inLedger?.available === available && inLedger.reserved === reserved) continue;
      differences.push({ sku, ledger: inLedger, store: { available, reserved } });
    }
    cursor = page.next;
    await ledger.beat();
  }
  for (const [sku, inLedger] of ledgerStock) {
    if (!seen.has(sku)) differences.push({ sku, ledger: inLedger, store: undefined });
  }
  return differences;
}

/** Units by which store and ledger differ; a SKU that only one of them has counts as at least 1. */
export function driftOf(differences: readonly Difference[]): number {
  const units = (side: Difference["ledger"]) => side ? side.available + side.reserved : 0;
  return differences.reduce(
    (sum, { ledger, store }) => sum + Math.max(1, Math.abs(units(ledger) - units(store))),
    0,
  );
}

/** The first three differences as text. */
export function describe(differences: readonly Difference[], shard: number): string {
  const quantities = (side: Difference["ledger"]) => side ? `${side.available}+${side.reserved}` : "unknown";
  const some = differences.slice(0, 3).map(({ sku, ledger, store }) =>
    `'${sku}' is ${quantities(ledger)} in the ledger and ${quantities(store)} in the store`
  );
  return `Cannot arm shard ${shard} as ${differences.length} SKUs differ: ${some.join(", ")}`;
}
