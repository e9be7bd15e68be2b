/**
 * The stores that the suites run on.
 */
import { RedisControl } from "../../src/redis/control.ts";
import { RedisReader } from "../../src/redis/reader.ts";
import { RedisStore } from "../../src/redis/store.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import { MemoryStore } from "../../src/decide/memory/store.ts";
import { KafkaTopic } from "../../src/kafka/topic.ts";
import { RedisStream } from "../../src/redis/stream.ts";
import { RelayedLog } from "../../src/log/relayed_log.ts";
import { allShardKeys, keyNames } from "../../src/redis/keys.ts";
import { ShardConnections } from "../../src/redis/shard_connections.ts";
import { ClusterMap } from "../../src/redis/cluster_map.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { deployment, type StoreUnderTest } from "./store_suite.ts";

const BROKER_DEADLINE_MS = 60_000;
const CONNECT_DEADLINE_MS = 30_000;
const defaults: DecisionLimits = {
  userLimitMs: 0,
  idempotencyWindowMs: 86_400_000,
  backlogMax: 1_000_000,
};

/** A store in Redis, and what a test may want to know of it. */
export interface RedisUnderTest extends StoreUnderTest {
  /** Begins the names of its keys. */
  readonly namespace: string;
  /** Reads what it remembers. */
  readonly reader: RedisReader;
  /** Sends one command to the server, past the store. */
  call(name: string, ...args: readonly (string | number)[]): Promise<unknown>;
  /** The key with this name. */
  key(name: typeof keyNames[number]): string;
}

/** A store in memory. */
export function makeMemoryStore(limits: Partial<DecisionLimits> = {}, shards = 1): Promise<StoreUnderTest> {
  const store = new MemoryStore(realWorld, { ...defaults, ...limits }, shards);
  const parts = { store, control: store, log: store };
  return Promise.resolve({ ...parts, [Symbol.asyncDispose]: () => store.close() });
}

/** A store in the Redis at `url`, in a namespace of its own, whose log is read through a topic. */
export async function makeRelayedStore(
  url: string | readonly string[],
  broker: string,
  limits: Partial<DecisionLimits> = {},
  shards = 1,
): Promise<RedisUnderTest> {
  const under = await makeRedisStore(url, limits, shards);
  const topic = new KafkaTopic({
    brokers: [broker],
    namespace: under.namespace,
    shards,
    onLog() {},
  });
  // A broker that has just started loads its offsets when it is first asked for them, and refuses meanwhile.
  await waitFor(async () => {
    await topic.prepare();
    await topic.committed(0);
    return true;
  }, { deadlineMs: BROKER_DEADLINE_MS, what: "a broker that knows its offsets" });
  const log = new RelayedLog({ stream: under.log, topic, deployment, world: realWorld, onEvent() {} });
  return {
    ...under,
    log,
    async [Symbol.asyncDispose]() {
      await log.close();
      await under[Symbol.asyncDispose]();
    },
  };
}

/** A store in the Redis at `url`, or in the cluster of several, in a namespace of its own when none is given. */
export async function makeRedisStore(
  url: string | readonly string[],
  limits: Partial<DecisionLimits> = {},
  shards = 1,
  namespace = `t${crypto.randomUUID().slice(-12)}`,
): Promise<RedisUnderTest> {
  const place = { namespace, shards };
  const all = { ...defaults, ...limits };
  const servers = new ClusterMap([url].flat(), place, { name: "test", world: realWorld, onError() {} });
  const links = {
    store: new ShardConnections(servers, "shard"),
    control: new ShardConnections(servers, "server"),
    log: new ShardConnections(servers, "shard"),
  };
  // A command connects within 500 ms or fails, which a busy machine may need for the first one.
  await Promise.all(
    Object.values(links).flatMap((each) =>
      Array.from({ length: shards }, (_, shard) => each.whenReady(shard, CONNECT_DEADLINE_MS))
    ),
  );
  const store = new RedisStore(links.store, { ...place, deployment: "" }, { ...all, replicaTimeoutMs: 1000 });
  const control = new RedisControl(links.control, {
    ...place,
    limits: all,
    world: realWorld,
    replicaTimeoutMs: 5000,
  });
  await control.inspect(0); // loads the scripts
  const log = new RedisStream(links.log, place);
  return {
    namespace: place.namespace,
    store,
    control,
    log,
    reader: new RedisReader(links.control, place),
    call: (name, ...args) => links.control.call(0, name, ...args),
    key: (name) => allShardKeys(place)[0]?.[keyNames.indexOf(name)] ?? "",
    async [Symbol.asyncDispose]() {
      await Promise.all([store.close(), control.close(), log.close(), servers.close()]);
    },
  };
}
