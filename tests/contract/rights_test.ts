/**
 * A Redis user with too few rights, and keys of the wrong type: refused before anything is written, or said to be
 * unknown, never "not taken" with the event in the log.
 */
import assert from "node:assert/strict";
import { RedisStore } from "../../src/redis/store.ts";
import { StoreError } from "../../src/domain/errors.ts";
import { type StockStore } from "../../src/decide/store.ts";
import { Connection } from "../../src/redis/connection.ts";
import { allShardKeys } from "../../src/redis/keys.ts";
import { ShardConnections } from "../../src/redis/shard_connections.ts";
import { ClusterMap } from "../../src/redis/cluster_map.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { adjust, armedNonce, armEmpty, decide, deduct, inTime, readAll } from "./store_suite.ts";
import { makeRedisStore } from "./stores.ts";

const LIMITS = { userLimitMs: 1000, idempotencyWindowMs: 86_400_000, backlogMax: 1_000_000 };

/** A store of the same keys as another one, by another address. */
async function openStore(url: string, namespace: string): Promise<StockStore & AsyncDisposable> {
  const place = { namespace, shards: 1 };
  const servers = new ClusterMap([url], place, { name: "rights", world, onError() {} });
  const links = new ShardConnections(servers, "shard");
  await links.whenReady(0, 5000);
  const store = new RedisStore(links, { ...place, deployment: "" }, { ...LIMITS, replicaTimeoutMs: 1000 });
  return Object.assign(store, {
    async [Symbol.asyncDispose]() {
      await store.close();
      await servers.close();
    },
  });
}

async function openAdmin(url: string): Promise<Connection & AsyncDisposable> {
  const admin = new Connection(url, { name: "rights-admin", world, onError() {} });
  await admin.whenReady(5000);
  return Object.assign(admin, { [Symbol.asyncDispose]: () => admin.close() });
}

async function failureOf(work: Promise<unknown>): Promise<StoreError> {
  const error = await work.then(() => undefined, (error) => error);
  assert.ok(error instanceof StoreError, `${error}`);
  return error;
}

function urlOf(url: string, user: string): string {
  const own = new URL(url);
  [own.username, own.password] = [user, "secret"];
  return own.href;
}

const NEEDED = ["HGET", "HMGET", "HSET", "UNLINK", "XADD", "ZADD", "ZRANGEBYSCORE", "ZREM"];

