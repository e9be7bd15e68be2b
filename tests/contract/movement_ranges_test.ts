/**
 * The partitions of movements on PostgreSQL: where rows go, how a ledger of before gets them, and how one is dropped.
 */
import assert from "node:assert/strict";
import type { Queries } from "../../src/ledger/database.ts";
import type { Ledger, ShardLedger } from "../../src/ledger/ledger.ts";
import { openLedger } from "../../src/ledger/postgres/ledger.ts";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { loadStatements, readMigration } from "../../src/ledger/postgres/statements.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { applied, atMs, entry, leased, opening, sale } from "./ledger_fixture.ts";

const dayMs = 86_400_000;

interface Opened {
  readonly url: string;
  readonly database: Queries;
  readonly ledger: Ledger;
}

async function withLedger(run: (opened: Opened) => Promise<void>): Promise<void> {
  const url = await sharedPostgres().freshDatabase();
  const options = { url, namespace: "inventory", applicationName: "holdfast-test", world: realWorld };
  const database = openPostgres(options);
  const ledger = await openLedger(database, realWorld);
  try {
    await run({ url, database, ledger });
  } finally {
    await ledger.close();
  }
}

/** The partition of each number. */
async function places(database: Queries): Promise<unknown[]> {
  const rows = await database.query<{ seq: number; place: string }>(
    "select seq, tableoid::regclass::text as place from movements order by shard, seq, line",
  );
  return rows.map(({ seq, place }) => `${seq} ${place}`);
}

async function jumpTo(shard: ShardLedger, seq: number): Promise<void> {
  await shard.jump({ to: { epoch: 1, seq }, actor: "worker", reason: "a test" });
}

/** The shards of a version that had one table, and a row of each in it. */
async function makeOldLedger(database: Queries): Promise<void> {
  await database.script("create schema inventory");
  await database.script(`create table migrations (
    id integer primary key, name text not null, applied_at timestamptz not null default now())`);
  const names = ["books", "corrections", "recovery", "rebuild_indexes", "scripts", "adjustments"];
  for (const [i, name] of names.entries()) {
    await database.script(await readMigration(`000${i + 1}_${name}.sql`));
    await database.query("insert into migrations (id, name) values ($1, $2)", [i + 1, name]);
  }
  await database.script(`
    insert into deployment (id, shards) values ('0190d5a8-0000-7000-8000-000000000000', 2);
    insert into log_cursor (shard, epoch, seq, issued_epoch) values (0, 1, 1, 1), (1, 1, 40, 1);`);
  for (const [shard, seq] of [[0, 1], [1, 40]] as const) await insertAsBefore(database, shard, seq);
  await database.script(
    "insert into stock (shard, sku, available, reserved) values (0, 'SKU-1', 10, 0), (1, 'SKU-9', 10, 0)",
  );
}

/** As the statement of the version before inserts a movement. */
async function insertAsBefore(database: Queries, shard: number, seq: number): Promise<void> {
  await database.query(
    `insert into movements (
      shard, epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after, reserved_after,
      fingerprint, reason, reference, actor, traceparent, data, occurred_at
    ) values ($1, 1, $2, 0, 'create', 'a', '', $3, 10, 0, 10, 0, '', '', '', '', '', null, '2025-11-22')`,
    [shard, seq, shard === 0 ? "SKU-1" : "SKU-9"],
  );
}

Deno.test("movement ranges: each shard has its own, and the next one when the last is half full", () =>
  withLedger(async ({ database, ledger }) => {
    await ledger.prepare(2);
    const [shard, other] = [await leased(ledger, 0), await leased(ledger, 1)];
    applied(await shard.apply([entry(1, opening(1, "SKU-1", 10), sale(2, "SKU-1", 9))]));
    applied(await other.apply([entry(1, opening(1, "SKU-2", 10))]));
    assert.deepEqual(await places(database), ["1 movements_0_1", "2 movements_0_1", "1 movements_1_1"]);
    assert.ok(!await shard.extendRanges());
    await jumpTo(shard, 500_000);
    assert.ok(await shard.extendRanges());
    assert.ok(!await shard.extendRanges());
    const ranges = await database.query<Record<string, unknown>>(
      "select from_seq, to_seq, partition::text from movement_ranges where shard = 0 order by from_seq",
    );
    assert.deepEqual(ranges, [
      { from_seq: 1, to_seq: 1_000_001, partition: "movements_0_1" },
      { from_seq: 1_000_001, to_seq: 5_000_001, partition: "movements_0_1000001" }, // it lasted for less than a week
    ]);
    await jumpTo(shard, 1_000_000);
    applied(await shard.apply([entry(1, sale(1_000_001, "SKU-1", 8))]));
    assert.equal((await places(database)).at(2), "1000001 movements_0_1000001");
  }));

Deno.test("movement ranges: a statement for a range of numbers reads one partition", () =>
  withLedger(async ({ url, ledger }) => {
    await ledger.prepare(1);
    const shard = await leased(ledger);
    await jumpTo(shard, 600_000);
    assert.ok(await shard.extendRanges());
    await withConnection(url, async (sql) => {
      const plan =
        await sql`explain select from inventory.movements where shard = 0 and seq > 700000 and seq <= 700900`;
      const text = JSON.stringify(plan);
      assert.match(text, /movements_0_1/);
      assert.doesNotMatch(text, /movements_rest|movements_first|movements_0_1000001/);
    });
  }));

