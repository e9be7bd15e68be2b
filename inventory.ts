/**
 * The operator's command line: `deno task inventory <verb>`. Puts the adapters behind the verbs of `src/cli`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { userInfo } from "node:os";
import { createApp } from "./src/http/app.ts";
import type { Config } from "./src/runtime/settings/config.ts";
import { limitsOf } from "./src/domain/limits.ts";
import { RedisControl } from "./src/redis/control.ts";
import { RedisReader } from "./src/redis/reader.ts";
import { RedisStore } from "./src/redis/store.ts";
import { InventoryService } from "./src/decide/service.ts";
import type { StockStore } from "./src/decide/store.ts";
import type { Database } from "./src/ledger/database.ts";
import type { Ledger } from "./src/ledger/ledger.ts";
import { openPostgres } from "./src/ledger/postgres/server.ts";
import { openLedger } from "./src/ledger/postgres/ledger.ts";
import { configOrExit } from "./src/runtime/lifecycle.ts";
import { KafkaTopic } from "./src/kafka/topic.ts";
import type { EventLog } from "./src/log/event_log.ts";
import { RedisStream } from "./src/redis/stream.ts";
import { RelayedLog } from "./src/log/relayed_log.ts";
import { localApi } from "./src/cli/context/api_request.ts";
import { Failure } from "./src/cli/context/failure.ts";
import { runCli } from "./src/cli/program.ts";
import type { CliContext, RedisCall, TopicLook } from "./src/cli/context/context.ts";
import { Connection } from "./src/redis/connection.ts";
import { ShardConnections } from "./src/redis/shard_connections.ts";
import { ClusterMap } from "./src/redis/cluster_map.ts";
import { adviceOn } from "./src/runtime/advice.ts";
import { describeError } from "./src/runtime/logger.ts";
import { realWorld as world } from "./src/runtime/world.ts";

const connectTimeoutMs = 5000;
const replicaTimeoutMs = 1000;

/** Opens a part when it is first asked for, and remembers how to close it. */
class Parts {
  readonly #opened = new Map<string, Promise<unknown>>();
  readonly #closers: (() => Promise<unknown>)[] = [];

  constructor(readonly config: Config) {}

  once<T>(part: string, open: () => Promise<T>, close: (opened: T) => Promise<unknown>): Promise<T> {
    const opened = this.#opened.get(part) as Promise<T> | undefined ?? open();
    if (!this.#opened.has(part)) {
      this.#opened.set(part, opened);
      this.#closers.push(() => opened.then(close, () => {})); // what never opened needs no closing
    }
    return opened;
  }

