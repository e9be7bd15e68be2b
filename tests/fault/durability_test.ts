/**
 * What servers can keep: said where it is less than promised, and noticed when it changes under way.
 */
import assert from "node:assert/strict";
import { withConnection } from "../../tools/servers/database.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { stockUp } from "../system/ledger_audit.ts";
import { Service, startStack } from "../system/stack.ts";
import { refusalOf, saying } from "./fault_probe.ts";

/** The worker looks every 3 s. */
const CHECK_DEADLINE_MS = 60_000;

/** Waits until `/readyz` says exactly this of promises, in the order of their names. */
async function guaranteesOff(api: Service, expected: readonly RegExp[]): Promise<void> {
  let off: string[] = [];
  await waitFor(async () => {
    off = (await api.get("/readyz")).body.promises_off as string[];
    return off.length === expected.length && expected.every((words, i) => words.test(off[i] ?? ""));
  }, { deadlineMs: CHECK_DEADLINE_MS, what: `${expected}` }).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(off)}`, { cause: error });
  });
}

async function isReady(api: Service): Promise<boolean> {
  return (await api.get("/readyz")).status === 200;
}

/** Waits until no order can be decided, and returns why. */
async function untilUnready(api: Service): Promise<unknown> {
  await waitFor(async () => !await isReady(api), {
    deadlineMs: CHECK_DEADLINE_MS,
    what: "a shard without its right",
  });
  return (await api.get("/readyz")).body.missing;
}

/** A server with a replica that it waits for, as every promise needs it. */
async function startPair(): Promise<{ master: RedisServer } & AsyncDisposable> {
  await using owned = new AsyncDisposableStack();
  const master = owned.use(
    await startRedis({ args: ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "10"] }),
  );
  owned.use(await startRedis({ args: ["--replicaof", "127.0.0.1", String(master.port)] }));
  await waitFor(async () => (await master.cli("INFO", "replication")).includes("min_slaves_good_slaves:1"), {
    deadlineMs: CHECK_DEADLINE_MS,
    what: "a good replica",
  });
  const all = owned.move();
  return { master, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

const noReplicas = [/loss of a Redis server: replicas/, /loss of a Redis server: min-replicas-to-write/];
const noLedgerUrl = /^orders past the idempotency window: DATABASE_URL is not set$/;

Deno.test("durability: a setting that is changed while selling is noticed, said by readyz, and gone when it is right again", async () => {
  await using redis = await startRedis();
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using stack = await startStack({ redisUrl: redis.url, databaseUrl });
  const { api, worker } = stack;
  await guaranteesOff(api, [noLedgerUrl, ...noReplicas]);
  await redis.cli("CONFIG", "SET", "appendfsync", "everysec");
  await guaranteesOff(api, [noLedgerUrl, /power cut of Redis: appendfsync is everysec/, ...noReplicas]);
  await redis.cli("CONFIG", "SET", "appendonly", "no");
  await guaranteesOff(api, [noLedgerUrl, /appendonly is no/, /appendfsync is everysec/, ...noReplicas]);
  assert.ok(await isReady(api), "DURABILITY=report sells on");
  await redis.cli("CONFIG", "SET", "appendonly", "yes");
  await redis.cli("CONFIG", "SET", "appendfsync", "always");
  await guaranteesOff(api, [noLedgerUrl, ...noReplicas]);

  // A server that forgets sales is no question of promises.
  await stockUp(api, new Map([["sku", 10]]));
  await redis.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
  assert.match(
    String(await untilUnready(api)),
    /^shard 0: unarmed: server requirements are not met: .*maxmemory-policy/,
  );
  assert.match(await refusalOf(worker), /maxmemory-policy must be noeviction/);
  await redis.cli("CONFIG", "SET", "maxmemory-policy", "noeviction");
  await api.ready(CHECK_DEADLINE_MS);
  assert.equal((await api.get("/api/v1/inventory/sku")).body.available, 10);
});

Deno.test("durability: strict arms on servers that keep every promise, and stops selling when one no longer does", async () => {
  await using pair = await startPair();
  const { master } = pair;
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using stack = await startStack({ redisUrl: master.url, databaseUrl, env: { DURABILITY: "strict" } });
  const { api, worker } = stack;
  await guaranteesOff(api, [noLedgerUrl]);
  await stockUp(api, new Map([["sku", 10]]));
  await master.cli("CONFIG", "SET", "appendfsync", "everysec");
  assert.match(String(await untilUnready(api)), /^shard 0: unarmed/);
  assert.match(
    await refusalOf(worker),
    /DURABILITY is strict: an answered sale survives a power cut .* everysec/,
  );
  await master.cli("CONFIG", "SET", "appendfsync", "always");
  await api.ready(CHECK_DEADLINE_MS);
  assert.equal((await api.get("/api/v1/inventory/sku")).body.available, 10);
});

Deno.test("durability: strict refuses a server without replicas, one that shows too little, and a ledger that loses commits", async () => {
  const databaseUrl = await sharedPostgres().freshDatabase();
  await withConnection(databaseUrl, async (sql) => {
    const [row] = await sql<{ name: string }[]>`select current_database() as name`;
    await sql.unsafe(`alter database ${row?.name} set synchronous_commit = off`);
  });
  await using redis = await startRedis({ args: ["--rename-command", "CONFIG", ""] });
  const env = { REDIS_URL: redis.url, DATABASE_URL: databaseUrl, DURABILITY: "strict" };
  await using worker = await Service.start("worker", env);
  const refusal = await refusalOf(worker);
  assert.match(refusal, /loss of a Redis server: replicas there are none/);
  assert.match(refusal, /cannot tell whether an answered sale survives a power cut of Redis: appendfsync/);
  assert.match(refusal, /what the ledger has survives a power cut of its server: synchronous_commit is off/);
  await using api = await Service.start("api", { REDIS_URL: redis.url });
  assert.deepEqual((await api.get("/readyz")).body.missing, [
    "shard 0: unarmed: no worker has verified it yet",
  ]);

  // With DURABILITY=report the same servers sell, and the guarantees that are off are listed.
  await worker.stop();
  await using modest = await Service.start("worker", { ...env, DURABILITY: "report" });
  await api.ready(CHECK_DEADLINE_MS);
  await guaranteesOff(api, [
    noLedgerUrl,
    /^cannot tell whether .* power cut of Redis: appendfsync/,
    ...noReplicas,
    /survives a power cut of its server: synchronous_commit is off/,
  ]);
  await saying(modest, "which promises are off", () => modest.logged("guarantees off").length > 0);
});

Deno.test("durability: the embedded default keeps every guarantee, and DURABILITY=strict starts it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "holdfast-durability-" });
  try {
    await using api = await Service.start("api", { DATA_DIR: folder, DURABILITY: "strict" });
    await api.ready(30_000);
    await guaranteesOff(api, []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
