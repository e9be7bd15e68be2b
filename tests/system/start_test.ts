/**
 * Starting on the wrong settings, the wrong port and the wrong servers: refused with the
 * reason, and no stock is touched.
 */
import assert from "node:assert/strict";
import { freePort } from "../../tools/servers/port.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { stockOf, stockUp } from "./ledger_audit.ts";
import { type Env, type Program, runToEnd, Service, startStack } from "./stack.ts";

const PROGRAMS: readonly Program[] = ["api", "worker"];
const NOWHERE = "redis://127.0.0.1:1";
const REFUSAL_DEADLINE_MS = 60_000;

/** The variables that a report of bad settings names, in its order. */
function blamed(output: string): string[] {
  return [...output.matchAll(/^ {2}([A-Z_]+) must be /gm)].map(([, name]) => name ?? "");
}

/** Waits until a worker has refused to arm, and returns why. */
async function refusalOf(worker: Service): Promise<string> {
  const refusals = () => worker.logged("shard refused").map(({ reason }) => String(reason));
  await waitFor(() => refusals().length > 0, { deadlineMs: REFUSAL_DEADLINE_MS, what: "a refusal" });
  return refusals()[0] ?? "";
}

/** Sells one unit; returns status and code. */
async function buy(api: Service, sku: string, orderId: string): Promise<[number, unknown]> {
  const order = { sku, user_id: `user-of-${orderId}`, order_id: orderId, amount: 1 };
  const { status, body } = await api.post("/api/v1/inventory/deduct", order);
  return [status, body.code ?? body.new_stock];
}

for (const program of PROGRAMS) {
  Deno.test(`${program}: every bad setting is reported at once, with exit code 2`, async () => {
    const { code, said } = await runToEnd(program, {
      PORT: "70000",
      SHARDS: "0",
      NAMESPACE: "Bad-Name",
      BATCH_MAX: "many",
      LOG_LEVEL: "loud",
      REDIS_URL: "http://user:secret@host",
    });
    assert.equal(code, 2);
    assert.deepEqual(blamed(said).sort(), [
      ...["BATCH_MAX", "LOG_LEVEL", "NAMESPACE", "PORT", "REDIS_URL", "SHARDS"],
    ]);
    assert.doesNotMatch(said, /secret/);
    assert.doesNotMatch(said, /^\s+at /m, "a stack trace is not for users");
  });

  Deno.test(`${program}: DATABASE_URL without REDIS_URL is a mistake, with exit code 2`, async () => {
    const { code, said } = await runToEnd(program, { DATABASE_URL: "postgres://127.0.0.1:1/holdfast" });
    assert.equal(code, 2);
    assert.deepEqual(blamed(said), ["DATABASE_URL"]);
  });
}

Deno.test("worker: one of its two servers is not enough, with exit code 2", async () => {
  for (const env of [{}, { REDIS_URL: NOWHERE }] satisfies Env[]) {
    const { code, said } = await runToEnd("worker", env);
    assert.equal(code, 2);
    assert.equal(said, "Cannot start the worker as REDIS_URL and DATABASE_URL must be set");
  }
});

Deno.test("api: a taken port ends it with exit code 1 and one line that names the port", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: freePort() });
  const { port } = listener.addr;
  const { code, said } = await runToEnd("api", { REDIS_URL: sharedRedis().url, PORT: String(port) });
  assert.equal(code, 1);
  assert.match(said, new RegExp(`^.*\\b${port}\\b.*$`));
});

/** All that a Redis holds of a shard which a wrong process might write. */
async function contentsOf(redis: RedisServer): Promise<string[]> {
  const hashes = ["meta", "stock", "orders:0", "orders:1"];
  const contents = await Promise.all(hashes.map((name) => redis.cli("HGETALL", `{inventory:0}:${name}`)));
  // A hash comes in any order, and in another one while its table grows.
  const sorted = contents.map((text) => text.split("\n").sort().join("\n"));
  return [...sorted, await redis.cli("XINFO", "STREAM", "{inventory:0}:events")];
}

