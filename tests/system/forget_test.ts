/** A user who asks to be forgotten: what the ledger replaces, what it keeps and until when, and that nothing else changes. */
import assert from "node:assert/strict";
import { withConnection } from "../../tools/servers/database.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { Engine } from "../../src/ledger/sqlite/engine.ts";
import { deployment, inventory, json } from "./command_line.ts";
import { startEmbedded } from "./stack.ts";

const DEADLINE_MS = 60_000;
/** What nothing may set of a movement. */
const refusedChanges = [
  "user_id = 'joe'",
  "delta = 0",
  "user_id = 'forgotten:x', delta = 0",
  "user_id = 'forgotten:x', data = '{}'",
  "user_id = 'forgotten:x', seq = 9",
];

Deno.test("forget: a user's rows get a pseudonym, sums and audits stay, what the store needs is kept and named, and it can be repeated", async () => {
  await using run = await deployment({ USER_LIMIT_MS: "0", IDEMPOTENCY_WINDOW_S: "86400" });
  const { env, stack: { api }, namespace, databaseUrl } = run;
  api.history.unchecked("users in the ledger are replaced");
  const sql = <T extends object>(statement: string) =>
    withConnection(databaseUrl, async (connection) => {
      await connection.unsafe(`set search_path = "${namespace}"`);
      return Array.from(await connection.unsafe<T[]>(statement));
    });
  const post = async (path: string, body: object) => {
    const { status } = await api.post(`/api/v1/${path}`, body);
    assert.ok(status < 300, `${path}: ${status}`);
  };
  const buy = (user_id: string, order_id: string) =>
    post("inventory/deduct", { sku: "A", user_id, order_id, amount: 1 });
  const drained = () =>
    waitFor(async () => {
      const { shards } = await json(env, 0, "status") as { shards: { lag: number }[] };
      return shards[0]?.lag === 0;
    }, { deadlineMs: DEADLINE_MS, what: "a ledger that has everything" });

  await json(env, 0, "set", "A", "100", "--expected", "none");
  await buy("jane", "old-1");
  await buy("jane", "old-2");
  await buy("joe", "old-3");
  await post("reservations", {
    user_id: "jane",
    order_id: "held",
    ttl_seconds: 3600,
    lines: [{ sku: "A", amount: 1 }],
  });
  await drained();
  // They are two days old; the reservation is still open.
  const age = "interval '2 days'";
  await sql(`alter table movements disable trigger user;
    update movements set occurred_at = occurred_at - ${age};
    alter table movements enable trigger user;
    update order_lines set accepted_at = accepted_at - ${age}`);
  await buy("jane", "new-1");
  await drained();
  await sql(`insert into dead_letters (shard, seq, event, sqlstate, reason)
    values (0, 2, '{"seq":2,"id":"old-1","userId":"jane"}', '23505', 'planted')`);

  assert.equal((await inventory(env, "forget", "jane", "--reason", "asked by letter")).code, 2, "asks first");
  const forget = (code: number) => json(env, code, "forget", "jane", "--reason", "asked by letter", "--yes");
  const first = await forget(1);
  assert.partialDeepStrictEqual(first, { movements: 2, order_lines: 2, dead_letters: 1, left: 2 });
  assert.ok(Date.parse(String(first.run_again)) > Date.now() + 80_000_000, "a day after the newest order");
  const places = (first.elsewhere as { where: string }[]).map(({ where }) => where);
  assert.deepEqual([...new Set(places)], ["Redis", "backups", "telemetry"]);

  const pseudonym = String(first.pseudonym);
  assert.match(pseudonym, /^forgotten:[0-9a-f-]{36}$/);
  const users = await sql<{ order_id: string; user_id: string }>(
    `select order_id, user_id from order_lines order by seq`,
  );
  assert.deepEqual(users.map(({ order_id, user_id }) => `${order_id} ${user_id}`), [
    ...[`old-1 ${pseudonym}`, `old-2 ${pseudonym}`, "old-3 joe", "held jane", "new-1 jane"],
  ]);
  const audit = await sql<Record<string, unknown>>(
    `select pseudonym, actor like 'cli:%' as by_hand, reason, movements::int, now() - at < interval '1 hour' as fresh
     from forgotten`,
  );
  assert.deepEqual(audit, [
    { pseudonym, by_hand: true, reason: "asked by letter", movements: 2, fresh: true },
  ]);
  const [letter] = await sql<{ event: { userId: string } }>(`select event from dead_letters`);
  assert.equal(letter?.event.userId, pseudonym);
  await sql(`delete from dead_letters`);

  // The ledger follows from its movements as before, and agrees with the store, whose log and orders have the user.
  await json(env, 0, "verify");
  await json(env, 0, "reconcile");
  const again = { sku: "A", user_id: "jane", amount: 1 };
  const young = await api.post("/api/v1/inventory/deduct", { ...again, order_id: "new-1" });
  assert.deepEqual([young.status, young.body.new_stock], [200, 95], "a retry in the window is a replay");
  await json(env, 0, "rebuild", "--yes");
  const rebuilt = await api.post("/api/v1/inventory/deduct", { ...again, order_id: "new-1" });
  assert.deepEqual([rebuilt.status, rebuilt.body.new_stock], [200, 95], "after a rebuild, too");
  const { body } = await api.get("/api/v1/orders/old-1");
  assert.ok(!JSON.stringify(body).includes("jane"), JSON.stringify(body));
  await post("reservations/held/confirm", {});
  await drained();
  await json(env, 0, "verify");
  await json(env, 0, "reconcile");

  assert.partialDeepStrictEqual(await forget(1), { movements: 1, order_lines: 1 }, "it is no longer held");
  const third = await forget(1);
  assert.partialDeepStrictEqual(third, { movements: 0, order_lines: 0, dead_letters: 0, pseudonym: null });
  assert.equal((await sql(`select from forgotten`)).length, 2, "a run that changes nothing leaves no record");
  await sql(`alter table movements disable trigger user;
    update movements set occurred_at = occurred_at - ${age};
    alter table movements enable trigger user;
    update order_lines set accepted_at = accepted_at - ${age}`);
  assert.partialDeepStrictEqual(await forget(0), { left: 0, run_again: null });
  for (const text of ["movements", "order_lines", "dead_letters", "forgotten"]) {
    assert.deepEqual(await sql(`select from ${text} t where t::text like '%jane%'`), [], text);
  }
  await json(env, 0, "verify");

  // An order whose movement is in an opening balance, and that counts for the quota of its sale.
  await sql(`update stock set policy = '{"quota":5,"sale":0}' where sku = 'A';
    insert into order_lines (shard, order_id, sku, user_id, amount, kind, state, units, has_quota, fingerprint,
      new_stock, seq, line, accepted_at)
    values (0, 'folded', 'A', 'jane', 1, 'deduct', 'accepted', 1, true, '', 1, 1, 1000, now() - ${age})`);
  assert.partialDeepStrictEqual(await forget(1), { movements: 0, order_lines: 0, left: 1 });
  await sql(`update stock set policy = '{"quota":5,"sale":9}' where sku = 'A'`);
  assert.partialDeepStrictEqual(
    await forget(0),
    { movements: 0, order_lines: 1, left: 0 },
    "its sale is over",
  );
});

