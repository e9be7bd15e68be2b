import assert from "node:assert/strict";
import { LeaseLost } from "../../src/domain/errors.ts";
import { SqlError } from "../../src/ledger/database.ts";
import { statementNames } from "../../src/ledger/sql/statements.ts";
import { Engine } from "../../src/ledger/sqlite/engine.ts";
import { ledgerFile, openSqliteLedger } from "../../src/ledger/sqlite/ledger.ts";
import { loadStatements } from "../../src/ledger/sqlite/statements.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { applied, entry, leased, type Opened, opening, Shelf } from "./ledger_fixture.ts";
import { ledgerSuite } from "./ledger_suite.ts";
import { openByHand } from "./sqlite_dialect.ts";

ledgerSuite("SQLite", async () => {
  const folder = await Deno.makeTempDir({ prefix: "holdfast-ledger-" });
  const open = async (): Promise<Opened> => {
    const ledger = await openSqliteLedger({ folder, namespace: "inventory", world });
    const database = openByHand(ledgerFile(folder));
    const close = ledger.close.bind(ledger);
    ledger.close = () => close().finally(() => database.close());
    return { ledger, database };
  };
  return { open, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
});

async function withFile(run: (engine: Engine, path: string) => Promise<void> | void): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "holdfast-engine-" });
  const engine = new Engine(`${folder}/file`);
  try {
    await run(engine, `${folder}/file`);
  } finally {
    engine.close();
    await Deno.remove(folder, { recursive: true });
  }
}

function sqlstateOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof SqlError) return error.sqlstate;
    throw error;
  }
  return "";
}

Deno.test("SQLite: a text that it would cut or change is refused, also as an escape of a JSON that is read", () =>
  withFile((engine) => {
    for (const text of ["a\0b", "half \ud83d"]) {
      assert.equal(sqlstateOf(() => engine.query("select ?1 as text", [text])), "22021");
      const json = JSON.stringify([text]);
      assert.equal(sqlstateOf(() => engine.query("select value from json_each(?1)", [json])), "22021");
      assert.deepEqual(engine.query<{ json: string }>("select ?1 as json", [json]).map((row) => row.json), [
        json,
      ]);
    }
    const fine = ["\\u0000", "🎟", "\\", "\\\\u0000", "\u0001"];
    const rows = engine.query<{ value: string }>("select value from json_each(?1)", [JSON.stringify(fine)]);
    assert.deepEqual(rows.map(({ value }) => value), fine);
  }));

Deno.test("SQLite: after a refusal nothing more of a transaction is run, until it is undone", () =>
  withFile((engine) => {
    engine.script("create table t (a integer primary key, b text not null) strict");
    engine.query("begin immediate");
    assert.equal(sqlstateOf(() => engine.query("insert into t values (1, null)")), "22004");
    assert.equal(sqlstateOf(() => engine.query("insert into t values (2, 'b')")), "25P02");
    assert.equal(sqlstateOf(() => engine.query("commit")), "25P02");
    engine.rollback();
    engine.query("begin immediate");
    engine.script("savepoint attempt");
    assert.equal(sqlstateOf(() => engine.query("insert into t values ('x', 'b')")), "22P02");
    engine.script("rollback to savepoint attempt; release savepoint attempt");
    engine.query("insert into t values (3, 'b')");
    assert.equal(sqlstateOf(() => engine.query("insert into t values (3, 'b')")), "23505");
    engine.rollback();
    assert.deepEqual(engine.query("select a from t"), []);
  }));

Deno.test("SQLite: another program that writes for too long is named as the cause, and nothing is run without the lock", () =>
  withFile((engine, path) => {
    engine.script("create table t (a integer) strict; pragma busy_timeout = 0");
    const other = new Engine(path);
    try {
      other.query("begin immediate");
      assert.throws(() => engine.query("begin immediate"), /another program writes to the file/);
      assert.equal(sqlstateOf(() => engine.query("insert into t values (1)")), "25P02");
      other.rollback();
      engine.rollback();
      assert.deepEqual(engine.query("select a from t"), []);
    } finally {
      other.close();
    }
  }));

Deno.test("SQLite: has a text for every statement, and none that is never run", async () => {
  const own = [
    "add_cursors",
    "claim_deployment",
    "create_migrations",
    "find_schema",
    "note_migration",
    "read_deployment",
    "read_migrations",
  ];
  assert.deepEqual(Object.keys(await loadStatements()).sort(), [...statementNames, ...own].sort());
});

