/** A user who asks to be forgotten: what the ledger replaces, what it keeps and until when, and that nothing else changes. */
import assert from "node:assert/strict";
import { withConnection } from "../../tools/servers/database.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { deployment, inventory, json } from "./command_line.ts";

const DEADLINE_MS = 60_000;

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
  for (
    const set of [
      "user_id = 'joe'",
      "delta = 0",
      "user_id = 'forgotten:x', delta = 0",
      "user_id = 'forgotten:x', data = '{}'",
      "user_id = 'forgotten:x', seq = 9",
    ]
  ) {
    await assert.rejects(attempt(`update movements set ${set} where seq = 2`), /as they only grow/, set);
  }
  await assert.rejects(attempt("delete from movements"), /as they only grow/);
  await assert.rejects(attempt("truncate movements"), /as they only grow/);
  assert.equal(await attempt("update movements set user_id = 'forgotten:x' where seq = 2"), 1);
});
