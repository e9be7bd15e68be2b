import assert from "node:assert/strict";
import { StoreError } from "../../src/domain/errors.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { makeMemoryStore, makeRedisStore } from "./stores.ts";
import { basketSuite } from "./basket_suite.ts";
import { contentsSuite } from "./contents_suite.ts";
import { orderLifeSuite } from "./order_life_suite.ts";
import { ownerSuite } from "./owner_suite.ts";
import { adjust, armAgain, armEmpty, decide, inTime, storeSuite } from "./store_suite.ts";

storeSuite("memory store", makeMemoryStore);
storeSuite("Redis store", (limits) => makeRedisStore(sharedRedis("redis").url, limits));
storeSuite("Valkey store", (limits) => makeRedisStore(sharedRedis("valkey").url, limits));

orderLifeSuite("memory store", makeMemoryStore);
orderLifeSuite("Redis store", (limits) => makeRedisStore(sharedRedis("redis").url, limits));
orderLifeSuite("Valkey store", (limits) => makeRedisStore(sharedRedis("valkey").url, limits));

basketSuite("memory store", makeMemoryStore);
basketSuite("Redis store", (limits) => makeRedisStore(sharedRedis("redis").url, limits));
basketSuite("Valkey store", (limits) => makeRedisStore(sharedRedis("valkey").url, limits));

contentsSuite("memory store", makeMemoryStore);
contentsSuite("Redis store", (limits) => makeRedisStore(sharedRedis("redis").url, limits));
contentsSuite("Valkey store", (limits) => makeRedisStore(sharedRedis("valkey").url, limits));

ownerSuite("memory store", makeMemoryStore);
ownerSuite("Redis store", (limits) => makeRedisStore(sharedRedis("redis").url, limits));
ownerSuite("Valkey store", (limits) => makeRedisStore(sharedRedis("valkey").url, limits));

Deno.test("Redis store: a caller that has seen a later epoch disarms a shard, and the worker hears that epoch", async () => {
  await using under = await makeRedisStore(sharedRedis("redis").url);
  const { store, control } = under;
  await armEmpty(control, 5);
  await decide(store, adjust("stock", "S", 10));
  // The ledger went back and issued epoch 2 again.
  await under.call("HSET", under.key("meta"), "epoch", 2);
  const isStale = (error: unknown) => error instanceof StoreError && error.code === "stale_server";
  await assert.rejects(store.decide(0, [inTime(adjust("more", "S", 1))]), isStale);
  const view = await control.inspect(0);
  assert.deepEqual([view.armed, view.position.epoch, view.epochSeen], [false, 2, 5]);
  await armAgain(control, 6);
  await decide(store, adjust("more", "S", 1));
});