for (const flavour of ["redis", "valkey"] as const) {
  Deno.test(`rights (${flavour}): a user without a command of the script is refused by its name, and nothing is written`, async () => {
    const { url } = sharedRedis(flavour);
    await using under = await makeRedisStore(url);
    await armEmpty(under.control);
    await decide(under.store, adjust("d1", "sku", 10));
    await using admin = await openAdmin(url);
    const before = await readAll(under.log);
    for (const command of NEEDED) {
      const user = `u${crypto.randomUUID().slice(0, 8)}`;
      await admin.call("ACL", "SETUSER", user, "on", ">secret", "~*", "+@all", `-${command.toLowerCase()}`);
      try {
        await using store = await openStore(urlOf(url, user), under.namespace);
        for (const batch of [[], [inTime(deduct(`o-${command}`, "sku"))]]) {
          const { code, effect, message } = await failureOf(store.decide(0, batch));
          assert.deepEqual([code, effect], ["no_rights", "none"], `${command}: ${message}`);
          assert.match(message, new RegExp(`may not run ${command}:`));
        }
      } finally {
        await admin.call("ACL", "DELUSER", user);
      }
    }
    assert.deepEqual(await readAll(under.log), before);
  });

  Deno.test(`rights (${flavour}): a right taken away between two writes leaves the outcome unknown and the shard disarmed`, async () => {
    const { url } = sharedRedis(flavour);
    await using under = await makeRedisStore(url);
    await armEmpty(under.control);
    await decide(under.store, adjust("d1", "sku", 10));
    await using admin = await openAdmin(url);
    const user = `u${crypto.randomUUID().slice(0, 8)}`;
    await admin.call("ACL", "SETUSER", user, "on", ">secret", "~*", "+@all");
    try {
      await using store = await openStore(urlOf(url, user), under.namespace);
      assert.equal((await store.decide(0, [])).kind, "decided");
      await admin.call("ACL", "SETUSER", user, "-zadd");
      const reserve = { ...deduct("o1", "sku"), kind: "reserve", holdMs: 60_000 } as const;
      const { code, effect, message } = await failureOf(store.decide(0, [inTime(reserve)]));
      assert.deepEqual([code, effect], ["half_done", "unknown"], message);
      assert.match(message, /zadd|can't run this command/);
      assert.deepEqual((await readAll(under.log)).at(-1)?.events.map(({ id }) => id), ["o1"]);
      assert.ok(!(await under.control.inspect(0)).armed);
      assert.equal((await under.store.decide(0, [inTime(deduct("o2", "sku"))])).kind, "unarmed");
    } finally {
      await admin.call("ACL", "DELUSER", user);
    }
  });

  Deno.test(`rights (${flavour}): a key of another type in the place of any of ours refuses before anything is written`, async () => {
    const { url } = sharedRedis(flavour);
    await using admin = await openAdmin(url);
    for (const index of [0, 1, 2, 3, 4, 5, 6, 7, 8]) {
      await using under = await makeRedisStore(url, LIMITS);
      await armEmpty(under.control);
      await decide(under.store, adjust("d1", "sku", 10), {
        ...{ kind: "rules", sku: "sku", opensAtMs: null, closesAtMs: null, quota: 5, tokenRequired: false },
        ...{ expected: 0, actor: "keeper", traceparent: "" },
      });
      const keys = allShardKeys({ namespace: under.namespace, shards: 1 })[0] ?? [];
      const [planted = "", stock = ""] = [keys[index], keys[1]];
      const before = [await admin.call("HGET", stock, "sku"), index === 8 ? [] : await readAll(under.log)];
      await admin.call("RENAME", planted, `${planted}-kept`).catch(() => {}); // some do not exist yet
      await admin.call("SET", planted, "planted");
      const { code, effect, message } = await failureOf(
        under.store.decide(0, [inTime(deduct("o1", "sku"))]),
      );
      assert.deepEqual([code, effect], ["script", "poison"], `${planted}: ${message}`);
      assert.match(message, /WRONGTYPE/);
      await admin.call("UNLINK", planted);
      await admin.call("RENAME", `${planted}-kept`, planted).catch(() => {});
      assert.deepEqual(
        [await admin.call("HGET", stock, "sku"), index === 8 ? [] : await readAll(under.log)],
        before,
      );
    }
  });
}

Deno.test("rights: a command that was renamed away is named like one that is not allowed", async () => {
  await using redis = await startRedis({ args: ["--rename-command", "UNLINK", ""] });
  await using under = await makeRedisStore(redis.url);
  const { code, message } = await failureOf(under.store.decide(0, []));
  assert.equal(code, "no_rights");
  assert.match(message, /may not run UNLINK:/);
});

Deno.test("a full store: a sale is refused with its own outcome, reads of operators and the worker's acknowledgement go on", async () => {
  await using redis = await startRedis();
  await using under = await makeRedisStore(redis.url);
  await armEmpty(under.control);
  await decide(under.store, adjust("d1", "sku", 10));
  await redis.cli("CONFIG", "SET", "maxmemory", "1");
  const { code, effect } = await failureOf(under.store.decide(0, [inTime(deduct("o1", "sku"))]));
  assert.deepEqual([code, effect], ["OOM", "none"]);
  const view = await under.control.inspect(0);
  assert.match(view.refusal, /^OOM /);
  assert.equal(view.position.seq, 1);
  const { deployment } = view;
  const ack = await under.control.acknowledge(0, { epoch: 1, seq: 1 }, deployment ?? "", armedNonce);
  assert.deepEqual([ack.kind, ack.head, ack.refusal], ["armed", 1, undefined]);
  assert.equal((await under.control.inspect(0)).applied, 1);
  await under.control.publish(0, deployment ?? "", { kind: "promises_off", off: ["a promise"] });
  await redis.cli("CONFIG", "SET", "maxmemory", "0");
  assert.equal((await under.control.inspect(0)).refusal, "");
  assert.equal((await decide(under.store, deduct("o1", "sku")))[0]?.kind, "accepted");
});

Deno.test("a master without enough replicas: the worker's acknowledgement reads what it may not write, and sees a lost shard", async () => {
  await using redis = await startRedis();
  await using under = await makeRedisStore(redis.url);
  await armEmpty(under.control);
  await decide(under.store, adjust("d1", "sku", 10));
  const owner = (await under.control.inspect(0)).deployment ?? "";
  await redis.cli("CONFIG", "SET", "min-replicas-to-write", "1");
  const ack = await under.control.acknowledge(0, { epoch: 1, seq: 1 }, owner, armedNonce);
  assert.deepEqual([ack.kind, ack.head], ["armed", 1]);
  assert.match(ack.refusal ?? "", /^NOREPLICAS /);
  assert.match((await under.control.inspect(0)).refusal, /^NOREPLICAS /);
  assert.equal(
    (await under.control.acknowledge(0, { epoch: 2, seq: 1 }, owner, armedNonce)).kind,
    "lost",
    "another epoch",
  );
  assert.equal(
    (await under.control.acknowledge(0, { epoch: 1, seq: 2 }, owner, armedNonce)).kind,
    "lost",
    "a store that went back",
  );
  assert.equal(
    (await under.control.acknowledge(0, { epoch: 1, seq: 1 }, "other", armedNonce)).kind,
    "lost",
    "another deployment",
  );
});
