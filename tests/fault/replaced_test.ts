/**
 * The address of a Redis leads to another server, which is armed in its own right: a master that was left
 * behind by a failover and never knew, or the Redis of another deployment.
 */
import assert from "node:assert/strict";
import { withConnection } from "../../tools/servers/database.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { Service, type Stack, startStack } from "../system/stack.ts";
import { startForwarder } from "./forwarder.ts";
import { clientsNamed, digest, DIGESTIBLE, position, soldDigest, untilRecorded } from "./redis_state.ts";
import { FaultScenario, note, SCENARIO_ENV } from "./fault_scenario.ts";

const ORDERS_AN_ACT = 200;
const PROBES = 64;
const STEP_DEADLINE_MS = 60_000;
const SELLING_AGAIN_MAX_MS = 15_000; // 0.2 to 0.5 s on a quiet machine, see docs/benchmarks.md
/** Connections of a worker that applies events: to verify and acknowledge, and to read the log. */
const BOOKING_CONNECTIONS = 2;
/** One that was idle has given back what lapsed, too. */
const IDLE_CONNECTIONS = 3;

for (const fresh of [undefined, "worker"] as const) {
  const who = fresh ? ", with a fresh worker" : "";
  Deno.test(`a master that was left behind does not sell what its successor has sold${who}`, async () => {
    await using first = await startRedis({ args: DIGESTIBLE });
    await using second = await startRedis({
      args: [...DIGESTIBLE, "--replicaof", "127.0.0.1", String(first.port)],
    });
    await using forwarder = startForwarder(first.port);
    const databaseUrl = await sharedPostgres().freshDatabase();
    await using stack = await startStack({ redisUrl: forwarder.url, databaseUrl, env: SCENARIO_ENV });
    const scenario = await FaultScenario.open({ api: stack.api, databaseUrl, orders: 2_000 });
    await scenario.sell(ORDERS_AN_ACT);
    await scenario.applied();
    await waitFor(async () => await digest(first) === await digest(second), {
      deadlineMs: STEP_DEADLINE_MS,
      what: "a replica in sync",
    });

    // Promoted while the master is only out of sight: it stays a master, armed as it was.
    await second.cli("REPLICAOF", "NO", "ONE");
    forwarder.redirect(second.port);
    await scenario.untilSold();
    await scenario.sell(ORDERS_AN_ACT);
    await scenario.applied();
    const leftBehind = await soldDigest(first);

    if (fresh) await stack.worker.kill();
    forwarder.redirect(first.port);
    if (fresh) {
      // Before the API is connected the probes would reach nothing.
      await waitFor(async () => await clientsNamed(first, "inventory-api") > 0, {
        deadlineMs: STEP_DEADLINE_MS,
        what: "an API that is connected to the first server",
      });
      const clients = scenario.act(PROBES);
      await clients.rush();
      assert.equal(await soldDigest(first), leftBehind, "it sold though its successor was armed after it");
      const seen = Number(await first.cli("HGET", "{inventory:0}:meta", "epoch_seen"));
      assert.equal(seen, (await position(second)).epoch, "a caller of the newer epoch has asked it");
      await stack.worker.restart();
      await clients.settle();
    }
    const ms = await scenario.untilSold();
    note(`sold again after ${ms} ms`);
    assert.ok(ms < SELLING_AGAIN_MAX_MS, `${ms} ms until the next sale`);
    await scenario.sell(ORDERS_AN_ACT);
    await scenario.audit();
    assert.notEqual(await soldDigest(first), leftBehind, "nothing was sold from it: it was not struck");
  });
}

/** Two deployments with the same names; only the second's Redis and ledger are read from outside. */
interface Neighbors extends AsyncDisposable {
  readonly mine: Stack;
  readonly redis: RedisServer;
  readonly theirs: Stack;
  readonly theirRedis: RedisServer;
  readonly databaseUrl: string;
  redirect(server: RedisServer): void;
}

