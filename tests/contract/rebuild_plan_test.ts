/**
 * What a rebuild reads of an old ledger: what counts, not what there is. Asked of PostgreSQL's own plans.
 */
import assert from "node:assert/strict";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { loadStatements, type PostgresStatementName } from "../../src/ledger/postgres/statements.ts";
import { openLedger } from "../../src/ledger/postgres/ledger.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";

const oldLines = 40_000;
const skus = 50;
const youngLines = 300;

/** The node of a plan, as `explain (analyze, format json)` has it. */
interface PlanNode {
  readonly "Relation Name"?: string;
  readonly "Actual Rows": number;
  readonly "Actual Loops": number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Rows Removed by Index Recheck"?: number;
  readonly Plans?: readonly PlanNode[];
}

function rowsRead(node: PlanNode): number {
  const removed = (node["Rows Removed by Filter"] ?? 0) + (node["Rows Removed by Index Recheck"] ?? 0);
  const own = node["Relation Name"] === undefined
    ? 0
    : (node["Actual Rows"] + removed) * node["Actual Loops"];
  return own + (node.Plans ?? []).reduce((sum, inner) => sum + rowsRead(inner), 0);
}

/** Months of quota sales, returns and adjustments, then a window that has just begun. */
async function oldLedger(): Promise<string> {
  const databaseUrl = await sharedPostgres().freshDatabase();
  const ledger = await openLedger(
    openPostgres({ url: databaseUrl, namespace: "inventory", applicationName: "holdfast-test", world }),
    world,
  );
  await ledger.prepare(1);
  await ledger.close();
  await withConnection(databaseUrl, async (sql) => {
    await sql`set search_path = inventory`;
    await sql`
      insert into stock (shard, sku, available, reserved, policy)
      select 0, 'S' || n, 1000, 0, json_build_object('quota', 5, 'sale', ${oldLines}::int)
      from generate_series(1, ${skus}::int) n`;
    await sql`
      insert into order_lines (
        shard, order_id, sku, user_id, amount, kind, state, units, has_quota, fingerprint, new_stock, seq, line, accepted_at
      )
      select
        0, 'o' || n, 'S' || 1 + n % ${skus}::int, 'u' || n, 1, 'deduct', 'accepted', 1, true, '', 1000, n, 0,
        case when n <= ${oldLines}::int then now() - interval '100 days' else now() end
      from generate_series(1, ${oldLines + youngLines}::int) n`;
    await sql`
      insert into movements (
        shard, epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after,
        reserved_after, fingerprint, reason, reference, actor, traceparent, occurred_at
      )
      select
        0, 1, n, 0, case n % 2 when 0 then 'return' else 'adjust' end, 'o' || n, 'u' || n, 'S1', 1, 0, 1, 0, '', '',
        '', '', '', case when n <= ${oldLines}::int then now() - interval '100 days' else now() end
      from generate_series(1, ${oldLines + youngLines}::int) n`;
    await sql`vacuum analyze`;
  });
  return databaseUrl;
}

async function planOf(
  databaseUrl: string,
  statement: PostgresStatementName,
  params: (string | number)[],
): Promise<PlanNode> {
  const text = (await loadStatements())[statement].replace(/\$(\d)/g, (_, n) => {
    const value = params[Number(n) - 1];
    return typeof value === "string" ? `'${value}'` : String(value);
  });
  return await withConnection(databaseUrl, async (sql) => {
    await sql`set search_path = inventory`;
    if (statement.startsWith("page_")) {
      await sql.unsafe("set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off");
    }
    const [row] = await sql.unsafe(`explain (analyze, format json) ${text}`);
    return row?.["QUERY PLAN"][0].Plan;
  });
}

Deno.test("rebuild: quotas and the start of the window are found without reading the old lines", async () => {
  const databaseUrl = await oldLedger();
  const all = rowsRead(await planOf(databaseUrl, "page_quotas", [0, "", 0, 0, 1000]));
  assert.ok(all < 2 * youngLines + 2 * skus, `${all} rows for all ${youngLines} lines that count`);
  const page = rowsRead(await planOf(databaseUrl, "page_quotas", [0, "S10", oldLines + 60, 0, 10]));
  assert.ok(page < 60, `${page} rows for a page of 10 lines`);
  const sinceMs = Date.now() - 3_600_000;
  const first = rowsRead(await planOf(databaseUrl, "find_first_line", [0, sinceMs]));
  // BRIN finds ranges of 128 pages of order lines, some 12,000 of them.
  assert.ok(first < oldLines / 2 + 2 * youngLines, `${first} rows to find the first of ${2 * youngLines}`);
});
