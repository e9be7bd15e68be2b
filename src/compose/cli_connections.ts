/**
 * Connections of the command line: opened at first use, closed at the end.
 *
 * @module
 */
import type { Config } from "../runtime/settings/config.ts";
import type { Database } from "../ledger/postgres/database.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { openPostgres } from "../ledger/postgres/server.ts";
import { readSqliteLedger } from "../ledger/sqlite/ledger.ts";
import { openLedger } from "../ledger/postgres/ledger.ts";
import { Failure } from "../cli/context/failure.ts";
import { ShardConnections } from "../redis/shard_connections.ts";
import { ClusterMap } from "../redis/cluster_map.ts";
import { adviceOn } from "../runtime/advice.ts";
import { describeError } from "../runtime/logger.ts";
import { realWorld as world } from "../runtime/world.ts";

const connectTimeoutMs = 5000;

/** Opens a part at first use, and closes it at the end. */
export class CliConnections {
  readonly #opened = new Map<string, Promise<unknown>>();
  readonly #closers: (() => Promise<unknown>)[] = [];

  constructor(readonly config: Config) {}

  once<T>(part: string, open: () => Promise<T>, close: (opened: T) => Promise<unknown>): Promise<T> {
    const opened = this.#opened.get(part) as Promise<T> | undefined ?? open();
    if (!this.#opened.has(part)) {
      this.#opened.set(part, opened);
      this.#closers.push(() => opened.then(close, () => {})); // a part that failed to open needs no closing
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

  /** For calls that do not block; the log has its own connections. */
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
    const { store, namespace } = this.config;
    if (store.kind === "embedded") {
      const open = () =>
        readSqliteLedger({ folder: store.dataDir, namespace, world }).catch((error) => {
          throw new Failure(describeError(error), "usage");
        });
      return this.once("ledger", open, (ledger) => ledger.close());
    }
    return this.once(
      "ledger",
      async () => await openLedger(await this.database(), world, this.deploymentId),
      async () => {},
    );
  }
}
