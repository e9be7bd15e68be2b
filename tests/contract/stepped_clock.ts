/**
 * A store in Redis on a clock that the test sets: a server's own cannot be set back for one test.
 *
 * Redis gets the very scripts with `TIME` replaced by two fields of the shard's own `meta`.
 */
import { createHash } from "node:crypto";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import { MemoryStore } from "../../src/decide/memory/store.ts";
import { RedisControl } from "../../src/redis/control.ts";
import { RedisStore } from "../../src/redis/store.ts";
import type { ShardControl } from "../../src/decide/shard_control.ts";
import type { StockStore } from "../../src/decide/store.ts";
import { RedisStream } from "../../src/redis/stream.ts";
import type { Connection } from "../../src/redis/connection.ts";
import { allShardKeys } from "../../src/redis/keys.ts";
import { ShardConnections } from "../../src/redis/shard_connections.ts";
import { ClusterMap } from "../../src/redis/cluster_map.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { armEmpty, deployment, type StoreUnderTest } from "./store_suite.ts";

/** A store, and the clock and the deployment's settings in the hands of the test. */
export interface SteppedStore extends StoreUnderTest {
  /** From now on it is `nowMs` for the store. */
  setTime(nowMs: number): Promise<void>;
  /** The worker acknowledges, with these settings: everything decided up to now is in the ledger, or up to `appliedSeq`. */
  acknowledge(limits: DecisionLimits, appliedSeq?: number): Promise<void>;
  /** The same shard for another caller, whose own settings are these. */
  asCaller(limits: DecisionLimits): StockStore;
}

/** Starts at `nowMs`, armed and empty. */
export async function makeSteppedMemory(limits: DecisionLimits, nowMs: number): Promise<SteppedStore> {
  let timeMs = nowMs;
  const store = new MemoryStore({ ...realWorld, now: () => timeMs }, limits, 1);
  await armEmpty(store);
  return {
    store,
    control: store,
    log: store,
    setTime(nowMs) {
      timeMs = nowMs;
      return Promise.resolve();
    },
    acknowledge(limits, appliedSeq) {
      store.limits = limits;
      return acknowledge(store, appliedSeq);
    },
    asCaller: () => store,
    [Symbol.asyncDispose]: () => store.close(),
  };
}

/** Starts at `nowMs`, armed and empty, in a namespace of its own. */
export async function makeSteppedRedis(
  url: string,
  limits: DecisionLimits,
  nowMs: number,
): Promise<SteppedStore> {
  const place = { namespace: `t${crypto.randomUUID().slice(-12)}`, shards: 1 };
  const [meta = ""] = allShardKeys(place)[0] ?? [];
  const servers = new ClusterMap([url], place, { name: "test", world: realWorld, onError() {} });
  const links = new SteppedLinks(servers, "shard");
  await links.whenReady(0, 5000);
  const controlWith = (limits: DecisionLimits) =>
    new RedisControl(links, { ...place, limits, world: realWorld, replicaTimeoutMs: 5000 });
  const asCaller = (limits: DecisionLimits) =>
    new RedisStore(links, { ...place, deployment: "" }, { ...limits, replicaTimeoutMs: 1000 });
  const setTime = async (nowMs: number) => {
    const [seconds, micros] = [Math.floor(nowMs / 1000), nowMs % 1000 * 1000];
    await links.call(0, "HSET", meta, "test_seconds", seconds, "test_micros", micros);
  };
  const control = controlWith(limits);
  await setTime(nowMs);
  await armEmpty(control);
  const log = new RedisStream(new ShardConnections(servers, "shard"), place);
  return {
    store: asCaller(limits),
    control,
    log,
    setTime,
    acknowledge: (limits, appliedSeq) => acknowledge(controlWith(limits), appliedSeq),
    asCaller,
    async [Symbol.asyncDispose]() {
      await Promise.all([links.close(), log.close(), servers.close()]);
    },
  };
}

async function acknowledge(control: ShardControl, appliedSeq?: number): Promise<void> {
  const { position, nonce: known } = await control.inspect(0);
  await control.acknowledge(0, { ...position, seq: appliedSeq ?? position.seq }, deployment, {
    known,
    next: known,
  });
}

/** Digests of the scripts as the product knows them, and of those that Redis gets. */
const digests = new Map<string, string>();
const sha1 = (text: string) => createHash("sha1").update(text).digest("hex");

class SteppedLinks extends ShardConnections {
  readonly #stepped = new WeakMap<Connection, Connection>();

  override run<T>(shard: number, use: (connection: Connection) => Promise<T>): Promise<T> {
    return super.run(shard, (connection) => {
      const stepped = this.#stepped.get(connection) ?? onSteppedClock(connection);
      this.#stepped.set(connection, stepped);
      return use(stepped);
    });
  }
}

function onSteppedClock(connection: Connection): Connection {
  const call: Connection["call"] = (command, ...args) => {
    const [first, second] = args;
    if (command === "SCRIPT" && first === "LOAD" && typeof second === "string") {
      const source = second.replaceAll(
        'redis.call("TIME")',
        'redis.call("HMGET", KEYS[1], "test_seconds", "test_micros")',
      );
      digests.set(sha1(second), sha1(source));
      return connection.call(command, first, source);
    }
    return command === "EVALSHA"
      ? connection.call(command, digests.get(String(first)) ?? String(first), ...args.slice(1))
      : connection.call(command, ...args);
  };
  return new Proxy(connection, {
    get(target, name) {
      if (name === "call") return call;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
