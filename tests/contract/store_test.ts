import { sharedRedis } from "../servers/shared.ts";
import { makeMemoryStore, makeRedisStore } from "./stores.ts";
import { contentsSuite } from "./contents_suite.ts";
import { orderLifeSuite } from "./order_life_suite.ts";
import { storeSuite } from "./store_suite.ts";

storeSuite("memory store", makeMemoryStore);
storeSuite("Redis store", (limits) => makeRedisStore(sharedRedis("redis").url, limits));
storeSuite("Valkey store", (limits) => makeRedisStore(sharedRedis("valkey").url, limits));

orderLifeSuite("memory store", makeMemoryStore);
orderLifeSuite("Redis store", (limits) => makeRedisStore(sharedRedis("redis").url, limits));
orderLifeSuite("Valkey store", (limits) => makeRedisStore(sharedRedis("valkey").url, limits));

contentsSuite("memory store", makeMemoryStore);
contentsSuite("Redis store", (limits) => makeRedisStore(sharedRedis("redis").url, limits));
contentsSuite("Valkey store", (limits) => makeRedisStore(sharedRedis("valkey").url, limits));
