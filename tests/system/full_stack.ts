/**
 * The full stack on one machine, without containers:
 *
 *     nginx ──▶ 3 APIs ──▶ Redis Cluster, 3 masters with a replica each ──▶ 2 workers ──▶ Kafka ──▶ PostgreSQL
 *
 * `deno task stack` runs it for a person, `full_stack_test.ts` for a sale in which each part of it is killed.
 *
 * @module
 */
import { type RedisCluster, startCluster } from "../../tools/servers/cluster.ts";
import { type KafkaServer, startKafka } from "../../tools/servers/kafka.ts";
import { type Nginx, startNginx } from "../../tools/servers/nginx.ts";
import { type PostgresServer, startPostgres } from "../../tools/servers/postgres.ts";
import { type Env, type Stack, startStack } from "./stack.ts";

/** What is not always the same. */
export interface FullStackOptions {
  /** For APIs and workers, in addition to the addresses of their servers. */
  readonly env?: Env;
  /** Where nginx listens; a free port when left out. */
  readonly port?: number;
}

/** All parts. Disposing of it ends them, from the front to the back. */
export interface FullStack extends AsyncDisposable {
  readonly cluster: RedisCluster;
  readonly kafka: KafkaServer;
  readonly postgres: PostgresServer;
  readonly databaseUrl: string;
  readonly stack: Stack;
  readonly nginx: Nginx;
}

/** As `deploy/redis` has it: a master that is cut off from its replica takes no more sales. */
const AS_SHIPPED = ["--min-replicas-to-write", "1"];
const APIS = 3;
const WORKERS = 2;
/** Four a master; as many partitions. */
const SHARDS = 12;

/** Starts all of it; returns when every API can decide orders. */
export async function startFullStack({ env = {}, port }: FullStackOptions = {}): Promise<FullStack> {
  await using started = new AsyncDisposableStack();
  const [cluster, kafka, postgres] = await Promise.all([
    startCluster({ args: AS_SHIPPED }).then((server) => started.use(server)),
    startKafka().then((server) => started.use(server)),
    startPostgres().then((server) => started.use(server)),
  ]);
  const databaseUrl = await postgres.freshDatabase();
  const stack = started.use(
    await startStack({
      redisUrl: cluster.urls.join(),
      databaseUrl,
      apis: APIS,
      workers: WORKERS,
      env: {
        DATABASE_URL: databaseUrl,
        SHARDS: String(SHARDS),
        KAFKA_BROKERS: kafka.broker,
        TRUST_PROXY: "1",
        ...env,
      },
    }),
  );
  const apis = stack.apis.map(({ url }) => url);
  const nginx = started.use(await startNginx({ apis, ...port !== undefined && { port } }));
  const owned = started.move();
  return {
    cluster,
    kafka,
    postgres,
    databaseUrl,
    stack,
    nginx,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
