/**
 * `skus`: the SKUs of all shards, in pages.
 *
 * @module
 */
import { exits, Failure } from "../context/failure.ts";
import type { CliContext } from "../context/context.ts";
import { table, type Terminal } from "../context/terminal.ts";

/** A row of the ledger. */
interface SkuRow {
  readonly sku: string;
  readonly shard: number;
  readonly available: number;
  readonly reserved: number;
  readonly rules: string | null;
}

const rowsMax = 10_000;

/** The primary key begins with the shard: one short index scan a shard, then their first rows. */
const pageSql = `
  select s.sku, s.shard, s.available, s.reserved, s.policy::text as rules
  from log_cursor c cross join lateral (
    select * from stock where stock.shard = c.shard and stock.sku > $1 order by stock.sku limit $2
  ) s
  order by s.sku limit $2`;

/** Prints one page in the order of the SKUs' bytes, and how to ask for the next one. */
export async function listSkus(
  context: CliContext,
  terminal: Terminal,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<number> {
  if (limit < 1 || limit > rowsMax) throw new Failure(`--limit must be from 1 to ${rowsMax}`, "usage");
  await context.deployment();
  const found = await (await context.database()).query<SkuRow>(pageSql, [after, limit + 1]);
  const rows = found.slice(0, limit);
  const next = found.length > limit ? rows.at(-1)?.sku ?? null : null;
  terminal.result(
    { skus: rows.map((row) => ({ ...row, rules: row.rules === null ? null : JSON.parse(row.rules) })), next },
    rows.length === 0 ? "No SKUs" : table(rows.map((row) => ({ ...row }))),
  );
  if (next !== null) terminal.note(`More: --after '${next.replaceAll("'", `'\\''`)}'`);
  return exits.ok;
}
