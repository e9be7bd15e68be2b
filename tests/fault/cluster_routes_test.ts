/**
 * Shards find their masters: at the start, while a slot is on its way, after a redirect and after a failover.
 */
import assert from "node:assert/strict";
import { RedisControl } from "../../src/redis/control.ts";
import { RedisStore } from "../../src/redis/store.ts";
import { StoreError } from "../../src/domain/errors.ts";
import { allShardSlots } from "../../src/redis/keys.ts";
import { ShardConnections } from "../../src/redis/shard_connections.ts";
import { ClusterMap } from "../../src/redis/cluster_map.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { adjust, armAgain, armEmpty, decide, deduct, inTime } from "../contract/store_suite.ts";
import { type RedisCluster, startCluster } from "../../tools/servers/cluster.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { runToEnd } from "../system/stack.ts";

/** A failover takes two to three times the nodes' timeout of 2 s; this machine may be busy. */
const FAILOVER_DEADLINE_MS = 60_000;
const place = { namespace: "routes", shards: 1 };
const [slot = -1] = allShardSlots(place);
const limits = { userLimitMs: 0, idempotencyWindowMs: 86_400_000, backlogMax: 1000, replicaTimeoutMs: 1000 };
const options = { name: "test", world, onError() {} };

/** API's and worker's side of one shard. */
async function open(urls: readonly string[]) {
  const servers = new ClusterMap(urls, place, options);
  const control = new RedisControl(new ShardConnections(servers, "server"), {
    ...place,
    limits,
    world,
    replicaTimeoutMs: 5000,
  });
  const store = new RedisStore(new ShardConnections(servers, "shard"), { ...place, deployment: "" }, limits);
  await servers.whenKnown(5000);
  return {
    servers,
    control,
    store,
    async [Symbol.asyncDispose]() {
      await Promise.all([store.close(), control.close(), servers.close()]);
    },
  };
}

/** A shard that sells: ten units of `sku`. */
async function openShop(cluster: RedisCluster) {
  const shop = await open(cluster.urls);
  await armEmpty(shop.control);
  await decide(shop.store, adjust("first", "sku", 10));
  return shop;
}

async function failureOf(call: Promise<unknown>): Promise<StoreError> {
  const error = await call.then(() => undefined, (error) => error);
  assert.ok(error instanceof StoreError, `failed with ${error}`);
  return error;
}

Deno.test("cluster: twelve shards are four on each of three masters, whatever the deployment is called", async () => {
  await using cluster = await startCluster();
  for (const namespace of ["inventory", "a", "summer_sale"]) {
    const servers = new ClusterMap(cluster.urls.slice(3, 4), { namespace, shards: 12 }, options);
    const links = new ShardConnections(servers, "shard");
    const shards = Array.from({ length: 12 }, (_, shard) => shard);
    // Known from one address, that of a replica: its redirects and what it says of the others.
    await servers.whenKnown(5000);
    await Promise.all(shards.map((shard) => links.whenReady(shard, 5000)));
    const masters = Map.groupBy(shards, (shard) => servers.urlOf(shard));
    await Promise.all([links.close(), servers.close()]);
    assert.deepEqual([...masters.values()].map(({ length }) => length), [4, 4, 4]);
  }
});

