import { sharedRedis } from "../servers/shared.ts";
import { makeMemoryStore, makeRedisStore } from "./stores.ts";
import { storeSuite } from "./store_suite.ts";

storeSuite("memory store", makeMemoryStore);
storeSuite("Redis store", (limits) => makeRedisStore(sharedRedis("redis").url, limits));
storeSuite("Valkey store", (limits) => makeRedisStore(sharedRedis("valkey").url, limits));
