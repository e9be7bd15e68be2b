/**
 * No success is answered that a failover can revoke: answers wait for the replicas.
 */
import assert from "node:assert/strict";
import { allShardSlots } from "../../src/redis/keys.ts";
import { type RedisFlavour, type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { startCluster } from "../../tools/servers/cluster.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { type Env, Service, startStack } from "../system/stack.ts";
import { assertLedger, readLedger, stockOf, stockUp, unitsOf } from "../system/ledger_audit.ts";
import { adjust, armEmpty, decide, deduct, deployment, inTime } from "../contract/store_suite.ts";
import { makeRedisStore } from "../contract/stores.ts";
import type { Heard } from "../system/load_clients.ts";
import type { Order } from "../system/plan.ts";
import { post } from "./fault_scenario.ts";

const REQUEST_TIMEOUT_MS = 1000;
const ENV: Env = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS) };
const STEP_DEADLINE_MS = 60_000;

/** Status and code that an order hears, or its stock when it is accepted. */
async function buy(api: Service, orderId: string, amount = 1): Promise<[number, unknown]> {
  const { status, body } = await api.post("/api/v1/inventory/deduct", {
    order_id: orderId,
    user_id: "user",
    sku: "sku",
    amount,
  });
  return [status, status === 200 ? body.new_stock : body.code];
}

async function untilHeard(api: Service, orderId: string, wanted: [number, unknown]): Promise<void> {
  let heard: unknown;
  await waitFor(async () => {
    heard = await buy(api, orderId);
    return JSON.stringify(heard) === JSON.stringify(wanted);
  }, { deadlineMs: STEP_DEADLINE_MS, what: `${orderId} to hear ${wanted}` }).catch((error) => {
    throw new Error(`${error.message}: heard ${JSON.stringify(heard)} last`, { cause: error });
  });
}

/** Waits until the shard's answers wait for a replica. */
async function untilReplicated(master: RedisServer): Promise<void> {
  await waitFor(async () => await master.cli("HGET", "{inventory:0}:meta", "replicas") === "1", {
    deadlineMs: STEP_DEADLINE_MS,
    what: "answers that wait for a replica",
  });
}

async function guaranteesOff(api: Service): Promise<string> {
  return JSON.stringify((await api.get("/readyz")).body.promises_off);
}

/** Starts a replica of `master`, and returns when it follows. */
async function startReplica(flavour: RedisFlavour, master: RedisServer): Promise<RedisServer> {
  const replica = await startRedis({ flavour, args: ["--replicaof", `127.0.0.1 ${master.port}`] });
  await waitFor(async () => (await master.cli("INFO", "replication")).includes("state=online"), {
    deadlineMs: STEP_DEADLINE_MS,
    what: "a replica that follows",
  });
  return replica;
}

for (const [flavour, command] of [["redis", "wait"], ["valkey", "waitaof"]] as const) {
  Deno.test(`replicas (${flavour}): an answer waits for the replica, a replay too, and says that it is unknown`, async () => {
    await using master = await startRedis({ flavour });
    await using replica = await startReplica(flavour, master);
    const databaseUrl = await sharedPostgres().freshDatabase();
    await using stack = await startStack({ redisUrl: master.url, databaseUrl, env: ENV });
    const { api } = stack;
    await untilReplicated(master);
    await stockUp(api, new Map([["sku", 10]]));
    await untilHeard(api, "first", [200, 9]);
    // A replica rewrites its file after it got its copy, and waits for the disk only then.
    const isUsed = new RegExp(`cmdstat_${command}:calls=\\d+`);
    await waitFor(async () => {
      assert.deepEqual(await buy(api, "first"), [200, 9]);
      return isUsed.test(await master.cli("INFO", "commandstats"));
    }, { deadlineMs: STEP_DEADLINE_MS, what: `an answer that waits by ${command}` });

    replica.freeze();
    const startedMs = performance.now();
    assert.deepEqual(await buy(api, "second"), [503, "outcome_unknown"]);
    assert.ok(performance.now() - startedMs < 5 * REQUEST_TIMEOUT_MS, "and in time");
    assert.deepEqual(await buy(api, "first"), [503, "outcome_unknown"], "a replay rests on its sale");
    replica.thaw();
    await untilHeard(api, "second", [200, 8]);
    await untilHeard(api, "first", [200, 9]);
    await untilHeard(api, "third", [200, 7]);
  });
}