Deno.test("another deployment's Redis is neither armed nor rebuilt, and its owner sells on from it", async () => {
  await using redis = await startRedis();
  const [ours, theirs] = [await sharedPostgres().freshDatabase(), await sharedPostgres().freshDatabase()];
  await using stack = await startStack({ redisUrl: redis.url, databaseUrl: ours });
  const { api, worker } = stack;
  await stockUp(api, new Map([["sku", 100]]));
  assert.deepEqual(await buy(api, "sku", "order-1"), [200, 99]);

  // Unarmed, as after any restart: the moment in which a wrong worker could take it over.
  await worker.stop();
  await redis.kill();
  await redis.start();
  const before = await contentsOf(redis);
  await using wrong = await Service.start("worker", { REDIS_URL: redis.url, DATABASE_URL: theirs });
  assert.match(await refusalOf(wrong), /belongs to another deployment/);
  await using wrongApi = await Service.start("api", { REDIS_URL: redis.url, DATABASE_URL: theirs });
  assert.deepEqual(await buy(wrongApi, "sku", "order-2"), [503, "unarmed"]);
  assert.equal((await wrongApi.get("/readyz")).status, 503);
  assert.deepEqual(await contentsOf(redis), before);

  await worker.restart();
  await api.ready();
  assert.deepEqual(await buy(api, "sku", "order-1"), [200, 99], "a replay");
  assert.deepEqual(await buy(api, "sku", "order-3"), [200, 98]);
  assert.deepEqual(wrong.logged("shard armed"), []);
});

Deno.test("an API of another deployment sells nothing from a Redis that is armed", async () => {
  await using redis = await startRedis();
  const [ours, theirs] = [await sharedPostgres().freshDatabase(), await sharedPostgres().freshDatabase()];
  await using stack = await startStack({ redisUrl: redis.url, databaseUrl: ours });
  await stockUp(stack.api, new Map([["sku", 100]]));
  await using wrong = await Service.start("worker", { REDIS_URL: redis.url, DATABASE_URL: theirs });
  assert.match(await refusalOf(wrong), /belongs to another deployment/);
  const { code, said } = await runToEnd("api", { REDIS_URL: redis.url, DATABASE_URL: theirs });
  assert.match(said, /armed for deployment/);
  assert.equal(code, 2);
  assert.equal((await stockOf(stack.api, ["sku"])).get("sku")?.available, 100);
});

Deno.test("an API whose DATABASE_URL does not work sells nothing and says why, unless DEPLOYMENT_ID says whose stock it is", async () => {
  const env = { REDIS_URL: sharedRedis().url, NAMESPACE: freshNamespace() };
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using stack = await startStack({ redisUrl: env.REDIS_URL, databaseUrl, env });
  await stockUp(stack.api, new Map([["sku", 100]]));
  const missing = new URL(databaseUrl);
  missing.pathname += "_missing";
  const [, id = ""] = /deployment ([0-9a-f-]{36})/.exec(stack.worker.output()) ?? [];

  await using lost = await Service.start("api", { ...env, DATABASE_URL: missing.href }, { databaseUrl });
  assert.deepEqual(await buy(lost, "sku", "order-1"), [503, "unarmed"]);
  const { status, body } = await lost.get("/readyz");
  assert.equal(status, 503);
  assert.match(JSON.stringify(body.promises_off), /whose stock this is.*DEPLOYMENT_ID.*not set/);
  const [line] = lost.logged("ledger does not answer");
  assert.match(String(line?.reason), /does not exist/);
  assert.ok(!line?.selling);

  await using named = await Service.start("api", { ...env, DATABASE_URL: missing.href, DEPLOYMENT_ID: id }, {
    databaseUrl,
  });
  assert.deepEqual(await buy(named, "sku", "order-2"), [200, 99]);
  assert.match(
    JSON.stringify((await named.get("/readyz")).body),
    /orders past the idempotency window: the ledger/,
  );

  const other = { DEPLOYMENT_ID: "00000000-0000-4000-8000-000000000001" };
  for (const url of [missing.href, databaseUrl]) {
    const { code, said } = await runToEnd("api", { ...env, ...other, DATABASE_URL: url });
    assert.equal(code, 2, said);
    assert.match(said, url === databaseUrl ? /belongs to another deployment/ : /armed for deployment/);
  }
  const worker = await runToEnd("worker", { ...env, ...other, DATABASE_URL: databaseUrl });
  assert.equal(worker.code, 2, worker.said);
});