  async close(): Promise<void> {
    for (const close of this.#closers.toReversed()) await close();
  }

  get redisUrls(): readonly string[] {
    const { store } = this.config;
    if (store.kind === "redis") return store.redisUrls;
    throw new Failure(
      "Cannot use the embedded default from outside as its folder belongs to the running process: " +
        "set REDIS_URL, or use --api <url> with the verbs that keep stock",
      "usage",
    );
  }

  get databaseUrl(): string {
    const { store } = this.config;
    if (store.kind === "redis" && store.databaseUrl !== null) return store.databaseUrl;
    throw new Failure("Cannot look into the ledger as REDIS_URL and DATABASE_URL must be set", "usage");
  }

  get deploymentId(): string | undefined {
    const { store } = this.config;
    return store.kind === "redis" ? store.deploymentId ?? undefined : undefined;
  }

  async connect(url: string, what: string): Promise<Connection> {
    let last: unknown;
    const name = `${this.config.namespace}-cli`;
    const connection = new Connection(url, { name, world, onError: (error) => last = error });
    try {
      await connection.whenReady(connectTimeoutMs);
      return connection;
    } catch (cause) {
      await connection.close();
      throw new Failure(`Cannot reach ${what}: ${describeError(last ?? cause)}`);
    }
  }

  clusterMap(): Promise<ClusterMap> {
    const { redisUrls } = this;
    const { namespace, shards } = this.config;
    const options = { name: `${namespace}-cli`, world, onError() {} };
    const open = async () => {
      const clusterMap = new ClusterMap(redisUrls, { namespace, shards }, options);
      await clusterMap.whenKnown(connectTimeoutMs).catch(async (error) => {
        await clusterMap.close();
        const why = describeError(error);
        throw new Failure(`Cannot reach REDIS_URL: ${why}: ${adviceOn("REDIS_URL", why)}`);
      });
      return clusterMap;
    };
    return this.once("servers", open, (clusterMap) => clusterMap.close());
  }

  /** For what waits nowhere; the log has connections of its own. */
  connections(): Promise<ShardConnections> {
    const open = async () => new ShardConnections(await this.clusterMap(), "server");
    return this.once("links", open, (connections) => connections.close());
  }

  database(): Promise<Database> {
    const { namespace } = this.config;
    const applicationName = `${namespace}-cli`;
    const { databaseUrl: url } = this;
    const open = async () => {
      const database = openPostgres({ url, namespace, applicationName, world });
      await database.query("select 1").catch(async (error) => {
        await database.close();
        const why = describeError(error);
        throw new Failure(`Cannot use DATABASE_URL: ${why}: ${adviceOn("DATABASE_URL", why)}`);
      });
      return database;
    };
    return this.once("database", open, (database) => database.close());
  }

  ledger(): Promise<Ledger> {
    return this.once(
      "ledger",
      async () => await openLedger(await this.database(), world, this.deploymentId),
      async () => {},
    );
  }
}

function openContext(config: Config): CliContext {
  const parts = new Parts(config);
  const { shards, namespace } = config;
  const actor = `cli:${userInfo().username}`;
  const keySpace = { namespace, shards };
  const hasLedger = config.store.kind === "redis" && config.store.databaseUrl !== null;
  const call = (connection: Connection): RedisCall => (command, ...args) => connection.call(command, ...args);

  async function deployment() {
    const found = await (await parts.ledger()).deployment();
    if (!found) throw new Failure("Cannot use the ledger as no worker has made it yet");
    if (found.shards !== shards) {
      throw new Failure(`Cannot use SHARDS=${shards} as the books were made for ${found.shards}`, "usage");
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

  /** The real API, with a token that lives as long as this process, whose name is the operator's. */
  async function api() {
    const inventory = new InventoryService(await store(), world, {
      shards,
      batchMax: config.batchMax,
      callsMax: 2,
      queueMax: config.queueMax,
      requestTimeoutMs: config.requestTimeoutMs,
      guaranteesOff: () => [],
      archive: hasLedger ? await parts.ledger() : null,
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

  /** The worker's way: what goes past the topic into the ledger, readers of the topic never see. */
  async function openLog(): Promise<EventLog> {
    const stream = new RedisStream(new ShardConnections(await parts.clusterMap(), "shard"), keySpace);
    const kafka = config.store.kind === "redis" ? config.store.kafka : null;
    if (kafka === null) return stream;
    const topic = new KafkaTopic({ ...kafka, namespace, shards, onLog: () => {} });
    return new RelayedLog({ stream, topic, deployment: (await deployment()).id, world, onEvent: () => {} });
  }

  async function topic(): Promise<TopicLook | null> {
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

  return {
    config,
    world,
    actor,
    api,
    store,
    deployment,
    async redis(shard) {
      const connections = await parts.connections();
      return (command, ...args) => connections.call(shard, command, ...args);
    },
    otherRedis: async (url) =>
      call(await parts.once(url, () => parts.connect(url, "the other Redis"), (redis) => redis.close())),
    control: async (limits = limitsOf(config)) =>
      new RedisControl(await parts.connections(), {
        ...keySpace,
        limits,
        world,
        replicaTimeoutMs: config.replicaTimeoutMs,
      }),
    reader: async () => new RedisReader(await parts.connections(), keySpace),
    topic,
    log: () => parts.once("log", openLog, (log) => log.close()),
    ledger: () => parts.ledger(),
    books: () => parts.database(),
    close: () => parts.close(),
  };
}

function reportError(error: unknown): void {
  note(`Broken: ${describeError(error)}`);
}

function note(message: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${message}\n`));
}

Deno.exit(await runCli(Deno.args, world, () => openContext(configOrExit())));