Deno.test("replicas: behind a reply that is no decision nothing waits for replicas", async () => {
  await using master = await startRedis();
  await using _replica = await startReplica("redis", master);
  await master.cli("SET", "something", "to acknowledge");
  await waitFor(async () => /state=online,offset=[1-9]/.test(await master.cli("INFO", "replication")), {
    deadlineMs: STEP_DEADLINE_MS,
    what: "a replica that acknowledges",
  });
  await using parts = await makeRedisStore(master.url);
  const { store, control } = parts;
  await armEmpty(control);
  const order = () => store.decide(0, [inTime(deduct("order", "sku"))]);
  assert.equal((await order()).kind, "decided");
  assert.equal((await order()).kind, "decided");
  const waits = async () => /cmdstat_wait:calls=(\d+)/.exec(await master.cli("INFO", "commandstats"))?.[1];
  await control.disarm(0, deployment);
  assert.equal((await order()).kind, "unarmed"); // a WAIT was on its way with it
  const before = await waits();
  assert.ok(before);
  for (let i = 0; i < 3; i++) assert.equal((await order()).kind, "unarmed");
  assert.equal(await waits(), before);
});

Deno.test("replicas: without any left selling goes on, and /readyz says which promise is off", async () => {
  await using master = await startRedis();
  await using replica = await startReplica("redis", master);
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using stack = await startStack({ redisUrl: master.url, databaseUrl, env: ENV });
  const { api } = stack;
  await untilReplicated(master);
  await stockUp(api, new Map([["sku", 10]]));
  await replica.kill();
  assert.deepEqual(await buy(api, "first"), [503, "outcome_unknown"], "it may be alive, and be promoted");
  await untilHeard(api, "first", [200, 9]);
  await waitFor(async () => /replicas there are none/.test(await guaranteesOff(api)), {
    deadlineMs: STEP_DEADLINE_MS,
    what: "the promise that is off",
  });
  await replica.start();
  await untilReplicated(master);
  await untilHeard(api, "second", [200, 8]);
});

Deno.test("replicas: one that acknowledges since the last acknowledgement counts, and the first answer of a store waits for it", async () => {
  await using master = await startRedis();
  await using replica = await startReplica("redis", master);
  await using under = await makeRedisStore(master.url);
  await armEmpty(under.control);
  await decide(under.store, adjust("a", "sku", 10));
  await master.cli("SET", "something", "to acknowledge");
  await waitFor(
    async () => /state=online,offset=[1-9]\d*,lag=[01]\b/.test(await master.cli("INFO", "replication")),
    {
      deadlineMs: STEP_DEADLINE_MS,
      what: "a replica that acknowledges",
    },
  );
  await using fresh = await makeRedisStore(master.url, {}, 1, under.namespace); // has heard of no replica
  assert.equal(await under.call("HSET", under.key("meta"), "replicas", 0), 0); // a worker that has seen none
  replica.freeze();
  const sell = (orderId: string) => fresh.store.decide(0, [inTime(deduct(orderId, "sku"))]);
  await assert.rejects(sell("first"), { code: "not_replicated", effect: "unknown" });
  replica.thaw();
  await waitFor(async () => (await sell("first").catch(() => undefined))?.kind === "decided", {
    deadlineMs: STEP_DEADLINE_MS,
    what: "an answer that the replica has",
  });
});

Deno.test("replicas: with min-replicas-to-write a master that lost its replicas refuses, certainly and by name", async () => {
  await using master = await startRedis({ args: ["--min-replicas-to-write", "1"] });
  await using replica = await startReplica("redis", master);
  const databaseUrl = await sharedPostgres().freshDatabase();
  await using stack = await startStack({ redisUrl: master.url, databaseUrl, env: ENV });
  const { api } = stack;
  await untilReplicated(master);
  await stockUp(api, new Map([["sku", 10]]));
  await replica.kill();
  await untilHeard(api, "first", [503, "store_unavailable"]);
  assert.match(JSON.stringify((await api.get("/readyz")).body.missing), /shard 0: NOREPLICAS/);
  await replica.start();
  await untilHeard(api, "first", [200, 9]);
});

