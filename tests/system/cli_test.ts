/** The operator's command line, as a process of its own, on real servers. */
import assert from "node:assert/strict";
import { userInfo } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { allShardKeys } from "../../src/redis/keys.ts";
import { deployment, inventory, json, withRedis } from "./command_line.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { type Env, startStack } from "./stack.ts";

async function withFile<T>(text: string, work: (path: string) => Promise<T>): Promise<T> {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${dir}/stock.csv`, text);
    return await work(`${dir}/stock.csv`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("command line: what is asked wrongly ends with exit code 2 and says why", async () => {
  const redis = { REDIS_URL: "redis://127.0.0.1:1" };
  const wrong: [Env, string[], RegExp][] = [
    [{}, ["sell"], /unknown command/],
    [{}, ["stock"], /missing required argument/],
    [{}, ["adjust", "SKU", "many"], /must be an integer/],
    [{}, ["stock", "SKU"], /folder belongs to the running process/],
    [{ SHARDS: "0" }, ["status"], /SHARDS must be/],
    [redis, ["status", "--loud"], /unknown option/],
    [redis, ["reconcile"], /DATABASE_URL must be set/],
    [redis, ["import"], /missing required argument/],
  ];
  for (const [env, args, why] of wrong) {
    const { code, out, err } = await inventory(env, ...args);
    assert.equal(code, 2, `${args}: ${err}`);
    assert.match(err, why);
    assert.equal(out, "");
    assert.doesNotMatch(err, /^\s+at /m, "a stack trace is not for users");
  }
  const away = await inventory(redis, "stock", "SKU");
  assert.deepEqual([away.code, away.err.includes("Cannot reach REDIS_URL")], [1, true], away.err);
});

Deno.test("command line: stock is kept as over HTTP, and the ledger knows who did it", async () => {
  await using run = await deployment();
  const { env, stack } = run;
  const made = await json(env, 0, "adjust", "A B/ä", "10", "--id", "d1", "--reason", "delivery");
  assert.equal(made.available, 10);
  assert.deepEqual(
    await json(env, 0, "adjust", "A B/ä", "10", "--id", "d1"),
    made,
    "the same id is a repeat",
  );
  assert.equal((await json(env, 0, "adjust", "A B/ä", "-3", "--id", "d2")).available, 7);
  assert.equal((await json(env, 1, "set", "A B/ä", "5", "--expected", "99")).code, "stale");
  assert.equal((await json(env, 0, "set", "NEW", "5", "--expected", "none")).available, 5);
  assert.equal((await json(env, 1, "stock", "UNKNOWN")).code, "unknown_sku");

  await json(env, 0, "pause", "NEW", "--reason", "broken");
  assert.partialDeepStrictEqual(await json(env, 0, "stock", "NEW"), { paused: true });
  await json(env, 0, "resume", "NEW");
  await json(env, 0, "rules", "NEW", "--opens-at", "2026-01-01T00:00:00+08:00", "--quota", "2");
  const ruled = await json(env, 0, "stock", "NEW");
  assert.deepEqual([ruled.paused, ruled.quota, ruled.opens_at], [false, 2, "2025-12-31T16:00:00.000Z"]);
  assert.equal((await json(env, 2, "rules", "NEW", "--opens-at", "tomorrow")).code, "invalid_request");

  // Rules that are not named stay, and no call overwrites what was not read.
  await json(env, 0, "rules", "NEW", "--quota", "3");
  await json(env, 0, "rules", "NEW", "--closes-at", "2900-01-01T00:00:00Z");
  const kept = await json(env, 0, "stock", "NEW");
  assert.deepEqual([kept.quota, kept.opens_at], [3, ruled.opens_at]);
  const unseen = ["rules", "NEW", "--quota", "9", "--expected", String(ruled.rules_version)];
  assert.equal((await json(env, 1, ...unseen)).code, "stale");
  const lifted = await json(env, 0, "rules", "NEW", "--closes-at", "none");
  assert.deepEqual([lifted.closes_at, lifted.quota], [null, 3]);
  assert.equal((await json(env, 1, "rules", "SOON", "--quota", "1")).code, "unknown_sku");
  await json(env, 0, "rules", "SOON", "--opens-at", "2900-01-01T00:00:00Z", "--create");
  await json(env, 0, "set", "SOON", "5", "--expected", "none");
  const soon = await json(env, 0, "stock", "SOON");
  assert.deepEqual([soon.available, soon.opens_at], [5, "2900-01-01T00:00:00.000Z"]);

  const order = { sku: "NEW", user_id: "u", order_id: "o-1", amount: 1 };
  assert.equal((await stack.api.post("/api/v1/inventory/deduct", order)).status, 200);
  const { lines } = await json(env, 0, "order", "o-1");
  assert.equal(Array.isArray(lines) && lines[0].sku, "NEW");
  assert.equal((await json(env, 1, "order", "o-2")).code, "unknown_order");

  const away = { NAMESPACE: run.namespace };
  assert.equal((await json(away, 0, "stock", "NEW", "--api", stack.api.url)).available, 4);
  await json(env, 0, "reconcile"); // returns when all is applied
  const actors = await withConnection(
    run.databaseUrl,
    (sql) => sql`select distinct actor from ${sql(run.namespace)}.movements where kind not in ('deduct')`,
  );
  assert.deepEqual(actors.map(({ actor }) => actor), [`cli:${userInfo().username}`]);
});

Deno.test("import: a wrong row stops all of it, repeating it is harmless, and it resumes", async () => {
  await using run = await deployment({ SHARDS: "2" });
  const { env } = run;
  await withFile('sku,available\nA,1\n"B ""2"", x",2\r\nC,-1\n"D\n', async (file) => {
    const { code, err } = await inventory(env, "import", file);
    assert.equal(code, 1);
    assert.match(
      err,
      /nothing was written:\n\s+line 4 available must be.*\n\s+line 5 has a quote that is not closed/,
    );
    assert.equal((await json(env, 1, "stock", "A")).code, "unknown_sku");
  });
  const rows = Array.from({ length: 5000 }, (_, i) => `SKU-${i},${i}`);
  await withFile(`available,sku\n7,"Q ""1"", x"\n`, async (file) => {
    assert.equal((await json(env, 0, "import", file)).created, 1);
    assert.equal((await json(env, 0, "stock", 'Q "1", x')).available, 7);
  });
  await withFile(`sku,available\n${rows.join("\n")}\n`, async (file) => {
    const first = await json(env, 0, "import", file);
    assert.deepEqual([first.rows, first.created, first.repeated, first.refused], [5000, 5000, 0, 0]);
    const again = await json(env, 0, "import", file);
    assert.deepEqual([again.created, again.repeated, again.refused], [0, 5000, 0]);
    assert.equal((await json(env, 0, "stock", "SKU-4999")).available, 4999);

    const bytes = await crypto.subtle.digest("SHA-256", await Deno.readFile(file));
    const sha256 = new Uint8Array(bytes).toHex();
    const state = (change: object) =>
      Deno.writeTextFile(
        `${file}.import.json`,
        JSON.stringify({ sha256, mode: "create", rows: 4000, ...change }),
      );
    await state({});
    const resumed = await json(env, 0, "import", file, "--resume");
    assert.deepEqual([resumed.skipped, resumed.repeated], [4000, 1000]);
    await assert.rejects(Deno.stat(`${file}.import.json`), "a finished import leaves no state");
    await state({ sha256: "0" });
    assert.match(
      (await inventory(env, "import", file, "--resume")).err,
      /has changed since the import began/,
    );
  });
  await withFile("sku,available\nSKU-1,1\nSKU-5,1\n", async (file) => {
    assert.equal(
      (await json(env, 1, "import", file)).refused,
      2,
      "create refuses SKUs with other quantities",
    );
    assert.equal((await json(env, 0, "import", file, "--mode", "add")).changed, 2);
    assert.equal((await json(env, 0, "stock", "SKU-5")).available, 6);
  });
});

Deno.test("reconcile finds a quantity that was changed by hand, repair puts it right and keeps it", async () => {
  await using run = await deployment();
  const { env } = run;
  await json(env, 0, "set", "A", "10", "--expected", "none");
  await json(env, 0, "set", "B", "20", "--expected", "none");
  assert.deepEqual(await json(env, 0, "reconcile"), {
    ...{ skus: 2, orders: 2, quotas: 0, holds: 0 },
    differences: [],
  });
  const keys = allShardKeys({ namespace: run.namespace, shards: 1 })[0] ?? [];
  await withRedis(run.redisUrl, (redis) => redis.call("HSET", keys[1] ?? "", "A", "15 0"));
  const { differences } = await json(env, 1, "reconcile");
  assert.deepEqual(differences, [
    { shard: 0, what: "stock", name: "A", ledger: "10+0", store: "15+0" },
  ]);
  await withFile("", async (file) => {
    const report = `${file}.repair.json`;
    assert.equal(
      (await inventory(env, "repair", "--report", report)).code,
      2,
      "no terminal is there to confirm it",
    );
    const repaired = await json(env, 0, "repair", "--yes", "--report", report);
    assert.deepEqual([repaired.repaired, repaired.left], [differences, []]);
    assert.deepEqual(JSON.parse(await Deno.readTextFile(report)).rows, differences);
  });
  assert.equal((await json(env, 0, "stock", "A")).available, 10);

  // Found by the worker itself: it does not arm such a shard, and a rebuild is the way out.
  await withRedis(run.redisUrl, async (redis) => {
    await redis.call("HSET", keys[1] ?? "", "B", "21 0");
    await redis.call("HDEL", keys[0] ?? "", "armed");
  });
  const refused = () => run.stack.worker.logged("shard refused").length > 0;
  await waitFor(refused, { deadlineMs: 60_000, what: "a refusal" });
  const unarmed = await json(env, 1, "reconcile");
  assert.deepEqual(unarmed.differences, [
    { shard: 0, what: "stock", name: "B", ledger: "20+0", store: "21+0" },
  ]);
  assert.equal((await inventory(env, "doctor")).code, 1);
  await json(env, 0, "rebuild", "--yes");
  assert.equal((await json(env, 0, "stock", "B")).available, 20);
});

Deno.test("reconcile: sales, new SKUs and lapsing holds meanwhile are no differences", async () => {
  await using run = await deployment({ USER_LIMIT_MS: "0" });
  const { env, stack } = run;
  for (let i = 0; i < 10; i++) await json(env, 0, "set", `S-${i}`, "1000000", "--expected", "none");
  await json(env, 0, "rules", "S-0", "--quota", "1000000"); // its buyers are compared too
  let isSelling = true;
  let sold = 0;
  const sellers = Array.from({ length: 8 }, async (_, seller) => {
    while (isSelling) {
      const order = {
        user_id: `u-${seller}`,
        order_id: `o-${sold++}`,
        lines: [{ sku: `S-${sold % 10}`, amount: 1 }],
      };
      const { status } = sold % 2 === 0
        ? await stack.api.post("/api/v1/orders", order)
        : await stack.api.post("/api/v1/reservations", { ...order, ttl_seconds: 1 });
      assert.ok(status < 300, `${status}`);
      await delay(20); // at most 400 orders a second: what is there to compare has a bound
      if (sold % 10 !== 0) continue;
      const made = { adjustment_id: "a", delta: 1 };
      await stack.api.post(`/api/v1/inventory/NEW-${sold}/adjustments`, made);
    }
  });
  try {
    for (let i = 0; i < 3 || sold <= 100; i++) {
      assert.deepEqual((await json(env, 0, "reconcile")).differences, []);
    }
  } finally {
    isSelling = false;
    await Promise.all(sellers);
  }
});

Deno.test("rebuild: by the worker that has the lease, and without one by itself", async () => {
  await using run = await deployment();
  const { env, stack } = run;
  await json(env, 0, "set", "A", "10", "--expected", "none");
  const { shards: [before] } = await json(env, 0, "status") as { shards: Record<string, unknown>[] };
  assert.deepEqual([before?.armed, before?.skus, before?.dead_letters], [true, 1, 0]);
  const unasked = await inventory(env, "rebuild");
  assert.deepEqual([unasked.code, unasked.err.includes("--yes")], [2, true], unasked.err);
  const byWorker = await json(env, 0, "rebuild", "--yes") as { shards: Record<string, unknown>[] };
  assert.equal(byWorker.shards[0]?.by, "worker");
  await stack.worker.stop();
  const byItself = await json(env, 0, "rebuild", "--shard", "0", "--yes") as {
    shards: Record<string, unknown>[];
  };
  assert.deepEqual([byItself.shards[0]?.by, byItself.shards[0]?.skus], ["this process", 1]);
  assert.ok(Number(byItself.shards[0]?.epoch) > Number(byWorker.shards[0]?.epoch));
  assert.equal((await json(env, 0, "stock", "A")).available, 10);
});

Deno.test("doctor says which promises are kept; dead letters are listed and shown", async () => {
  await using run = await deployment();
  const { env, stack } = run;
  const healthy = await json(env, 0, "doctor") as { findings: { check: string; verdict: string }[] };
  const brokerless = await json({ ...env, KAFKA_BROKERS: "127.0.0.1:1" }, 1, "doctor") as typeof healthy;
  const kafka = brokerless.findings.filter(({ check }) => check === "kafka");
  assert.deepEqual(kafka.map(({ verdict }) => verdict), ["bad"]);
  assert.match(JSON.stringify(kafka), /nothing listens there/);
  const verdicts = Object.fromEntries(healthy.findings.map(({ check, verdict }) => [check, verdict]));
  assert.equal(verdicts.appendfsync, "ok");
  assert.equal(verdicts.replicas, "off");
  assert.equal(verdicts.leases, "ok");

  assert.deepEqual(await json(env, 0, "dead-letters"), { dead_letters: [] });
  await withConnection(
    run.databaseUrl,
    (sql) =>
      sql`insert into ${sql(run.namespace)}.dead_letters (shard, seq, event, sqlstate, reason)
        values (0, 7, '{"kind":"deduct"}', '23505', 'a test wrote it')`,
  );
  const { dead_letters: [listed] } = await json(env, 0, "dead-letters") as { dead_letters: { id: number }[] };
  const shown = await json(env, 0, "dead-letters", String(listed?.id));
  assert.deepEqual([shown.seq, shown.event], [7, { kind: "deduct" }]);
  assert.equal((await inventory(env, "dead-letters", "999")).code, 1);

  await stack.worker.stop();
  let ill: typeof healthy | undefined;
  await waitFor(async () => {
    const { code, out } = await inventory(env, "doctor", "--json");
    ill = JSON.parse(out);
    return code === 1;
  }, { deadlineMs: 60_000, what: "a doctor who sees that no worker is there" });
  assert.equal(ill?.findings.find(({ check }) => check === "leases")?.verdict, "bad");
});

Deno.test("doctor says of a managed server, which refuses CONFIG, what it can tell and what it cannot", async () => {
  await using redis = await startRedis({ args: ["--rename-command", "CONFIG", "", "--appendonly", "no"] });
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using _stack = await startStack({ redisUrl: redis.url, databaseUrl, env: { SHARDS: "2" } });
  const env: Env = { REDIS_URL: redis.url, DATABASE_URL: databaseUrl, SHARDS: "2" };
  const { findings, promises } = await json(env, 0, "doctor") as {
    findings: { check: string; verdict: string; found: string }[];
    promises: string[];
  };
  const verdicts = Object.fromEntries(findings.map(({ check, verdict }) => [check, verdict]));
  assert.partialDeepStrictEqual(verdicts, {
    version: "ok",
    "maxmemory-policy": "ok",
    appendonly: "off",
    appendfsync: "unknown",
    replicas: "off",
    fsync: "ok",
    leases: "ok",
  });
  assert.equal(
    findings.filter(({ check }) => check === "appendfsync").length,
    1,
    "one row for both shards",
  );
  const said = Object.fromEntries(promises.map((line) => [line.slice(13), line.slice(0, 13).trim()]));
  assert.deepEqual(said, {
    "no unit is sold twice, and no order counts twice within the window": "kept",
    "an answered sale survives a power cut of Redis": "OFF",
    "an answered sale survives the loss of a Redis server": "OFF",
    "what the ledger has survives a power cut of its server": "kept",
    "every sale reaches the ledger, and a lost store is rebuilt from it": "kept",
    "limits, windows and opening times go by one time": "kept",
  });
  assert.match((await inventory(env, "doctor")).out, /appendfsync +unknown +is not shown by this server/);
});
