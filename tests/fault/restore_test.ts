/**
 * Restores with the servers' own means: PostgreSQL from `pg_basebackup` while Redis is newer, and Redis from a copy of its
 * folder while PostgreSQL is newer. One command says what is lost, in numbers, orders and units, and mends it.
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { runCommand } from "../../tools/servers/command.ts";
import { programOf } from "../../tools/servers/install.ts";
import { type PostgresServer, startPostgres } from "../../tools/servers/postgres.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { inventory, json } from "../system/command_line.ts";
import { stockUp } from "../system/ledger_audit.ts";
import { type Env, type Service, type Stack, startStack } from "../system/stack.ts";
import { armedAgain, armings, drained, saying } from "./fault_probe.ts";

const EVENTS = "{inventory:0}:events";
const COPY_DEADLINE_MS = 60_000;

interface Shop extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  readonly stack: Stack;
  readonly env: Env;
}

async function startShop(): Promise<Shop> {
  await using owned = new AsyncDisposableStack();
  const redis = owned.use(await startRedis());
  const postgres = owned.use(await startPostgres());
  const own = { USER_LIMIT_MS: "0" };
  const stack = owned.use(await startStack({ redisUrl: redis.url, databaseUrl: postgres.url, env: own }));
  await stockUp(stack.api, new Map([["sku", 100]]));
  const env = { ...own, REDIS_URL: redis.url, DATABASE_URL: postgres.url };
  const all = owned.move();
  return { redis, postgres, stack, env, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

async function buy(api: Service, orderId: string, amount = 1): Promise<unknown[]> {
  const order = { sku: "sku", user_id: "user", order_id: orderId, amount };
  const { status, body } = await api.post("/api/v1/inventory/deduct", order);
  return [status, body.code ?? body.new_stock];
}

async function sell(api: Service, name: string, count: number, amount = 1): Promise<void> {
  for (let i = 0; i < count; i++) assert.equal((await buy(api, `${name}-${i}`, amount))[0], 200);
}

/** Puts a copy in the place of a folder, with its owner. */
async function replaceFolder(dir: string, copy: string): Promise<void> {
  const steps = `chown -R --reference="$1" "$2" && find "$1" -mindepth 1 -delete && cp -a "$2/." "$1"`;
  await runCommand("sh", ["-c", steps, "sh", dir, copy], { deadlineMs: COPY_DEADLINE_MS });
}

async function baseBackup(postgres: PostgresServer): Promise<string> {
  const copy = await dataDir("base-backup");
  const args = ["-d", postgres.url, "-D", copy, "-X", "stream", "-c", "fast"];
  // Next to the server itself: the folder of a link to it may have other links only.
  const server = await Deno.realPath(programOf("postgres", "postgres"));
  await runCommand(join(dirname(server), "pg_basebackup"), args, { deadlineMs: COPY_DEADLINE_MS });
  return copy;
}

async function restoreBase(postgres: PostgresServer, copy: string): Promise<void> {
  await postgres.kill();
  await replaceFolder(postgres.dir, copy);
  await postgres.start();
}

Deno.test("restore: PostgreSQL from pg_basebackup and a newer Redis: the log gives back what it has, without a command", async () => {
  await using shop = await startShop();
  const { redis, postgres, stack: { api, worker }, env } = shop;
  await sell(api, "before", 3);
  await drained(redis);
  const copy = await baseBackup(postgres);
  await sell(api, "after", 7);
  const head = await drained(redis);
  const before = armings(worker);
  await restoreBase(postgres, copy);
  await armedAgain(worker, before);
  assert.equal(await drained(redis), head);
  assert.deepEqual(await json(env, 0, "recover", "--reason", "restored"), { recovered: [], declared: [] });
  assert.deepEqual(await buy(api, "after-2"), [200, 94], "a replay");
  assert.deepEqual(await buy(api, "next"), [200, 89]);
  await drained(redis);
  await json(env, 0, "verify");
  await json(env, 0, "reconcile");
});

