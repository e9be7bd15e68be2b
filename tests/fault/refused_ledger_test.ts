/**
 * A PostgreSQL that is up and refuses: a schema of another program, no right to it, a server that is read-only.
 */
import assert from "node:assert/strict";
import sql from "postgres";
import { withConnection } from "../../tools/servers/database.ts";
import { startPostgres } from "../../tools/servers/postgres.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { stockUp } from "../system/ledger_audit.ts";
import { runToEnd, Service, startStack } from "../system/stack.ts";
import { drained, queryNumber, saying } from "./fault_probe.ts";

const rollbacks = "select xact_rollback from pg_stat_database where datname = current_database()";
const REFUSING = "ledger refuses writes, selling continues";

/** Sets whether new sessions of the database are read-only, and ends those that there are. */
function setReadOnly(databaseUrl: string, value: "on" | "off"): Promise<void> {
  return withConnection(databaseUrl, async (sql) => {
    const [row] = await sql<{ name: string }[]>`select current_database() as name`;
    await sql.unsafe(`set default_transaction_read_only = off`);
    await sql.unsafe(`alter database ${row?.name} set default_transaction_read_only = ${value}`);
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
  });
}

Deno.test("a worker ends with one line when the schema has a table of another program, or its role has no right to it", async () => {
  await using redis = await startRedis();
  const databaseUrl = await sharedPostgres().freshDatabase();
  await withConnection(
    databaseUrl,
    (sql) => sql.unsafe(`create schema inventory; create table inventory.deployment (note text)`),
  );
  const foreign = await runToEnd("worker", { REDIS_URL: redis.url, DATABASE_URL: databaseUrl });
  assert.equal(foreign.code, 2, foreign.output);
  assert.match(foreign.said, /^Cannot prepare the ledger's schema: relation "deployment" already exists/m);

  const role = `few_${crypto.randomUUID().slice(0, 8)}`;
  const empty = await sharedPostgres().freshDatabase();
  await withConnection(empty, (sql) => sql.unsafe(`create role ${role} login; create schema inventory`));
  try {
    const url = new URL(empty);
    url.username = role;
    const few = await runToEnd("worker", { REDIS_URL: redis.url, DATABASE_URL: url.href });
    assert.equal(few.code, 2, few.output);
    assert.match(
      few.said,
      /^Cannot prepare the ledger's schema: no schema has been selected to create in .*USAGE/m,
    );
  } finally {
    await withConnection(empty, (sql) => sql.unsafe(`drop role ${role}`));
  }
});

Deno.test("a PostgreSQL without a free connection is waited for with the reason, and used when one is free", async () => {
  await using redis = await startRedis();
  await using postgres = await startPostgres({ args: ["-c", "max_connections=14"] });
  const hogs = Array.from({ length: 14 }, () => sql(postgres.url, { max: 1, onnotice() {} }));
  try {
    await Promise.allSettled(hogs.map((hog) => hog`select 1`));
    const starting = Service.start("worker", { REDIS_URL: redis.url, DATABASE_URL: postgres.url });
    await waitFor(
      () => [...postgres.output().matchAll(/too many clients|remaining connection slots/g)].length >= 3,
      {
        deadlineMs: 30_000,
        what: "three attempts of the worker",
      },
    );
    await Promise.all(hogs.map((hog) => hog.end({ timeout: 1 })));
    await using worker = await starting;
    const away = worker.logged("ledger unavailable");
    assert.equal(away.length, 1, worker.output());
    assert.match(String(away[0]?.why), /too many clients|remaining connection slots/);
    await saying(worker, "an arming", () => worker.logged("shard armed").length > 0);
  } finally {
    await Promise.allSettled(hogs.map((hog) => hog.end({ timeout: 1 })));
  }
});

Deno.test("a read-only PostgreSQL: at the start waited for with the reason, while selling a pause; both end by themselves", async () => {
  await using redis = await startRedis();
  const databaseUrl = await sharedPostgres().freshDatabase();
  await setReadOnly(databaseUrl, "on");
  // It says that it runs when the ledger is prepared, which is not before the server takes writes.
  const starting = Service.start("worker", { REDIS_URL: redis.url, DATABASE_URL: databaseUrl });
  await waitFor(() => queryNumber(databaseUrl, rollbacks).then((count) => count >= 3), {
    deadlineMs: 30_000,
    what: "three attempts of the worker",
  });
  await setReadOnly(databaseUrl, "off");
  {
    await using worker = await starting;
    assert.match(String(worker.logged("ledger unavailable")[0]?.why), /read-only/);
    // Once, and once for the session that the test ended.
    assert.ok(worker.logged("ledger unavailable").length <= 3, worker.output());
  }

  await using stack = await startStack({ redisUrl: redis.url, databaseUrl });
  const { api, worker } = stack;
  await stockUp(api, new Map([["sku", 100]]));
  await drained(redis);
  await setReadOnly(databaseUrl, "on");
  const order = (id: string) =>
    api.post("/api/v1/inventory/deduct", { sku: "sku", user_id: id, order_id: id, amount: 1 });
  assert.equal((await order("o1")).status, 200, "selling goes on");
  await saying(worker, "the refusal", () => worker.logged(REFUSING).length > 0);
  assert.match(String(worker.logged(REFUSING)[0]?.why), /read-only.*25006/);
  assert.equal((await order("o2")).status, 200);
  await setReadOnly(databaseUrl, "off");
  await drained(redis, 30_000);
  assert.equal(await queryNumber(databaseUrl, "select count(*) from inventory.order_lines"), 2);
  assert.equal(worker.logged(REFUSING).length, 1, worker.output());
});
