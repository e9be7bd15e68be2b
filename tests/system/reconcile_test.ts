/** What was changed by hand in Redis or in the ledger, which two quantities do not show. */
import assert from "node:assert/strict";
import { allShardKeys } from "../../src/redis/keys.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { deployment, inventory, json, withRedis } from "./command_line.ts";

interface Found {
  readonly what: string;
  readonly name: string;
  readonly ledger: string;
  readonly store: string;
}

Deno.test("reconcile and verify find what two quantities do not show, and rebuild puts the store right", async () => {
  await using run = await deployment({ USER_LIMIT_MS: "0" });
  const { env, stack: { api }, namespace } = run;
  const keys = allShardKeys({ namespace, shards: 1 })[0] ?? [];
  const [meta = "", stock = "", orders0 = "", orders1 = "", , , quota = "", expiry = ""] = keys;
  const redis = (...args: [string, ...(string | number)[]]) =>
    withRedis(run.redisUrl, (connection) => connection.call(...args));
  const ledger = (statement: string) =>
    withConnection(
      run.databaseUrl,
      (sql) => sql.unsafe(`set search_path = "${namespace}"; ${statement}`).simple(),
    );
  const post = async (path: string, body: object) => {
    const { status } = await api.post(path, body);
    assert.ok(status < 300, `${path}: ${status}`);
  };
  const found = async (): Promise<string[]> => {
    const { code, out, err } = await inventory(env, "reconcile", "--json");
    assert.ok(code < 2, err);
    const differences: Found[] = JSON.parse(out).differences;
    assert.equal(code, differences.length > 0 ? 1 : 0);
    return differences.map(({ what, name, ledger, store }) => `${what} ${name}: ${ledger} | ${store}`);
  };

  for (const sku of ["A", "B"]) await json(env, 0, "set", sku, "100", "--expected", "none");
  await json(env, 0, "rules", "B", "--quota", "5");
  await json(env, 0, "pause", "A");
  const buy = (order_id: string, amount: number) =>
    post("/api/v1/inventory/deduct", { sku: "B", user_id: "u", order_id, amount });
  await buy("o-1", 2);
  await buy("o-2", 1);
  await post("/api/v1/reservations", {
    ...{ user_id: "v", order_id: "held", ttl_seconds: 3600 },
    lines: [{ sku: "B", amount: 3 }],
  });
  await post("/api/v1/orders/o-1/return", { return_id: "r-1", lines: [{ sku: "B", amount: 1 }] });
  assert.deepEqual(await found(), []);
  assert.match((await inventory(env, "verify")).out, /The ledger is whole: 8 movements in 1 shards/);

  const slips: { by: () => Promise<unknown>; says: RegExp[] }[] = [
    { by: () => redis("HDEL", orders0, "o-2"), says: [/^orders o-2: a line of B \| nothing$/] },
    { by: () => redis("HSET", stock, "A", "100 0"), says: [/^rules A: \{"paused":true\} \| none$/] },
    { by: () => redis("DEL", expiry), says: [/^holds held: lapses: \d+ \| lapses: nothing$/] },
    { by: () => redis("HSET", quota, "u\u001fB", "0 4"), says: [/^quotas u B: 2 bought \| 0 bought$/] },
    { by: () => redis("ZADD", expiry, 1e14, "unknown"), says: [/^holds unknown: lapses: nothing \|/] },
    // Lines move from the generation that is read first to the one that goes next: all are still remembered.
    { by: () => redis("RENAME", orders0, orders1), says: [] },
    {
      by: () => redis("DEL", orders0, orders1),
      says: [/^orders A: /, /^orders o-1: /, /^orders o-2: /, /^orders held: /],
    },
  ];
  for (const { by, says } of slips) {
    await by();
    const differences = await found();
    const missing = says.filter((words) => !differences.some((one) => words.test(one)));
    if (says[0]?.source.startsWith("^orders A")) missing.shift(); // adjustments have ids of their own
    assert.deepEqual(missing, [], differences.join("\n"));
    assert.ok(differences.length >= says.length);
    if (differences.length === 0) continue;
    const report = await Deno.makeTempDir();
    await json(env, 0, "repair", "--yes", "--report", `${report}/repair.json`);
    await Deno.remove(report, { recursive: true });
    assert.deepEqual(await found(), [], "repaired from the ledger");
  }
  const retry = { sku: "B", user_id: "u", order_id: "o-2", amount: 1 };
  assert.equal((await api.post("/api/v1/inventory/deduct", retry)).body.new_stock, 97, "not sold again");

  await ledger("update order_lines set amount = 5, units = 5 where order_id = 'o-2'");
  assert.match((await found()).join(), /^orders o-2: B: deduct 5 of u, .* \| B: deduct 1 of u/);
  const { faults } = await json(env, 1, "verify") as { faults: { wrong: string }[] };
  assert.deepEqual(faults.map(({ wrong }) => wrong), ["deduct: amount 5 instead of 1"]);
  assert.equal(await redis("HEXISTS", meta, "armed"), 1, "it sells on");
});
