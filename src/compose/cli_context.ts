/**
 * The adapters behind the verbs of the command line.
 *
 * @module
 */
import type { Ledger } from "../ledger/ledger.ts";
import { CliConnections } from "./cli_connections.ts";
import { createHash } from "node:crypto";
import { userInfo } from "node:os";
import { createApp } from "../http/app.ts";
import type { Config } from "../runtime/settings/config.ts";
import { limitsOf } from "../domain/limits.ts";
import { RedisControl } from "../redis/control.ts";
import { RedisReader } from "../redis/reader.ts";
import { RedisStore } from "../redis/store.ts";
import { InventoryService } from "../decide/service.ts";
import type { StockStore } from "../decide/store.ts";
import { KafkaTopic } from "../kafka/topic.ts";
import type { EventLog } from "../log/event_log.ts";
import { RedisStream } from "../redis/stream.ts";
import { RelayedLog } from "../log/relayed_log.ts";
import { localApi } from "../cli/context/api_request.ts";
import { Failure } from "../cli/context/failure.ts";
import type { CliContext, TopicLook } from "../cli/context/context.ts";
import { ShardConnections } from "../redis/shard_connections.ts";
import { adviceOn } from "../runtime/advice.ts";
import { describeError } from "../runtime/logger.ts";
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

type CliApi = Awaited<ReturnType<CliContext["api"]>>;

/** The real API, with a token for this process that has the operator's name. */
function openApi(config: Config, store: StockStore, ledger: Ledger | null, actor: string): CliApi {
  const inventory = new InventoryService(store, world, {
    shards: config.shards,
    batchMax: config.batchMax,
    callsMax: 2,
    queueMax: config.queueMax,
    requestTimeoutMs: config.requestTimeoutMs,
    guaranteesOff: () => [],
    archive: ledger,
    onBroken: reportError,
  });
  const token = world.uuid();
  const sha256 = createHash("sha256").update(token).digest("hex");
  const app = createApp({
    inventory,
    config: {
      ...config,
      access: {
        kind: "tokens",
        tokens: [{ name: actor, scopes: ["admin", "read"], sha256, isWeak: false }],
      },
    },
    world,
    reportError,
    deployment: () => null, // it neither sells nor issues tokens
  });
  return localApi(async (request) => await app.fetch(request), token);
}

async function inspectTopic(config: Config): Promise<TopicLook | null> {
  const { namespace, shards } = config;
  const kafka = config.store.kind === "redis" ? config.store.kafka : null;
  if (kafka === null) return null;
  const opened = new KafkaTopic({ ...kafka, namespace, shards, onLog: () => {} });
  try {
    const found = await opened.inspect();
    return found ? { kind: "found", ...found } : { kind: "missing" };
  } catch (error) {
    const why = describeError(error);
    return { kind: "away", why: `${why}: ${adviceOn("KAFKA_BROKERS", why)}` };
  } finally {
    await opened.close();
  }
}

function reportError(error: unknown): void {
  note(`Broken: ${describeError(error)}`);
}

function note(message: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${message}\n`));
}
