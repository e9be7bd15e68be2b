/**
 * Lines that an earlier version left in Redis: the same positions, with a digest of the contents in two of them. They
 * are replayed and met as conflicts by their contents, whatever the digest says.
 */
import assert from "node:assert/strict";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { cancel, confirm, extend, kinds, quantities, read, reserve, returnUnits } from "./order_commands.ts";
import { adjust, armAgain, armEmpty, decide, deduct, deployment } from "./store_suite.ts";
import { makeRedisStore, type RedisUnderTest } from "./stores.ts";

const hourMs = 3_600_000;
const digest = "0f7bv4l1ek3ue9";

/** Remembers lines under a name, packed as the script packs them. */
async function leave(
  redis: RedisUnderTest,
  name: string,
  lines: readonly (string | number)[][],
): Promise<void> {
  const pack = "return redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack(cjson.decode(ARGV[2])))";
  await redis.call("EVAL", pack, 1, redis.key("orders:0"), name, JSON.stringify(lines));
}

/** One life of a store with orders of an earlier version in it. */
async function setup() {
  const redis = await makeRedisStore(sharedRedis("redis").url);
  await armEmpty(redis.control);
  await decide(redis.store, adjust("stock", "S", 9), adjust("stock", "T", 9));
  const { timeMs } = await redis.store.decide(0, []);
  /** Holds units of the two SKUs, as reservations of an earlier version did. */
  const hold = async (orderId: string, lines: readonly (string | number)[][], expiresAtMs: number) => {
    await redis.call("HSET", redis.key("stock"), "S", "7 2", "T", "8 1");
    await leave(redis, orderId, lines);
    await redis.call("ZADD", redis.key("expiry"), expiresAtMs, orderId);
  };
  return { redis, store: redis.store, atMs: timeMs, hold };
}

Deno.test("upgrade: sales, adjustments and returns of an earlier version are compared by contents", async () => {
  const { redis, store, atMs } = await setup();
  await using _ = redis;
  const sold = (sku: string, kind: string, amount: number, seq: number) => [
    ...[sku, digest, kind, amount, 5, seq, atMs, "user-1", "accepted", amount, 0, 0, 0, "", 0, 0],
  ];
  await leave(redis, "plain", [sold("S", "deduct", 2, 1)]);
  await leave(redis, "basket", [sold("S", "order", 1, 2), sold("T", "order", 2, 2)]);
  await leave(redis, "\u0001count", [["S", digest, "adjust", 4, 9, 1, atMs, ""]]);
  await leave(redis, "\u0002basket\u001fback", [["T", digest, "return", 1, 6, 2, atMs, "user-1"]]);
  const basket = (s: number) => ({ ...reserve("basket", { S: s, T: 2 }, 0), kind: "order" as const });
  const outcomes = await decide(
    store,
    ...[deduct("plain", "S", 2), deduct("plain", "S", 1), deduct("plain", "S", 2, "user-2")],
    ...[basket(1), basket(2), adjust("count", "S", 4), adjust("count", "S", 5)],
    ...[returnUnits("basket", "back", { T: 1 }), returnUnits("basket", "back", { T: 2 })],
  );
  assert.deepEqual(kinds(outcomes), [
    ...["accepted", "conflict", "conflict"],
    ...["accepted", "conflict", "accepted", "conflict"],
    ...["accepted", "conflict"],
  ]);
  for (const outcome of outcomes) assert.ok(outcome.kind !== "accepted" || outcome.replayed);
});

Deno.test("upgrade: a confirmation of an earlier version is sent again", async () => {
  const { redis, store, atMs } = await setup();
  await using _ = redis;
  const line = (sku: string, amount: number, confirmed: number) => [
    ...[sku, digest, "reserve", amount, 5, 1, atMs, "user-1"],
    ...["confirmed", confirmed, hourMs, atMs + hourMs, 2, digest, confirmed, 7],
  ];
  await leave(redis, "all", [line("S", 2, 2), line("T", 1, 1)]);
  await leave(redis, "part", [line("S", 2, 1), line("T", 1, 0)]);
  const outcomes = await decide(
    store,
    ...[confirm("all"), confirm("all", { S: 2, T: 1 }), confirm("all", { S: 2 })],
    ...[confirm("part", { S: 1 }), confirm("part"), cancel("all"), reserve("all", { S: 2, T: 1 }, hourMs)],
  );
  assert.deepEqual(kinds(outcomes), [
    ...["settled", "settled", "already_confirmed"],
    ...["settled", "already_confirmed", "already_confirmed", "already_confirmed"],
  ]);
});

Deno.test("upgrade: two reservations that an earlier version made under one id end together", async () => {
  for (const end of [confirm("two"), cancel("two")]) {
    const { redis, store, atMs, hold } = await setup();
    await using _ = redis;
    const line = (sku: string, amount: number, seq: number, holdMs: number) => [
      ...[sku, digest, "reserve", amount, 5, seq, atMs, "user-1"],
      ...["held", amount, holdMs, atMs + holdMs, 0, "", 0, 0],
    ];
    await hold("two", [line("S", 2, 1, hourMs), line("T", 1, 2, 2 * hourMs)], atMs + 2 * hourMs);
    const outcomes = await decide(
      store,
      reserve("two", { S: 2 }, hourMs),
      reserve("two", { S: 1 }),
      end,
      end,
    );
    assert.deepEqual(kinds(outcomes), ["accepted", "conflict", "settled", "settled"]);
    assert.deepEqual(outcomes[3], { ...outcomes[2], replayed: true });
    const after = await decide(store, read("S"), read("T"), extend("two", hourMs));
    const back = end.kind === "confirm" ? [[7, 0], [8, 0]] : [[9, 0], [9, 0]];
    assert.deepEqual(after.slice(0, 2).map(quantities), back);
  }
});

Deno.test("upgrade: a rebuild by an earlier version has no count of chunks", async () => {
  await using redis = await makeRedisStore(sharedRedis("redis").url);
  const { control, store, call, key } = redis;
  const row = { sku: "S", available: 5, reserved: 0, policy: null };
  const rebuild = async (token: string) => {
    const start = { deployment, shards: 1, seq: 3, applied: 3 };
    await control.beginRestore(0, token, await control.inspect(0), start);
    await control.restoreStock(0, token, [row]);
  };
  const armWith = async (token: string, chunks: number) => {
    const seen = await control.inspect(0);
    return await control.arm(0, { seen, epoch: 2, deployment, shards: 1, applied: 3, token, chunks });
  };
  // An earlier version rebuilt and armed it, and this one takes over.
  await rebuild("earlier");
  await call("HDEL", key("meta"), "chunks");
  assert.ok(!await armWith("earlier", 1), "a count that it does not have");
  assert.ok(await armWith("earlier", 0));
  await control.disarm(0, deployment);
  await armAgain(control, 3);
  // An earlier version continues where this one was interrupted: it begins anew, and deletes the count.
  await rebuild("interrupted");
  await rebuild("anew");
  assert.equal(await call("HGET", key("meta"), "chunks"), "1");
  assert.ok(await armWith("anew", 1));
  assert.deepEqual((await decide(store, deduct("o", "S"))).map(({ kind }) => kind), ["accepted"]);
});
