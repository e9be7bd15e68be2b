import { startKafka } from "../../tools/servers/kafka.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { logSuite } from "./log_suite.ts";
import { makeMemoryStore, makeRedisStore, makeRelayedStore } from "./stores.ts";

let kafka: Awaited<ReturnType<typeof startKafka>>;
Deno.test.beforeAll(async () => {
  kafka = await startKafka();
});
Deno.test.afterAll(() => kafka[Symbol.asyncDispose]());

logSuite("memory log", makeMemoryStore);
logSuite("Redis stream", (limits) => makeRedisStore(sharedRedis("redis").url, limits));
logSuite("Valkey stream", (limits) => makeRedisStore(sharedRedis("valkey").url, limits));
logSuite("Kafka topic", (limits) => makeRelayedStore(sharedRedis("redis").url, kafka.broker, limits));