for (const flavour of ["redis", "valkey"] as const) {
  Deno.test(`cluster (${flavour}): a slot on its way sells nothing and says so; where it arrives it is verified first`, async () => {
    await using cluster = await startCluster({ flavour });
    await using shop = await openShop(cluster);
    const from = await cluster.ownerOf(slot);
    const to = cluster.nodes.slice(0, 3).find((node) => node !== from);
    assert.ok(to);
    assert.equal((await decide(shop.store, deduct("before", "sku")))[0]?.kind, "accepted");

    const refusals: string[] = [];
    await cluster.moveSlot(slot, to, async () => {
      for (let i = 0; i < 5; i++) {
        const { code, effect } = await failureOf(shop.store.decide(0, [inTime(deduct("during", "sku"))]));
        assert.equal(effect, "none");
        refusals.push(code);
      }
    });
    assert.deepEqual([...new Set(refusals)], ["TRYAGAIN"]);

    const batch = [inTime(deduct("after", "sku"))];
    assert.equal((await shop.store.decide(0, batch)).kind, "unarmed", "redirected, and not verified there");
    assert.equal(shop.servers.urlOf(0), to.url);
    await armAgain(shop.control, 2);
    const [before, during, after] = await decide(
      shop.store,
      ...["before", "during", "after"].map((id) => deduct(id, "sku")),
    );
    assert.deepEqual(before?.kind === "accepted" && [before.replayed, before.newStock], [true, [9]]);
    assert.deepEqual(during?.kind === "accepted" && [during.replayed, during.newStock], [false, [8]]);
    assert.deepEqual(after?.kind === "accepted" && [after.replayed, after.newStock], [false, [7]]);
  });
}

for (const what of ["killed", "frozen"] as const) {
  Deno.test(`cluster: a master that is ${what} is left for its successor, and what waits for it is unknown`, async () => {
    await using cluster = await startCluster();
    await using shop = await openShop(cluster);
    const master = await cluster.ownerOf(slot);
    const witness = cluster.nodes.find((node) => node !== master) ?? master;
    master.freeze();
    const waiting = failureOf(shop.store.decide(0, [inTime(deduct("waiting", "sku"))]));
    if (what === "killed") await master.kill();
    const { effect } = await waiting; // a frozen server says nothing, and its connection stays open
    assert.equal(effect, "unknown");
    await waitFor(async () => (await shop.control.inspect(0)).position.seq === 1, {
      deadlineMs: FAILOVER_DEADLINE_MS,
      what: "the successor, with the log as it was",
    });
    assert.equal(shop.servers.urlOf(0), (await cluster.ownerOf(slot, witness)).url);
    assert.equal((await shop.store.decide(0, [inTime(deduct("x", "sku"))])).kind, "unarmed");
    if (what === "frozen") master.thaw();
  });
}

Deno.test("cluster: a slot without an owner, owners that point at each other and a replica are refused by name", async () => {
  const args = ["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"];
  await using one = await startRedis({ args });
  await using other = await startRedis({ args });
  await using replica = await startRedis({ args: ["--replicaof", "127.0.0.1 1"] });
  const refusalOf = async (store: RedisStore) => {
    const { code, effect } = await failureOf(store.decide(0, [inTime(deduct("order", "sku"))]));
    return `${code} ${effect}`;
  };
  {
    await using shop = await open([one.url]);
    assert.equal(await refusalOf(shop.store), "CLUSTERDOWN none");
  }
  await one.cli("CLUSTER", "MEET", "127.0.0.1", String(other.port));
  const ids = await Promise.all([one.cli("CLUSTER", "MYID"), other.cli("CLUSTER", "MYID")]);
  // Each says that the slot is the other's.
  for (const [node, id = ""] of [[one, ids[1]], [other, ids[0]]] as const) {
    await waitFor(async () => {
      await node.cli("CLUSTER", "SETSLOT", String(slot), "NODE", id);
      return (await node.cli("CLUSTER", "INFO")).includes("cluster_state:ok");
    }, { deadlineMs: FAILOVER_DEADLINE_MS, what: "a cluster of two" });
  }
  {
    await using shop = await open([one.url]);
    assert.equal(await refusalOf(shop.store), "MOVED none");
  }
  {
    await using shop = await open([replica.url]);
    assert.match((await shop.control.inspect(0)).refusal, /^READONLY /); // and the scripts are loaded
    assert.equal(await refusalOf(shop.store), "READONLY none");
  }
});

Deno.test("several addresses that are no Redis Cluster are refused at the start", async () => {
  const { url } = sharedRedis();
  const { code, said } = await runToEnd("api", {
    REDIS_URL: `${url},${url.replace("127.0.0.1", "localhost")}`,
  });
  assert.equal(code, 2);
  assert.match(said, /^Cannot use several addresses as \S+ is no node of a Redis Cluster$/);
});
