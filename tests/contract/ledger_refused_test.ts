/**
 * A PostgreSQL that cannot store a text: refused before it is used, and no event ends applying.
 */
import assert from "node:assert/strict";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { openLedger } from "../../src/ledger/postgres/ledger.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { runPrefix, withConnection } from "../../tools/servers/database.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { entry, opening, sale } from "./ledger_fixture.ts";

async function open(url: string) {
  const database = openPostgres({ url, namespace: "inventory", applicationName: "refused-test", world });
  const ledger = await openLedger(database, world);
  return Object.assign(ledger, { [Symbol.asyncDispose]: () => ledger.close() });
}

for (const encoding of ["LATIN1", "EUC_JP", "SQL_ASCII"]) {
  Deno.test(`a database in ${encoding} is refused by name before anything is written`, async () => {
    const { url } = sharedPostgres();
    const name = `${runPrefix()}${crypto.randomUUID().slice(0, 8)}`;
    await withConnection(url, (sql) =>
      sql.unsafe(
        `create database ${name} encoding '${encoding}' template template0 lc_collate 'C' lc_ctype 'C'`,
      ));
    const target = new URL(url);
    target.pathname = `/${name}`;
    await using ledger = await open(target.href);
    await assert.rejects(ledger.prepare(1), new RegExp(`server_encoding must be UTF8: it is ${encoding}`));
    const checkResult = (await ledger.checkResults()).find(({ check }) => check === "server_encoding");
    assert.equal(checkResult?.verdict, "bad", "doctor says it, too");
    const [row] = await withConnection(
      target.href,
      (sql) => sql`select to_regnamespace('inventory') as found`,
    );
    assert.equal(row?.found, null);
  });
}

/** What a database in another encoding does to a character that it lacks, and one that takes nothing of a user. */
const REFUSING = `
  set search_path = inventory;
  create function refuse() returns trigger language plpgsql as $$
  begin
    if new::text ~ '[^\\x01-\\x7f]' then
      raise exception 'character has no equivalent' using errcode = '22P05';
    end if;
    if tg_table_name like 'movements%' and new::text like '%cursed%' then
      raise exception 'not this one' using errcode = '22003';
    end if;
    return new;
  end $$;
  create trigger refuse before insert on movements for each row execute function refuse();
  create trigger refuse before insert on dead_letters for each row execute function refuse();`;

Deno.test("an event that PostgreSQL refuses although it was cleaned is a dead letter, and applying goes on", async () => {
  const url = await sharedPostgres().freshDatabase();
  await using ledger = await open(url);
  await ledger.prepare(1);
  await withConnection(url, (sql) => sql.unsafe(REFUSING));
  const shard = await ledger.lease(0);
  assert.ok(shard);
  const applied = await shard.apply([
    entry(1, opening(1, "sku", 9), opening(2, "other", 9), sale(3, "sku", 8, { userId: "日本" })),
    entry(1, sale(4, "sku", 7), sale(5, "other", 8, { userId: "cursed" }), sale(6, "sku", 6)),
  ]);
  assert.deepEqual([applied.kind, applied.kind === "applied" && applied.deadLetters], ["applied", 2]);
  const rows = await withConnection(
    url,
    (sql) => sql`select seq::int, sqlstate, event, reason from inventory.dead_letters order by id`,
  );
  assert.deepEqual(rows.map(({ seq, sqlstate, event }) => [seq, sqlstate, event.userId]), [
    [3, "22P05", "日本"],
    [5, "22003", "cursed"],
  ]);
  assert.match(rows[0]?.reason, /no equivalent; applied in ASCII/);
  assert.match(rows[1]?.reason, /not this one; its movement is not applied/);
  // The next movement of that SKU does not add up: the shard is refused by its name until a person has looked.
  const next = await shard.apply([entry(1, sale(7, "other", 7))]);
  assert.deepEqual(next.kind === "mismatch" && next.differences.map(({ sku }) => sku), ["other"]);
  const [line] = await withConnection(
    url,
    (sql) => sql`select user_id, delta::int from inventory.movements where seq = 3`,
  );
  assert.deepEqual([line?.user_id, line?.delta], ["\\u65e5\\u672c", -1]);
  await shard.release();
});

/** Counts every attempt to insert a movement: a sequence is not rolled back. */
const COUNTING = `
  set search_path = inventory;
  create sequence attempts;
  create function count_attempt() returns trigger language plpgsql as $$
  begin
    perform nextval('inventory.attempts');
    return new;
  end $$;
  create trigger count_attempt before insert on movements for each row execute function count_attempt();`;

Deno.test("a batch of adjustments alone, in which no event has a user, is applied at the first attempt", async () => {
  const url = await sharedPostgres().freshDatabase();
  await using ledger = await open(url);
  await ledger.prepare(1);
  await withConnection(url, (sql) => sql.unsafe(COUNTING));
  const shard = await ledger.lease(0);
  assert.ok(shard);
  const attempts = async () => {
    const [row] = await withConnection(url, (sql) => sql`select last_value::int from inventory.attempts`);
    return Number(row?.last_value);
  };
  await shard.apply([entry(1, opening(1, "sku", 9), sale(2, "sku", 8))]); // at the cursor from now on
  const before = await attempts();
  const applied = await shard.apply([entry(1, opening(3, "other", 9), opening(4, "third", 9))]);
  assert.equal(applied.kind, "applied");
  assert.equal(await attempts() - before, 2);
  await shard.release();
});

/** Refuses every movement for a reason that is not in it, and counts how often. */
const FAILING = `
  set search_path = inventory;
  create sequence failures;
  create function fail() returns trigger language plpgsql as $$
  begin
    perform nextval('inventory.failures');
    raise exception 'not now' using errcode = '40001';
  end $$;
  create trigger fail before insert on movements for each row execute function fail();`;

Deno.test("a batch that PostgreSQL refuses for another reason than its data is not tried in halves", async () => {
  const url = await sharedPostgres().freshDatabase();
  await using ledger = await open(url);
  await ledger.prepare(1);
  const shard = await ledger.lease(0);
  assert.ok(shard);
  await shard.apply([entry(1, opening(1, "sku", 9))]); // at the cursor from now on
  await withConnection(url, (sql) => sql.unsafe(FAILING));
  await assert.rejects(shard.apply([entry(1, sale(2, "sku", 8))]), /not now/);
  const [row] = await withConnection(url, (sql) => sql`select last_value::int from inventory.failures`);
  assert.equal(row?.last_value, 1);
  await shard.release();
});