Deno.test("movement ranges: numbers without a range have a partition too, and the next range begins behind them", () =>
  withLedger(async ({ database, ledger }) => {
    await ledger.prepare(1);
    const shard = await leased(ledger);
    await jumpTo(shard, 2_000_000);
    applied(await shard.apply([entry(1, opening(2_000_001, "SKU-1", 10))]));
    assert.deepEqual(await places(database), ["2000001 movements_rest"]);
    assert.ok(await shard.extendRanges());
    applied(await shard.apply([entry(1, sale(2_000_002, "SKU-1", 9))]));
    assert.deepEqual(await places(database), ["2000001 movements_rest", "2000002 movements_0_2000002"]);
  }));

Deno.test("movement ranges: no partition can be changed by its own name", () =>
  withLedger(async ({ url, database, ledger }) => {
    await ledger.prepare(1);
    const shard = await leased(ledger);
    applied(await shard.apply([entry(1, opening(1, "SKU-1", 10))]));
    await withConnection(url, async (sql) => {
      for (
        const { name } of await database.query<{ name: string }>(
          "select inhrelid::regclass::text as name from pg_inherits where inhparent in ('movements'::regclass, 'movements_ranges'::regclass)",
        )
      ) {
        for (const change of ["delete from", "truncate"]) {
          await assert.rejects(Promise.resolve(sql.unsafe(`${change} inventory.${name}`)), { code: "42501" });
        }
      }
    });
    assert.equal((await places(database)).length, 1);
  }));

Deno.test("movement ranges: a ledger of before is attached as it is, and an insert of the version before still works", () =>
  withLedger(async ({ database, ledger }) => {
    await makeOldLedger(database);
    await ledger.prepare(2);
    assert.deepEqual(await places(database), ["1 movements_first", "40 movements_first"]);
    const shard = await leased(ledger);
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9))]));
    await insertAsBefore(database, 1, 41);
    await insertAsBefore(database, 1, 7_000_000);
    assert.deepEqual(await places(database), [
      ...["1 movements_first", "2 movements_first", "40 movements_first", "41 movements_first"],
      "7000000 movements_rest",
    ]);
  }));

Deno.test("movement ranges: the movements of before are dropped when every shard has passed them", () =>
  withLedger(async ({ database, ledger }) => {
    await makeOldLedger(database);
    await ledger.prepare(2);
    const shards = [await leased(ledger, 0), await leased(ledger, 1)] as const;
    for (const [i, shard] of shards.entries()) {
      await jumpTo(shard, 200_000);
      await shard.extendRanges();
      const fields = { atMs: atMs + 500 * dayMs };
      applied(await shard.apply([entry(1, sale(200_001, i === 0 ? "SKU-1" : "SKU-9", 9, fields))]));
      while (await shard.foldMovements(10 * dayMs, 1_000_000));
      const first = await database.query("select to_regclass('movements_first') is not null as exists");
      assert.deepEqual(first, [{ exists: i === 0 }]);
    }
    assert.deepEqual(await places(database), ["200001 movements_0_200001", "200001 movements_1_200001"]);
    for (const shard of [0, 1]) {
      for await (const fault of ledger.prove(shard, 30 * dayMs, () => {})) assert.fail(JSON.stringify(fault));
    }
  }));

Deno.test("movement ranges: a range that is read is dropped later", () =>
  withLedger(async ({ url, database, ledger }) => {
    await ledger.prepare(1);
    const shard = await leased(ledger);
    applied(await shard.apply([entry(1, opening(1, "SKU-1", 10))]));
    await jumpTo(shard, 1_000_001);
    await shard.extendRanges();
    applied(await shard.apply([entry(1, sale(1_000_002, "SKU-1", 9, { atMs: atMs + 12 * dayMs }))]));
    await withConnection(url, (sql) =>
      sql.begin(async (tx) => {
        await tx`select count(*) from inventory.movements`;
        const folded = await shard.foldMovements(10 * dayMs, 2_000_000);
        assert.ok(folded && !folded.isDropped);
        assert.equal(await shard.foldMovements(10 * dayMs, 2_000_000), undefined, "it is read");
        assert.equal((await places(database)).length, 2);
      }));
    assert.deepEqual(await shard.foldMovements(10 * dayMs, 1), { numbers: 0, isDropped: true });
    assert.deepEqual(await places(database), ["1000002 movements_0_1000002"]);
  }));

Deno.test("movement ranges: adding to opening balances reads one partition, by its key", () =>
  withLedger(async ({ url, ledger }) => {
    await ledger.prepare(1);
    const shard = await leased(ledger);
    await jumpTo(shard, 600_000);
    assert.ok(await shard.extendRanges());
    const fold = (await loadStatements()).fold_movements.replace("$1::integer", "0").replace(/\$1/g, "0")
      .replace(/\$2::bigint/g, "-1").replace(/\$3::bigint/g, "20000");
    await withConnection(url, async (sql) => {
      await sql`set search_path = inventory`;
      await sql`set enable_seqscan = off`; // the tables are empty
      const text = JSON.stringify(await sql.unsafe(`explain ${fold}`));
      assert.match(text, /movements_0_1/);
      assert.doesNotMatch(text, /movements_0_1000001/);
    });
  }));

Deno.test("movements after a position are those of its shard, without what is at it", () =>
  withLedger(async ({ database, ledger }) => {
    await ledger.prepare(2);
    for (const number of [0, 1]) {
      const shard = await leased(ledger, number);
      const made = [1, 2, 3].map((seq) => opening(seq, `SKU-${seq}`, 10 * seq + number));
      applied(await shard.apply([entry(1, ...made)]));
    }
    const { sum_later } = await loadStatements();
    assert.deepEqual(await database.query(sum_later, [1, 2, 0]), [{
      sku: "SKU-3",
      available: 31,
      reserved: 0,
    }]);
    const later = await database.query<{ sku: string }>(sum_later, [1, 2, -1]);
    assert.deepEqual(later.map(({ sku }) => sku).sort(), ["SKU-2", "SKU-3"]);
  }));
