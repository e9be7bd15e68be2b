/**
 * `skus`: the SKUs of all shards, in pages.
 *
 * @module
 */
import { loadStatements } from "../../ledger/postgres/statements.ts";
import { exits, Failure } from "../context/failure.ts";
import type { CliContext } from "../context/context.ts";
import { table, type Terminal } from "../context/terminal.ts";

interface SkuRow {
  readonly sku: string;
  readonly shard: number;
  readonly available: number;
  readonly reserved: number;
  readonly rules: string | null;
}

const rowsMax = 10_000;

/** Prints one page in the byte order of the SKUs, and the option for the next one. */
export async function listSkus(
  context: CliContext,
  terminal: Terminal,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<number> {
  if (limit < 1 || limit > rowsMax) throw new Failure(`--limit must be from 1 to ${rowsMax}`, "usage");
  await context.deployment();
  const found = await (await context.database()).query<SkuRow>((await loadStatements()).page_skus, [
    after,
    limit + 1,
  ]);
  const rows = found.slice(0, limit);
  const next = found.length > limit ? rows.at(-1)?.sku ?? null : null;
  terminal.result(
    { skus: rows.map((row) => ({ ...row, rules: row.rules === null ? null : JSON.parse(row.rules) })), next },
    rows.length === 0 ? "No SKUs" : table(rows.map((row) => ({ ...row }))),
  );
  if (next !== null) terminal.note(`More: --after '${next.replaceAll("'", `'\\''`)}'`);
  return exits.ok;
}
