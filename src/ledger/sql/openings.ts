/**
 * The retention of movements: old ones are added to opening balances, then dropped.
 *
 * The sums move in one transaction with `log_cursor.opening_seq`, and a reader takes both from one snapshot, so that a
 * movement counts once, whether it is dropped already or not.
 *
 * @module
 */
import { type Connection, SqlError } from "../database.ts";
import type { Folded, OpeningBalance, Openings } from "../openings.ts";
import type { Statements } from "./statements.ts";

/** A lock that was not free in time, and a deadlock: tried again with the next step. */
const busy = new Set(["55P03", "40P01"]);

/** As `ShardLedger.extendRanges`. */
export async function extendRanges(
  connection: Pick<Connection, "query">,
  sql: Statements,
  shard: number,
): Promise<boolean> {
  const extend = () => connection.query<{ extended: boolean }>(sql.extend_ranges, [shard]);
  const [row] = await unlessBusy(extend) ?? [];
  return row?.extended ?? false;
}

/** As `ShardLedger.foldMovements`. */
export async function foldMovements(
  connection: Pick<Connection, "query" | "transaction">,
  sql: Statements,
  shard: number,
  { ageMs, limit }: { readonly ageMs: number; readonly limit: number },
): Promise<Folded | undefined> {
  const drop = () => connection.query<{ dropped: unknown }>(sql.drop_folded, [shard]);
  const [row] = await unlessBusy(drop) ?? [];
  if (row && row.dropped !== null) return { numbers: 0, isDropped: true };
  const [found] = await connection.query<{ openingSeq: number; toSeq: number }>(sql.find_foldable, [
    shard,
    ageMs,
  ]);
  if (!found) return undefined;
  const { openingSeq } = found;
  const toSeq = Math.min(found.toSeq, openingSeq + limit);
  await connection.transaction((tx) => tx.query(sql.fold_movements, [shard, openingSeq, toSeq]));
  return { numbers: toSeq - openingSeq, isDropped: false };
}

/** As `ShardLedger.openings`. */
export async function readOpenings(
  connection: Pick<Connection, "query">,
  sql: Statements,
  shard: number,
  afterSku: string,
  toSku: string,
): Promise<Openings> {
  type Row = { readonly seq: number } & (OpeningBalance | { readonly sku: null });
  const rows = await connection.query<Row>(sql.read_openings, [shard, afterSku, toSku]);
  return {
    seq: rows[0]?.seq ?? -1,
    balances: rows.flatMap((row) => row.sku === null ? [] : [row]),
  };
}

async function unlessBusy<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof SqlError && busy.has(error.sqlstate)) return undefined;
    throw error;
  }
}
