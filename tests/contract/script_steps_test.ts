/**
 * What a script in Redis leaves behind when a step of it is refused, comes too late, or comes from another deployment.
 */
import assert from "node:assert/strict";
import type { Command, Sale } from "../../src/domain/command.ts";
import { unsettled } from "../../src/domain/outcome.ts";
import type { ShardView } from "../../src/decide/shard_control.ts";
import { keyNames } from "../../src/redis/keys.ts";
import { readScript } from "../../src/redis/script.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { adjust, armAgain, armEmpty, decide, deduct, deployment, inTime } from "./store_suite.ts";
import { makeRedisStore, type RedisUnderTest } from "./stores.ts";

const minute = 60_000;
const origin = { actor: "", traceparent: "" };
const flavours = ["redis", "valkey"] as const;

/** One test on each server: ten units of S, armed under epoch 1, with a user limit of ten minutes. */
function test(title: string, body: (parts: RedisUnderTest) => Promise<void>): void {
  for (const flavour of flavours) {
    Deno.test(`${flavour}: ${title}`, async () => {
      await using parts = await makeRedisStore(sharedRedis(flavour).url, { userLimitMs: 10 * minute });
      await armEmpty(parts.control);
      await decide(parts.store, adjust("a", "S", 10));
      await body(parts);
    });
  }
}

function reserve(orderId: string, userId: string): Sale {
  return { ...deduct(orderId, "S", 3, userId), kind: "reserve", holdMs: minute };
}

/** Lets a shard sell that was restored up to number 9, by this number of chunks. */
async function armRestored({ control }: RedisUnderTest, chunks: number): Promise<void> {
  const arming = { epoch: 4, deployment, shards: 1, applied: 9, token: "token", chunks };
  assert.ok(await control.arm(0, { ...arming, seen: await control.inspect(0) }));
}

/** All that a shard holds but the log, as it is in Redis. */
async function contents({ call, key }: RedisUnderTest): Promise<unknown[]> {
  const hashes = ["meta", "stock", "orders:0", "orders:1", "limits:0", "limits:1", "quota"] as const;
  return [
    ...await Promise.all(hashes.map((name) => call("HGETALL", key(name)))),
    await call("ZRANGE", key("expiry"), 0, -1),
  ];
}

test("a log that refuses the entry leaves stock, orders and limits untouched, and the next order sells", async (parts) => {
  const before = await contents(parts);
  await parts.call("XADD", parts.key("events"), "1-100", "v1", "[0,[]]"); // ahead of the shard
  const [sale, held] = [deduct("o", "S", 2), reserve("r", "user-2")];
  await assert.rejects(parts.store.decide(0, [sale, held].map(inTime)), { name: "StoreError" });
  assert.deepEqual(await contents(parts), before);
  await parts.call("DEL", parts.key("events"));
  assert.deepEqual((await decide(parts.store, sale)).map(({ kind }) => kind), ["accepted"]);
});

test("a reservation that was confirmed or cancelled is no longer among those that lapse", async (parts) => {
  const open = () => parts.call("ZCARD", parts.key("expiry"));
  await decide(parts.store, reserve("kept", "user-1"), reserve("dropped", "user-2"));
  assert.equal(await open(), 2);
  const kept: Command = { kind: "confirm", owner: "", orderId: "kept", lines: null, ...origin };
  await decide(parts.store, kept);
  assert.equal(await open(), 1);
  await decide(parts.store, { kind: "cancel", owner: "", orderId: "dropped", ...origin });
  assert.equal(await open(), 0);
});

test("a server behind the caller's epoch decides nothing, and loses its right to sell", async (parts) => {
  const { store, control, call, key } = parts;
  await control.disarm(0, deployment);
  await armAgain(control, 2);
  await decide(store, deduct("o-1", "S")); // the caller has seen epoch 2
  await call("HSET", key("meta"), "epoch", 1); // a server that was left behind, armed under the epoch before
  const stock = await call("HGETALL", key("stock"));
  await assert.rejects(store.decide(0, [inTime(deduct("o-2", "S", 1, "user-2"))]), { code: "stale_server" });
  assert.deepEqual(await call("HGETALL", key("stock")), stock);
  const { armed, epochSeen } = await control.inspect(0);
  assert.deepEqual({ armed, epochSeen }, { armed: false, epochSeen: 2 });
});