Deno.test("SQLite: a page is read in the order of an index, from where it begins", async () => {
  const folder = await Deno.makeTempDir({ prefix: "holdfast-plan-" });
  const ledger = await openSqliteLedger({ folder, namespace: "inventory", world });
  await ledger.prepare(1);
  await ledger.close();
  const engine = new Engine(ledgerFile(folder), { readOnly: true });
  try {
    const sql = await loadStatements();
    const planOf = (name: keyof typeof sql, ...params: (number | string)[]) =>
      engine.query<{ detail: string }>(`explain query plan ${sql[name]}`, params).map(({ detail }) => detail);
    const pages = {
      page_stock: [0, "", 10],
      page_lines: [0, 5, 0, 0, 10, 3, 5, 0],
      page_quotas: [0, "", 0, 0, 10],
      verify_movements: [0, 5, 0, 99, 10],
      verify_holds: [0, 5, 0, 10],
      find_first_line: [0, 1000],
    } as const;
    for (const [name, params] of Object.entries(pages)) {
      const plan = planOf(name as keyof typeof pages, ...params);
      const scans = plan.filter((step) => /^SCAN (order_lines|movements|stock)\b/.test(step));
      assert.deepEqual(scans, [], `${name}: ${plan.join("; ")}`);
    }
    assert.ok(planOf("page_lines", ...pages.page_lines).some((step) => step.includes("order_lines_held")));
    assert.ok(planOf("find_first_line", 0, 1000).some((step) => step.includes("order_lines_by_time")));
    for (const name of ["page_stock", "verify_movements", "verify_holds"] as const) {
      assert.ok(!planOf(name, ...pages[name]).some((step) => step.includes("TEMP B-TREE")), name);
    }
  } finally {
    engine.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("SQLite: lines that return are counted exactly, so that a batch without one asks for none", async () => {
  const folder = await Deno.makeTempDir({ prefix: "holdfast-returned-" });
  const ledger = await openSqliteLedger({ folder, namespace: "inventory", world });
  try {
    await ledger.prepare(2);
    for (const number of [0, 1]) {
      const shelf = new Shelf();
      const [first, again, tried] = ["sold", number === 0 ? "other" : "sold", `tried-${number}`];
      const events = [
        shelf.next("deduct", first, [["SKU-1", -1, 0]]),
        shelf.next("prepare", tried, [["SKU-1", -1, 1]]),
        shelf.next("abort", tried, [["SKU-1", 1, -1]]),
        shelf.next("deduct", again, [["SKU-1", -1, 0]]),
        shelf.next("return", first, [["SKU-1", 1, 0]], { reference: "return-1" }),
        shelf.next("deduct", "last", [["SKU-1", -1, 0]]),
      ];
      const shard = await leased(ledger, number);
      applied(await shard.apply([entry(1, opening(1, "SKU-1", 10), ...events)]));
    }
    await ledger.close();
    const engine = new Engine(ledgerFile(folder));
    const { insert_order_lines: insert } = await loadStatements();
    const returned = (...range: number[]) => engine.query<{ returned: number }>(insert, range)[0]?.returned;
    const ranges = [[0, 1, 7], [0, 2, 6], [0, 5, 7], [1, 1, 7], [1, 2, 5], [1, 2, 4], [1, 5, 7]] as const;
    assert.deepEqual(ranges.map((range) => returned(...range)), [0, 0, 0, 1, 1, 0, 0]);
    engine.close();
  } finally {
    await ledger.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("SQLite: a file that is closed rejects, and a folder is free for the next process at once", async () => {
  const folder = await Deno.makeTempDir({ prefix: "holdfast-ledger-" });
  const open = () => openSqliteLedger({ folder, namespace: "inventory", world });
  const first = await open();
  await first.prepare(1);
  await assert.rejects(open(), {
    name: "Busy",
    message: `Cannot open DATA_DIR '${folder}' as another Holdfast process uses it`,
  });
  await Promise.all([first.close(), first.close()]);
  await assert.rejects(first.findOrder("order"), LeaseLost);
  const second = await open();
  try {
    await second.prepare(1);
    assert.equal((await second.progress())[0]?.seq, 0);
  } finally {
    await second.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("SQLite: a file of another program is refused, and nothing is added to it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "holdfast-ledger-" });
  const theirs = new Engine(ledgerFile(folder));
  theirs.script("create table songs (name text)");
  const ledger = await openSqliteLedger({ folder, namespace: "inventory", world });
  try {
    await assert.rejects(ledger.prepare(1), {
      name: "RangeError",
      message: /as another program made it: set DATA_DIR/,
    });
    assert.deepEqual(
      theirs.query<{ name: string }>("select name from sqlite_schema").map(({ name }) => name),
      ["songs"],
    );
  } finally {
    theirs.close();
    await ledger.close();
    await Deno.remove(folder, { recursive: true });
  }
});