Deno.test("two namespaces share a Redis and a database without knowing of one another", async () => {
  const servers = { redisUrl: sharedRedis().url, databaseUrl: await sharedPostgres().freshDatabase() };
  await using one = await startStack({ ...servers, env: { NAMESPACE: freshNamespace() } });
  await using two = await startStack({ ...servers, env: { NAMESPACE: freshNamespace() } });
  await stockUp(one.api, new Map([["sku", 10]]));
  assert.deepEqual(await buy(two.api, "sku", "order"), [404, "unknown_sku"]);
  await stockUp(two.api, new Map([["sku", 50]]));
  assert.deepEqual(await buy(one.api, "sku", "order"), [200, 9]);
  assert.deepEqual(await buy(two.api, "sku", "order"), [200, 49], "the same order id is another order here");
});

Deno.test("a Redis that evicts is refused by the name of its setting, and nothing is sold", async () => {
  await using redis = await startRedis({
    args: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"],
  });
  const env = { REDIS_URL: redis.url, DATABASE_URL: await sharedPostgres().freshDatabase() };
  await using worker = await Service.start("worker", env);
  assert.match(await refusalOf(worker), /maxmemory-policy.*noeviction.*allkeys-lru/);
  await using api = await Service.start("api", env);
  assert.deepEqual(await buy(api, "sku", "order"), [503, "unarmed"]);
  assert.equal(await redis.cli("DBSIZE"), "0");
});

for (const program of PROGRAMS) {
  Deno.test(`${program}: SHARDS other than the deployment's is refused with exit code 2`, async () => {
    const env = { REDIS_URL: sharedRedis().url, NAMESPACE: freshNamespace() };
    const databaseUrl = await sharedPostgres().freshDatabase();
    await using stack = await startStack({ redisUrl: env.REDIS_URL, databaseUrl, env });
    await stockUp(stack.api, new Map([["sku", 10]]));
    const { code, said } = await runToEnd(program, { ...env, DATABASE_URL: databaseUrl, SHARDS: "2" });
    assert.match(said, /SHARDS=2/);
    assert.equal(code, 2);
    assert.deepEqual(await buy(stack.api, "sku", "order"), [200, 9]);
  });
}

Deno.test("deno task serve downloads what main.ts imports, in the versions of deno.lock", async () => {
  const repository = new URL("../../", import.meta.url);
  const readLock = async (name: string) => JSON.parse(await Deno.readTextFile(new URL(name, repository)));
  const [all, serving] = [await readLock("deno.lock"), await readLock("deno.serve.lock")];
  for (const part of ["specifiers", "npm"]) {
    for (const [name, value] of Object.entries(serving[part])) assert.deepEqual(all[part][name], value, name);
  }
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["cache", "--frozen", "--lock=deno.serve.lock", "main.ts"],
    cwd: repository,
  }).output();
  assert.ok(
    success,
    `Run 'deno cache --lock=deno.serve.lock main.ts' and commit it: ${new TextDecoder().decode(stderr)}`,
  );
  const packages = (lock: { npm: Record<string, unknown> }) =>
    Object.keys(lock.npm).map((name) => name.replace(/(?<!^)@.*$/, ""));
  for (const name of ["fast-check", "yaml", "commander", "kafkajs"]) {
    assert.ok(!packages(serving).includes(name), `${name} is not needed to serve`);
  }
  // Every `deno task` downloads the whole of deno.lock first: what has a large tree is in tools/lint/deno.lock.
  const beyond = packages(all).filter((name) => !packages(serving).includes(name));
  const small = [
    "@opentelemetry/context-async-hooks",
    "commander",
    "fast-check",
    "kafkajs",
    "pure-rand",
    "yaml",
  ];
  assert.deepEqual([...new Set(beyond)].toSorted(), small);
});