test("a restore brings the user limit back for sales within it, and for nothing else", async (parts) => {
  const { store, control } = parts;
  const seen = await control.inspect(0);
  await control.beginRestore(0, "token", seen, { deployment, shards: 1, seq: 9, applied: 9 });
  await control.restoreStock(0, "token", [{ sku: "S", available: 10, reserved: 0, policy: null }]);
  const line = { sku: "S", amount: 1, newStock: 9, returnId: "", ...unsettled };
  const [recent, old] = [Date.now() - minute, Date.now() - 11 * minute];
  await control.restoreLines(0, "token", [
    { ...line, id: "o-1", kind: "deduct", seq: 2, atMs: recent, userId: "recent" },
    { ...line, id: "o-2", kind: "deduct", seq: 3, atMs: old, userId: "old" },
    { ...line, id: "adjustment", kind: "adjust", seq: 4, atMs: recent, userId: "keeper" },
  ]);
  const arming = {
    seen: await control.inspect(0),
    epoch: 4,
    deployment,
    shards: 1,
    applied: 9,
    token: "token",
    chunks: 2,
  };
  assert.ok(await control.arm(0, arming));
  const again = (userId: string) => deduct(`again-${userId}`, "S", 1, userId);
  const [limited, ...free] = await decide(store, again("recent"), again("old"), again("keeper"));
  assert.ok(limited?.kind === "rate_limited" && limited.retryAfterMs > 8 * minute, JSON.stringify(limited));
  assert.deepEqual(free.map(({ kind }) => kind), ["accepted", "accepted"]);
});

test("a restore begins only while the shard is what was seen: server, epoch, head and deployment", async (parts) => {
  const { control } = parts;
  const seen = await control.inspect(0);
  const start = { deployment, shards: 1, seq: 9, applied: 9 };
  const { epoch, seq } = seen.position;
  const others: ShardView[] = [
    { ...seen, instance: "another" },
    { ...seen, position: { epoch: epoch + 1, seq } },
    { ...seen, position: { epoch, seq: seq - 1 } },
  ];
  const before = await contents(parts);
  for (const other of others) {
    await assert.rejects(control.beginRestore(0, "token", other, start), { name: "RestoreOvertaken" });
  }
  const theirs = { ...start, deployment: "00000000-0000-4000-8000-000000000002" };
  await assert.rejects(control.beginRestore(0, "token", seen, theirs), { name: "RestoreOvertaken" });
  assert.deepEqual(await contents(parts), before);
  await control.beginRestore(0, "token", seen, start);
});

test("a restored hold lapses when it ends, and its units are back", async (parts) => {
  const { store, control } = parts;
  await control.beginRestore(0, "token", await control.inspect(0), {
    deployment,
    shards: 1,
    seq: 9,
    applied: 9,
  });
  await control.restoreStock(0, "token", [{ sku: "S", available: 7, reserved: 3, policy: null }]);
  const held = {
    ...unsettled,
    kind: "reserve",
    state: "held",
    sku: "S",
    newStock: 7,
    returnId: "",
    userId: "u",
  } as const;
  const [atMs, holdMs] = [Date.now() - minute, minute - 1];
  await control.restoreLines(0, "token", [
    { ...held, id: "over", seq: 2, amount: 2, units: 2, atMs, holdMs, expiresAtMs: atMs + holdMs },
    {
      ...held,
      id: "open",
      seq: 3,
      amount: 1,
      units: 1,
      atMs,
      holdMs: 10 * minute,
      expiresAtMs: atMs + 10 * minute,
    },
  ]);
  await armRestored(parts, 2);
  const [stock] = await decide(store, { kind: "stock", sku: "S" });
  assert.partialDeepStrictEqual(stock, { kind: "stock", available: 9, reserved: 1, seq: 10 });
});

test("a restore adds up what a user bought, chunk by chunk", async (parts) => {
  const { store, control } = parts;
  await control.beginRestore(0, "token", await control.inspect(0), {
    deployment,
    shards: 1,
    seq: 9,
    applied: 9,
  });
  const policy = { quota: 5, sale: 1, version: 1 };
  await control.restoreStock(0, "token", [{ sku: "S", available: 7, reserved: 0, policy }]);
  for (const units of [1, 2]) {
    await control.restoreQuotas(0, "token", [{ userId: "user-1", sku: "S", units, sale: 1 }]);
  }
  await armRestored(parts, 3);
  assert.deepEqual(await decide(store, deduct("o", "S", 3)), [
    { kind: "quota_exceeded", sku: "S", quota: 5, left: 2 },
  ]);
});

test("the settings in force are in the reply when the caller's differ, and only then", async ({ call, key }) => {
  const [settings = ""] = [await call("HGET", key("meta"), "settings")].map(String);
  const settingsFor = async (callers: string) => {
    const { sha } = readScript("decide");
    const reply = await call("EVALSHA", sha, keyNames.length, ...keyNames.map(key), "[]", 1, callers, 1, "");
    return JSON.parse(String(reply)).at(-1);
  };
  assert.equal(await settingsFor(settings), "");
  assert.equal(await settingsFor("1 2 3"), settings);
});

test("generations that began ahead of the clock, which was set back since, count from now", async (parts) => {
  const { store, call, key } = parts;
  const ahead = Date.now() + 60 * minute;
  await call("HSET", key("meta"), "limits_since", ahead, "orders_since", ahead);
  await decide(store, adjust("b", "S", 1));
  const since = await call("HMGET", key("meta"), "limits_since", "orders_since") as string[];
  for (const ms of since.map(Number)) assert.ok(Math.abs(ms - Date.now()) < minute, `${ms}`);
});
