/**
 * The adapters behind the verbs of the command line.
 *
 * @module
 */
import { note, openApi } from "./cli_api.ts";
import { inspectTopic } from "./cli_topic.ts";
import { CliConnections } from "./cli_connections.ts";
import { userInfo } from "node:os";
import type { Config } from "../runtime/settings/config.ts";
import { limitsOf } from "../domain/limits.ts";
import { RedisControl } from "../redis/control.ts";
import { RedisReader } from "../redis/reader.ts";
import { RedisStore } from "../redis/store.ts";
import type { StockStore } from "../decide/store.ts";
import { KafkaTopic } from "../kafka/topic.ts";
import type { EventLog } from "../log/event_log.ts";
import { RedisStream } from "../redis/stream.ts";
import { RelayedLog } from "../log/relayed_log.ts";
import { Failure } from "../cli/context/failure.ts";
import type { CliContext } from "../cli/context/context.ts";
import { ShardConnections } from "../redis/shard_connections.ts";
import { realWorld as world } from "../runtime/world.ts";

const replicaTimeoutMs = 1000;

/** Opens each part at its first use. */
export function openContext(config: Config): CliContext {
  const parts = new CliConnections(config);
  const { shards, namespace } = config;
  const actor = `cli:${userInfo().username}`;
  const keySpace = { namespace, shards };
  const hasLedger = config.store.kind === "redis" && config.store.databaseUrl !== null;

  async function deployment() {
    const found = await (await parts.ledger()).deployment();
    if (!found) throw new Failure("Cannot use the ledger as no worker has made it yet");
    if (found.shards !== shards) {
      throw new Failure(
        `Cannot use SHARDS=${shards} as this ledger was created for ${found.shards}`,
        "usage",
      );
    }
    return found;
  }

  async function store(): Promise<StockStore> {
    const connections = await parts.connections();
    const id = hasLedger ? (await deployment()).id : "";
    return new RedisStore(connections, { ...keySpace, deployment: id }, {
      ...limitsOf(config),
      replicaTimeoutMs,
      onDifferent: note,
    });
  }

  /** Reads the log as the worker does: events that bypass the topic would never reach its readers. */
  async function openLog(): Promise<EventLog> {
    const stream = new RedisStream(new ShardConnections(await parts.clusterMap(), "shard"), keySpace);
    const kafka = config.store.kind === "redis" ? config.store.kafka : null;
    if (kafka === null) return stream;
    const topic = new KafkaTopic({ ...kafka, namespace, shards, onLog: () => {} });
    return new RelayedLog({ stream, topic, deployment: (await deployment()).id, world, onEvent: () => {} });
  }

  return {
    config,
    world,
    actor,
    api: async () => openApi(config, await store(), hasLedger ? await parts.ledger() : null, actor),
    store,
    deployment,
    async redis(shard) {
      const connections = await parts.connections();
      return (command, ...args) => connections.call(shard, command, ...args);
    },
    control: async (limits = limitsOf(config)) =>
      new RedisControl(await parts.connections(), {
        ...keySpace,
        limits,
        world,
        replicaTimeoutMs: config.replicaTimeoutMs,
      }),
    reader: async () => new RedisReader(await parts.connections(), keySpace),
    topic: () => inspectTopic(config),
    log: () => parts.once("log", openLog, (log) => log.close()),
    ledger: () => parts.ledger(),
    database: () => parts.database(),
    close: () => parts.close(),
  };
}
