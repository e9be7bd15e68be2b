/** Why a shard does not sell: each reason by name, on real servers. */
import assert from "node:assert/strict";
import { RedisStore } from "../../src/redis/store.ts";
import { allShardKeys } from "../../src/redis/keys.ts";
import { ShardConnections } from "../../src/redis/shard_connections.ts";
import { ClusterMap } from "../../src/redis/cluster_map.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { makeRedisStore } from "./stores.ts";
import { armEmpty, deployment as owner } from "./store_suite.ts";

const LIMITS = { userLimitMs: 0, idempotencyWindowMs: 3_600_000, backlogMax: 100, replicaTimeoutMs: 1000 };

/** An API's store, and the reasons that it reported. */
async function openApi(url: string, namespace: string, deployment: string | null = owner) {
  const place = { namespace, shards: 1 };
  const servers = new ClusterMap([url], place, { name: "unarmed", world, onError() {} });
  const links = new ShardConnections(servers, "shard");
  await links.whenReady(0, 5000);
  const reported: string[] = [];
  const options = { ...LIMITS, onUnarmed: (_: number, reason: string) => reported.push(reason) };
  const store = new RedisStore(links, { ...place, deployment }, options);
  return {
    store,
    reported,
    /** Why it does not sell; undefined when it does. */
    async why() {
      const result = await store.decide(0, []);
      return result.kind === "unarmed" ? result.reason ?? "" : undefined;
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await servers.close();
    },
  };
}

Deno.test("unarmed: the reason is no worker, a worker that verifies or refuses, or scripts that are not loaded", async () => {
  await using redis = await startRedis();
  await using under = await makeRedisStore(redis.url);
  await using api = await openApi(redis.url, under.namespace);
  assert.equal(await api.why(), "no worker has verified it yet");
  assert.equal(await api.why(), "no worker has verified it yet");
  await armEmpty(under.control);
  assert.equal(await api.why(), undefined);

  await redis.cli("SCRIPT", "FLUSH");
  assert.match(await api.why() ?? "", /^this version's scripts are not loaded/);
  await under.control.inspect(0);
  assert.equal(await api.why(), undefined);

  await under.control.disarm(0, owner);
  assert.match(await api.why() ?? "", /no worker has verified it since$/);
  await under.control.publish(0, owner, { kind: "verifying" });
  assert.match(await api.why() ?? "", /^its worker began to verify it at 20/);
  await under.control.publish(0, owner, {
    kind: "refusal",
    reason: "Cannot arm shard 0 as the test says so",
  });
  assert.equal(await api.why(), "its worker refused it: Cannot arm shard 0 as the test says so");
  await under.control.publish(0, "another", { kind: "refusal", reason: "not ours" });
  assert.match(await api.why() ?? "", /the test says so$/);

  await redis.cli("HDEL", allShardKeys({ namespace: under.namespace, shards: 1 })[0]?.[0] ?? "", "settings");
  await redis.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
  assert.match(
    await api.why() ?? "",
    /^server requirements are not met: .*maxmemory-policy must be noeviction/,
  );
  await redis.cli("CONFIG", "SET", "maxmemory-policy", "noeviction");
  assert.equal(api.reported.length, 6, `each reason once: ${api.reported.join("; ")}`);
});

Deno.test("unarmed: another deployment's shard, and a ledger that did not answer yet, are reasons of their own", async () => {
  await using redis = await startRedis();
  await using under = await makeRedisStore(redis.url);
  await armEmpty(under.control);
  await under.control.disarm(0, owner);
  await using foreign = await openApi(redis.url, under.namespace, crypto.randomUUID());
  assert.equal(await foreign.why(), `it holds the stock of another deployment: ${owner}`);
  await using early = await openApi(redis.url, under.namespace, null);
  assert.match(
    await early.why() ?? "",
    /^the ledger at DATABASE_URL does not answer, and DEPLOYMENT_ID is not set/,
  );
});

Deno.test("unarmed: a Valkey without its Lua module is refused by name", async () => {
  await using valkey = await startRedis({ flavour: "valkey", args: ["--enable-module-command", "yes"] });
  await using under = await makeRedisStore(valkey.url);
  await using api = await openApi(valkey.url, under.namespace);
  await valkey.cli("MODULE", "UNLOAD", "lua");
  const bad = (await under.control.checkResults(0)).filter(({ verdict }) => verdict === "bad");
  assert.deepEqual(bad.map(({ check }) => check), ["scripting engine"]);
  assert.match(await api.why() ?? "", /^server requirements are not met: .*without its Lua module/);
});
