/**
 * The stores that the suites run on.
 */
import { RedisControl } from "../../src/inventory/redis/control.ts";
import { RedisStore } from "../../src/inventory/redis/store.ts";
import type { DecisionLimits } from "../../src/inventory/store.ts";
import { MemoryStore } from "../../src/inventory/memory/store.ts";
import { RedisStream } from "../../src/log/redis_stream.ts";
import { Connection } from "../../src/redis/connection.ts";
import { realWorld } from "../../src/world.ts";
import type { StoreUnderTest } from "./store_suite.ts";

const defaults: DecisionLimits = { userLimitMs: 0, idempotencyWindowMs: 86_400_000, backlogMax: 1_000_000 };

/** A store in memory. */
export function makeMemoryStore(limits: Partial<DecisionLimits> = {}): Promise<StoreUnderTest> {
  const store = new MemoryStore(realWorld, { ...defaults, ...limits }, 1);
  const parts = { store, control: store, log: store };
  return Promise.resolve({ ...parts, [Symbol.asyncDispose]: () => store.close() });
}

/** A store in the Redis at `url`, in a namespace of its own. */
export async function makeRedisStore(
  url: string,
  limits: Partial<DecisionLimits> = {},
): Promise<StoreUnderTest> {
  const place = { namespace: `t${crypto.randomUUID().slice(0, 8)}`, shards: 1 };
  const all = { ...defaults, ...limits };
  const connect = () => new Connection(url, { name: "test", world: realWorld, onError: () => {} });
  const [forStore, forControl] = [connect(), connect()];
  await Promise.all([forStore.whenReady(5000), forControl.whenReady(5000)]);
  const store = new RedisStore(forStore, { ...place, deployment: "" }, all);
  const control = new RedisControl(forControl, { ...place, userLimitMs: all.userLimitMs });
  await control.inspect(0); // loads the scripts
  const log = new RedisStream(place, connect);
  return {
    store,
    control,
    log,
    async [Symbol.asyncDispose]() {
      await Promise.all([store.close(), control.close(), log.close()]);
    },
  };
}
