/**
 * The ledger through a real PgBouncer.
 */
import assert from "node:assert/strict";
import type { Ledger } from "../../src/ledger/ledger.ts";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { openLedger } from "../../src/ledger/postgres/ledger.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { startPgbouncer } from "../../tools/servers/pgbouncer.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { entry, opening, sale } from "./ledger_fixture.ts";

/** What many sites ignore, as drivers and frameworks send them. */
const USUAL = "extra_float_digits,search_path,statement_timeout,lock_timeout,idle_session_timeout," +
  "idle_in_transaction_session_timeout,plan_cache_mode,jit,options";

async function open(url: string): Promise<Ledger & AsyncDisposable> {
  const database = openPostgres({ url, namespace: "inventory", applicationName: "pgbouncer-test", world });
  const ledger = await openLedger(database, world);
  return Object.assign(ledger, { [Symbol.asyncDispose]: () => ledger.close() });
}

for (const ignored of ["", USUAL]) {
  const how = ignored === "" ? "as installed" : "with the usual ignore_startup_parameters";
  Deno.test(`PgBouncer in session mode, ${how}: tables land in the schema, and a silent worker loses its lease`, async () => {
    const databaseUrl = await sharedPostgres().freshDatabase();
    await using bouncer = await startPgbouncer({ databaseUrl, poolMode: "session", ignored });
    await using ledger = await open(bouncer.url);
    const deployment = await ledger.prepare(1);
    assert.equal((await ledger.deployment())?.id, deployment.id, "the pool reads the schema, too");
    const schemas = await withConnection(
      databaseUrl,
      (sql) =>
        sql`select distinct table_schema as name from information_schema.tables
        where table_name in ('movements', 'stock', 'deployment')`,
    );
    assert.deepEqual([...schemas], [{ name: "inventory" }]);

    const lease = await ledger.lease(0);
    assert.ok(lease);
    await lease.apply([entry(1, opening(1, "SKU-1", 5), sale(2, "SKU-1", 4))]);
    assert.equal((await ledger.findOrder("order-2")).lines.length, 1);
    await using other = await open(bouncer.url);
    assert.equal(await other.lease(0), undefined);
    // It is silent from here on. PostgreSQL ends it after 3 s.
    let next: Awaited<ReturnType<Ledger["lease"]>>;
    await waitFor(async () => (next = await other.lease(0)) !== undefined, {
      deadlineMs: 60_000,
      what: "the lease of a silent worker",
    });
    assert.equal((await next?.cursor())?.seq, 2);
    await assert.rejects(lease.beat());
    await next?.release();
  });
}

Deno.test("PgBouncer in transaction mode is refused, as leases are session locks", async () => {
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using bouncer = await startPgbouncer({ databaseUrl, poolMode: "transaction" });
  await using ledger = await open(bouncer.url);
  await assert.rejects(ledger.prepare(1), /must be in session mode/);
});