Deno.test("forget: of a movement only its user changes, to a pseudonym, whichever role tries", async () => {
  await using run = await deployment();
  const { env, namespace, databaseUrl, stack: { api } } = run;
  api.history.unchecked("users in the ledger are replaced");
  await json(env, 0, "set", "A", "100", "--expected", "none");
  await api.post("/api/v1/inventory/deduct", { sku: "A", user_id: "jane", order_id: "o", amount: 1 });
  const attempt = (statement: string) =>
    withConnection(databaseUrl, async (sql) => {
      await sql.unsafe(`set search_path = "${namespace}"`);
      const { count } = await sql.unsafe(statement);
      return count;
    });
  await waitFor(async () => await attempt("select from movements") === 2, {
    deadlineMs: DEADLINE_MS,
    what: "two movements",
  });
  for (const set of refusedChanges) {
    await assert.rejects(attempt(`update movements set ${set} where seq = 2`), /as they only grow/, set);
  }
  await assert.rejects(attempt("delete from movements"), /as they only grow/);
  await assert.rejects(attempt("truncate movements"), /as they only grow/);
  assert.equal(await attempt("update movements set user_id = 'forgotten:x' where seq = 2"), 1);
});

/** Changes a ledger whose process is stopped, also its movements. */
function byHand(folder: string, statements: string): void {
  const engine = new Engine(`${folder}/ledger.db`);
  try {
    const [trigger] = engine.query<{ sql: string }>(
      "select sql from sqlite_schema where name = 'movements_only_grow_update'",
    );
    engine.script(`drop trigger movements_only_grow_update; ${statements}; ${trigger?.sql};`);
  } finally {
    engine.close();
  }
}

const ageFolder = `
  update movements set occurred_at = datetime(occurred_at, '-2 days') || '.000';
  update order_lines set accepted_at = datetime(accepted_at, '-2 days') || '.000'`;

/** Files of a folder with a text somewhere in their bytes. */
async function filesWith(folder: string, text: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    const bytes = await Deno.readFile(`${folder}/${name}`);
    if (new TextDecoder("latin1").decode(bytes).includes(text)) found.push(name);
  }
  return found;
}

