import { type RedisCluster, startCluster } from "../../tools/servers/cluster.ts";
import { orderLifeSuite } from "./order_life_suite.ts";
import { storeSuite } from "./store_suite.ts";
import { makeRedisStore } from "./stores.ts";

let cluster: RedisCluster | undefined;

Deno.test.beforeAll(async () => {
  cluster = await startCluster();
});

Deno.test.afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

storeSuite("Redis Cluster store", (limits) => makeRedisStore(cluster?.urls ?? [], limits), {
  sanitizeOps: false,
});
orderLifeSuite("Redis Cluster store", (limits) => makeRedisStore(cluster?.urls ?? [], limits), {
  sanitizeOps: false,
});