Deno.test("replicas: two masters of a shard at once, each with an API of its own, sell no unit twice", async () => {
  // A slot without a server must not keep the others from selling: a cluster's default is the opposite.
  await using cluster = await startCluster({ args: ["--cluster-require-full-coverage", "no"] });
  const databaseUrl = await sharedPostgres().freshDatabase();
  const redisUrl = cluster.urls.join();
  await using stack = await startStack({ redisUrl, databaseUrl, env: ENV });
  const { api } = stack;
  const [slot = -1] = allShardSlots({ namespace: "inventory", shards: 1 });
  const old = await cluster.ownerOf(slot);
  await untilReplicated(old);
  const initial = new Map([["sku", 60]]);
  const history = await stockUp(api, initial);
  const successor = cluster.node(cluster.nodes.indexOf(old) + 3);

  // It has forgotten the others, so they cannot tell it anything: it goes on as the master of its slots, and an
  // API that has only its address knows of no other server.
  const others = (await cluster.view(old)).filter(({ flags }) => !flags.includes("myself"));
  for (const { id } of others) await old.cli("CLUSTER", "FORGET", id);
  await using left = await Service.start("api", { REDIS_URL: old.url, ...ENV });
  await left.ready();
  await successor.cli("CLUSTER", "FAILOVER", "TAKEOVER");
  const heard = new Map<Order, Heard>();
  const order = (index: number): Order => ({ orderId: `o-${index}`, userId: "u", sku: "sku", amount: 1 });
  const send = async (where: Service, what: Order) => {
    const { status, replayed, body } = await post(where, what);
    const last: Heard = status === 200
      ? { kind: "accepted", newStock: Number(body.new_stock), seq: Number(body.seq), replayed }
      : status === 409
      ? { kind: "refused", code: String(body.code), available: Number(body.available) }
      : { kind: "unknown", code: String(body.code) };
    heard.set(what, last);
    return last;
  };
  // Again and again, with the same answer: one that comes late on a busy machine is unknown.
  const sell = (what: Order) =>
    waitFor(async () => (await send(api, what)).kind === "accepted", {
      deadlineMs: STEP_DEADLINE_MS,
      what: `a sale of ${what.orderId} at the successor`,
    });
  await sell(order(0));
  assert.equal((await cluster.ownerOf(slot, old)).port, old.port, "two masters at once");

  // Both sell the same 60 units to 40 buyers each.
  const both = Array.from({ length: 20 }, (_, i) => [order(100 + i), order(200 + i)] as const);
  const answers = await Promise.all(both.map(async ([here, there]) => {
    await sell(here);
    return await send(left, there);
  }));
  assert.deepEqual(new Set(answers.map(({ kind }) => kind)), new Set(["unknown"]));
  const soldThere = async () => 60 - Number(/^(\d+)/.exec(await stockValue(old))?.[1]);
  const late = both[0]?.[1] ?? assert.fail();
  // On a busy machine every order there may come after its deadline: then once more.
  await waitFor(async () => await soldThere() > 0 || (await send(left, late), false), {
    deadlineMs: STEP_DEADLINE_MS,
    what: "a sale of the old master that it answers no buyer",
  });

  // Found again, the old master is a replica. Every order that heard nothing hears the truth.
  await old.cli("CLUSTER", "MEET", "127.0.0.1", String(successor.port));
  for (const [what, last] of [...heard]) {
    if (last.kind !== "unknown") continue;
    await waitFor(async () => (await send(left, what)).kind !== "unknown", {
      deadlineMs: STEP_DEADLINE_MS,
      what: `an answer to ${what.orderId}`,
    });
  }
  const stock = await stockOf(api, ["sku"]);
  const tables = await readLedger({ databaseUrl }, stock);
  const orders = [...heard.keys()];
  assertLedger({ orders, heard: [...heard.values()], initial, left: unitsOf(stock), history }, tables);
  assert.equal(stock.get("sku")?.available, 60 - 41);
});

/** The stock as a server keeps it: `<available> <reserved>`. */
function stockValue(server: RedisServer): Promise<string> {
  return server.cli("HGET", "{inventory:0}:stock", "sku");
}