Deno.test("forget: in a stopped folder a user's rows get a pseudonym, and no byte of the file has the user", async () => {
  const folder = await dataDir("forget");
  const settings = { SHARDS: "2", USER_LIMIT_MS: "0", IDEMPOTENCY_WINDOW_S: "86400" };
  const env = { ...settings, DATA_DIR: folder };
  const jane = "jane-4711";
  await using api = await startEmbedded(folder, settings);
  api.history.unchecked("users in the ledger are replaced");
  const buy = async (user_id: string, order_id: string) => {
    const { status, body } = await api.post("/api/v1/inventory/deduct", {
      ...{ sku: "A", user_id, order_id, amount: 1 },
    });
    assert.equal(status, 200, order_id);
    return body.new_stock;
  };
  const hold = { user_id: jane, order_id: "held", ttl_seconds: 3600, lines: [{ sku: "A", amount: 1 }] };
  const again = async () => {
    await api.restart();
    await api.ready();
  };
  const forget = (code: number) => json(env, code, "forget", jane, "--reason", "asked by letter", "--yes");
  assert.equal(
    (await api.put("/api/v1/inventory/A", { adjustment_id: "a", available: 100, expected: null })).status,
    201,
  );
  await buy(jane, "old-1");
  await buy(jane, "old-2");
  await buy("joe", "old-3");
  assert.equal((await api.post("/api/v1/reservations", hold)).status, 201);

  const refused = await inventory(env, "forget", jane, "--reason", "asked by letter", "--yes");
  assert.deepEqual(
    [refused.code, refused.err.split("\n").at(-1)],
    [
      1,
      `Cannot forget a user in DATA_DIR '${folder}' as another Holdfast process uses it: stop it first, and start it again afterwards`,
    ],
  );
  await api.stop();
  byHand(
    folder,
    `${ageFolder};
    insert into dead_letters (shard, seq, event, sqlstate, reason)
    values (0, 99, '{"seq":99,"id":"old-9","userId":"${jane}"}', '23505', 'planted');
    create table deleted as with recursive n (i) as (select 1 union all select i + 1 from n where i < 2000)
      select '${jane}' as user_id, i from n;
    drop table deleted`,
  );
  await again();
  assert.equal(await buy(jane, "new-1"), 95);
  await api.kill(); // its WAL stays
  assert.equal((await inventory(env, "forget", jane, "--reason", "asked by letter")).code, 2, "asks first");

  const first = await forget(1);
  assert.partialDeepStrictEqual(first, { movements: 2, order_lines: 2, dead_letters: 1, left: 2 });
  assert.ok(Date.parse(String(first.run_again)) > Date.now() + 80_000_000, "a day after the newest order");
  const places = (first.elsewhere as { where: string }[]).map(({ where }) => where);
  assert.deepEqual(places, ["backups", "disk", "telemetry"]);
  assert.match(String(first.pseudonym), /^forgotten:[0-9a-f-]{36}$/);
  byHand(folder, "delete from dead_letters"); // planted, without a movement
  await json(env, 0, "verify");
  await again();
  assert.equal(await buy(jane, "new-1"), 95, "a retry in the window is a replay");
  assert.equal(await buy("joe", "new-2"), 94);
  const { body } = await api.get("/api/v1/orders/old-1");
  assert.ok(JSON.stringify(body).includes(String(first.pseudonym)), JSON.stringify(body));
  assert.equal((await api.post("/api/v1/reservations/held/confirm", {})).status, 200);
  await api.stop();

  byHand(
    folder,
    `${ageFolder};
    insert into baskets (order_id, attempt, home, user_id, lines, decide_by)
    values ('basket', 'attempt', 0, '${jane}', '[]', '2026-01-01 00:00:00.000')`,
  );
  assert.partialDeepStrictEqual(
    await forget(1),
    { movements: 3, order_lines: 2, left: 1 },
    "a basket under way",
  );
  await again(); // aborts the basket
  await api.stop();
  const last = await forget(0);
  assert.partialDeepStrictEqual(last, {
    movements: 0,
    order_lines: 0,
    left: 0,
    pseudonym: null,
    run_again: null,
  });
  assert.deepEqual(await filesWith(folder, jane), []);
  assert.deepEqual(await filesWith(folder, "joe"), ["ledger.db"], "others stay, and are found");
  await json(env, 0, "verify");
  await again();
  assert.equal(await buy("joe", "new-3"), 93, "accounts are equal");
  await api.stop();
  const engine = new Engine(`${folder}/ledger.db`, { readOnly: true });
  const runs = engine.query(`select reason, movements, order_lines, dead_letters from forgotten order by id`);
  engine.close();
  assert.deepEqual(runs.map((run) => ({ ...run })), [
    { reason: "asked by letter", movements: 2, order_lines: 2, dead_letters: 1 },
    { reason: "asked by letter", movements: 3, order_lines: 2, dead_letters: 0 },
  ]);
  await json(env, 0, "verify");
});

Deno.test("forget: in a folder without a ledger nothing is made, and of a movement only its user changes", async () => {
  const empty = await dataDir("forget-empty");
  const refused = await inventory({ DATA_DIR: empty }, "forget", "jane", "--reason", "asked", "--yes");
  assert.deepEqual([refused.code, Array.from(Deno.readDirSync(empty))], [2, []], refused.err);
  const folder = await dataDir("forget-rows");
  await using api = await startEmbedded(folder, { DEMO_STOCK: "1" });
  await api.stop();
  const engine = new Engine(`${folder}/ledger.db`);
  try {
    for (const set of refusedChanges) {
      assert.throws(
        () => engine.query(`update movements set ${set} where line = 0`),
        /as they only grow/,
        set,
      );
    }
    assert.throws(() => engine.query("delete from movements"), /as they only grow/);
    engine.query("update movements set user_id = 'forgotten:x'");
  } finally {
    engine.close();
  }
});