Deno.test("restore: PostgreSQL from pg_basebackup, and a log that ends later: one command says numbers, orders and units, and takes them from Redis", async () => {
  await using shop = await startShop();
  const { redis, postgres, stack: { api, worker }, env } = shop;
  await sell(api, "before", 3);
  const copied = await drained(redis);
  const copy = await baseBackup(postgres);
  await sell(api, "after", 7, 2);
  const head = await drained(redis);
  await redis.cli("XTRIM", EVENTS, "MAXLEN", "2");
  await restoreBase(postgres, copy);
  const isRefused = () =>
    worker.logged("shard refused").some(({ reason }) => /went back/.test(String(reason)));
  await saying(worker, "a refusal", isRefused);
  assert.deepEqual(await buy(api, "too-late"), [503, "unarmed"]);

  const why = ["recover", "--reason", "restored from the night's backup"];
  const asked = await inventory(env, ...why);
  assert.equal(asked.code, 2);
  assert.match(
    asked.err,
    new RegExp(
      `pass --lost 7 .*7 numbers are neither.*numbers ${
        copied + 1
      } to ${head}.*remembers 7 orders of 14 units`,
    ),
  );
  const { recovered } = await json(env, 0, ...why, "--lost", "7") as { recovered: object[] };
  assert.partialDeepStrictEqual(recovered[0], { lost: 7, orders: 7, units: 14, figures_of: "store" });
  await json(env, 0, "verify");
  await json(env, 0, "reconcile");
  assert.deepEqual(await buy(api, "after-2", 2), [200, 91], "a replay");
  assert.deepEqual(await buy(api, "next"), [200, 82]);
  const { declared } = await json(env, 0, ...why) as { declared: object[] };
  assert.partialDeepStrictEqual(declared, [{
    shard: 0,
    from: copied + 1,
    to: head,
    count: 7,
    reason: "restored from the night's backup",
  }]);
});

Deno.test("restore: Redis from a copy of its folder, and a newer PostgreSQL: the store is filled from the ledger, nothing is lost, and the command says so", async () => {
  await using shop = await startShop();
  const { redis, stack: { api, worker }, env } = shop;
  await sell(api, "before", 3);
  await drained(redis);
  const copy = await dataDir("redis-copy");
  const folder = await redis.cli("CONFIG", "GET", "dir");
  assert.match(folder, new RegExp(redis.dir));
  await runCommand("cp", ["-a", `${redis.dir}/.`, copy], { deadlineMs: COPY_DEADLINE_MS });
  await sell(api, "after", 7);
  await drained(redis);
  const before = armings(worker);
  await redis.kill();
  await replaceFolder(redis.dir, copy);
  await redis.start();
  await armedAgain(worker, before);
  assert.match(String(worker.logged("shard armed").at(-1)?.rebuilt), /the store went back: it ends at/);
  assert.deepEqual(await buy(api, "after-2"), [200, 94], "a replay: the store has it again");
  assert.deepEqual(await buy(api, "next"), [200, 89]);
  await drained(redis);
  assert.deepEqual(await json(env, 0, "recover", "--reason", "restored"), { recovered: [], declared: [] });
  await json(env, 0, "verify");
  await json(env, 0, "reconcile");
});

Deno.test("restore: Redis from a copy, whose newest sales PostgreSQL never had: both sides agree, and no server can name them", async () => {
  await using shop = await startShop();
  shop.stack.api.history.unchecked(
    "sales that only a lost Redis had are accepted twice, as no server can name them",
  );
  const { redis, stack: { api, worker }, env } = shop;
  await sell(api, "before", 3);
  const applied = await drained(redis);
  const copy = await dataDir("redis-copy");
  await runCommand("cp", ["-a", `${redis.dir}/.`, copy], { deadlineMs: COPY_DEADLINE_MS });
  await worker.kill();
  await sell(api, "after", 4); // in Redis only
  await redis.kill();
  await replaceFolder(redis.dir, copy);
  await redis.start();
  await worker.restart();
  await armedAgain(worker, 0);
  // The ledger never heard of the four: to know of them, a worker must have seen them issued.
  const { declared } = await json(env, 0, "recover", "--reason", "restored") as { declared: object[] };
  assert.deepEqual(declared, []);
  assert.equal((await buy(api, "after-0"))[0], 200, "not a replay: sold for the first time");
  assert.ok(await drained(redis) > applied);
  await json(env, 0, "verify");
  await json(env, 0, "reconcile");
});