async function startNeighbors(): Promise<Neighbors> {
  await using started = new AsyncDisposableStack();
  const redis = started.use(await startRedis({ args: DIGESTIBLE }));
  const theirRedis = started.use(await startRedis({ args: DIGESTIBLE }));
  const forwarder = started.use(startForwarder(redis.port));
  const databaseUrl = await sharedPostgres().freshDatabase();
  const theirDatabase = await sharedPostgres().freshDatabase();
  const env = { ...SCENARIO_ENV, DATABASE_URL: databaseUrl };
  const mine = started.use(await startStack({ redisUrl: forwarder.url, databaseUrl, env }));
  const theirs = started.use(
    await startStack({
      redisUrl: theirRedis.url,
      databaseUrl: theirDatabase,
      env: { ...SCENARIO_ENV, DATABASE_URL: theirDatabase },
    }),
  );
  const owned = started.move();
  return {
    mine,
    redis,
    theirs,
    theirRedis,
    databaseUrl,
    redirect: (server) => forwarder.redirect(server.port),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test("another deployment's Redis, armed and selling, is neither sold from nor changed", async () => {
  await using all = await startNeighbors();
  const { mine, theirs, theirRedis, databaseUrl } = all;
  const scenario = await FaultScenario.open({ api: mine.api, databaseUrl, orders: 2_000 });
  await scenario.sell(ORDERS_AN_ACT);
  await scenario.applied();
  await theirs.api.post("/api/v1/inventory/plenty/adjustments", { adjustment_id: "theirs", delta: 500 });
  await untilRecorded(theirRedis);
  const before = await stateOf(theirRedis);

  all.redirect(theirRedis);
  await refusedAsForeign(mine.worker);
  const clients = scenario.act(PROBES);
  await clients.rush();
  assert.equal(clients.count("unknown"), PROBES, JSON.stringify(clients.heard.slice(0, 3)));
  assert.deepEqual(await stateOf(theirRedis), before, "their state has changed");

  all.redirect(all.redis);
  const ms = await scenario.untilSold();
  note(`sold again after ${ms} ms`);
  assert.ok(ms < SELLING_AGAIN_MAX_MS, `${ms} ms until the next sale`);
  await clients.settle();
  await scenario.audit();
});

Deno.test("a worker that was applying while the address changed does not touch another deployment's log", async () => {
  await using all = await startNeighbors();
  const { mine, theirs, theirRedis, databaseUrl } = all;
  const scenario = await FaultScenario.open({ api: mine.api, databaseUrl, orders: 2_000 });
  await scenario.sell(ORDERS_AN_ACT);
  await scenario.applied();
  await theirs.api.post("/api/v1/inventory/plenty/adjustments", { adjustment_id: "theirs", delta: 500 });
  await untilRecorded(theirRedis);
  await waitFor(async () => await clientsNamed(theirRedis, "inventory-worker") === IDLE_CONNECTIONS, {
    deadlineMs: STEP_DEADLINE_MS,
    what: "their worker to be idle",
  });
  const before = await stateOf(theirRedis);

  await withConnection(databaseUrl, async (sql) => {
    await sql.begin(async (locked) => {
      await locked`lock table inventory.movements in access exclusive mode`;
      await scenario.untilSold(); // the worker waits for the lock with it
      await waitFor(async () => (await waitingForLocks(databaseUrl)) > 0, {
        deadlineMs: STEP_DEADLINE_MS,
        what: "a worker that waits in the middle of applying",
      });
      all.redirect(theirRedis);
      await waitFor(
        async () =>
          await clientsNamed(theirRedis, "inventory-worker") >= IDLE_CONNECTIONS + BOOKING_CONNECTIONS,
        {
          deadlineMs: STEP_DEADLINE_MS,
          what: "a worker that is connected to another deployment's Redis",
        },
      );
    });
  });
  const noticed = await refusedAsForeign(mine.worker).catch((error: Error) => error);
  assert.deepEqual(await stateOf(theirRedis), before, "their state has changed");
  assert.equal(noticed, undefined);
  all.redirect(all.redis);
  await scenario.untilSold();
  await scenario.audit();
});

/**
 * What another deployment's worker could change: all but the notes that their own worker keeps, which reconciles and,
 * when it had no core for 3 s, arms again.
 */
async function stateOf(redis: RedisServer): Promise<readonly string[]> {
  return [
    await soldDigest(redis),
    await redis.cli("HMGET", "{inventory:0}:meta", "seq", "applied", "deployment", "settings"),
  ];
}

async function refusedAsForeign(worker: Service): Promise<void> {
  await waitFor(
    () => worker.logged("shard refused").some(({ reason }) => /another deployment/.test(String(reason))),
    { deadlineMs: STEP_DEADLINE_MS, what: "a refusal of another deployment's Redis" },
  );
}

/** Sessions of this database that wait for a lock. */
async function waitingForLocks(databaseUrl: string): Promise<number> {
  return await withConnection(databaseUrl, async (sql) => {
    const [row] = await sql`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    return Number(row?.count);
  });
}
