/**
 * The peers of bench/peers as systems under load.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { withConnection } from "../../tools/servers/database.ts";
import { OwnServer } from "../../tools/servers/own_server.ts";
import { type PostgresServer, startPostgres } from "../../tools/servers/postgres.ts";
import { type ProcessOptions, startProcess } from "../../tools/servers/process.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { buildGo } from "./go.ts";
import { redisArgs } from "./holdfast.ts";
import {
  cpuMsOf,
  residentBytesOf,
  skuNames,
  type StartOptions,
  type System,
  usedMemoryBytes,
} from "./system.ts";

const peers = new URL("../peers/", import.meta.url).pathname;

/** The service of a peer, on the same port after each start. */
class PeerService extends OwnServer {
  readonly #options: (port: number, dir: string) => ProcessOptions;

  constructor(dir: string, title: string, options: (port: number, dir: string) => ProcessOptions) {
    super(dir, title);
    this.#options = options;
  }

  override start(): Promise<void> {
    return this.startOnce(() => startProcess(this.#options(this.port, this.dir)));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }
}

async function startPeer(
  title: string,
  options: (port: number, dir: string) => Omit<ProcessOptions, "readyLine">,
): Promise<PeerService> {
  const service = new PeerService(
    await dataDir("peer"),
    title,
    (port, dir) => ({ ...options(port, dir), readyLine: /listening on/i }),
  );
  await service.start();
  return service;
}

const none = () => Promise.resolve(null);
const atOnce = () => Promise.resolve();

/** The baseline: Gin, go-redis, one script call for each request. */
export async function startGin(options: StartOptions): Promise<System> {
  await using started = new AsyncDisposableStack();
  const command = await buildGo("gin-service");
  const redis = started.use(await startRedis({ args: redisArgs(options) }));
  const skus = skuNames(options.skus);
  await redis.cli("MSET", ...skus.flatMap((sku) => [`inventory:${sku}`, String(options.stock)]));
  const telemetry: Record<string, string> = options.telemetryUrl === undefined
    ? {}
    : { OTEL_EXPORTER_OTLP_ENDPOINT: options.telemetryUrl };
  const service = started.use(
    await startPeer("gin-service", (port) => ({
      command,
      args: [],
      env: { PORT: String(port), REDIS_ADDR: `127.0.0.1:${redis.port}`, ...telemetry },
    })),
  );
  const owned = started.move();
  return {
    url: service.url,
    sells: true,
    parts: { API: service, Redis: redis },
    async sold() {
      const left = await redis.cli("MGET", ...skus.map((sku) => `inventory:${sku}`));
      return left.split("\n").reduce((sum, units) => sum + options.stock - Number(units), 0);
    },
    rows: none,
    lag: none,
    settled: atOnce,
    async orderIds() {
      const keys = await redis.cli(
        "EVAL",
        "return table.concat(redis.call('KEYS', ARGV[1]), '\\n')",
        "0",
        "inventory:log:*",
      );
      return new Set(keys.split("\n").map((key) => key.replace("inventory:log:", "")));
    },
    usage: async () => ({
      cpuMs: { API: await cpuMsOf(service.pid), Redis: await cpuMsOf(redis.pid) },
      memoryBytes: {
        API: await residentBytesOf(service.pid),
        Redis: usedMemoryBytes(await redis.cli("INFO", "memory")),
      },
    }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The floor: `Deno.serve` that parses a body and sells nothing. */
export async function startBare(): Promise<System> {
  const service = await startPeer(
    "bare",
    (port) => ({ args: ["run", "-A", `${peers}bare.ts`, String(port)] }),
  );
  return {
    url: service.url,
    sells: false,
    parts: { API: service },
    sold: () => Promise.resolve(0),
    rows: none,
    lag: none,
    settled: atOnce,
    orderIds: () => Promise.resolve(new Set()),
    usage: () => usageOfService(service),
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}

/** PostgreSQL directly: a service in Go, one transaction for each request. */
export async function startPostgresDirect(options: StartOptions): Promise<System> {
  const command = await buildGo("postgres-direct");
  return await startOnPostgres("postgres-direct", options, (port, databaseUrl) => ({
    command,
    args: [],
    env: {
      PORT: String(port),
      DATABASE_URL: `${databaseUrl}?pool_max_conns=32`,
      SKUS: String(options.skus),
      STOCK: String(options.stock),
    },
  }));
}

/** PostgreSQL behind Holdfast's batcher, one statement for each batch. */
export function startPostgresBatcher(options: StartOptions): Promise<System> {
  return startOnPostgres("postgres-batcher", options, (port, databaseUrl) => ({
    args: ["run", "-A", `${peers}postgres-batcher/main.ts`],
    env: peerEnv(port, options, { DATABASE_URL: databaseUrl }),
  }));
}

/** SQLite in the process of the API, one transaction for each batch. */
export async function startSqliteBatcher(options: StartOptions): Promise<System> {
  const service = await startPeer("sqlite-batcher", (port, dir) => ({
    args: ["run", "-A", `${peers}sqlite-batcher/main.ts`],
    env: peerEnv(port, options, { FILE: `${dir}/stock.db` }),
  }));
  const ask = <T>(query: string, read: (rows: Record<string, unknown>[]) => T): Promise<T> => {
    const database = new DatabaseSync(`${service.dir}/stock.db`, { readOnly: true });
    try {
      return Promise.resolve(read(database.prepare(query).all()));
    } finally {
      database.close();
    }
  };
  return {
    url: service.url,
    sells: true,
    parts: { API: service },
    sold: () =>
      ask(
        "select sum(available) as units from stock",
        ([row]) => options.skus * options.stock - Number(row?.units),
      ),
    rows: () => ask("select count(*) as count from orders", ([row]) => Number(row?.count)),
    lag: none,
    settled: atOnce,
    orderIds: () =>
      ask("select order_id from orders", (rows) => new Set(rows.map((row) => String(row.order_id)))),
    usage: () => usageOfService(service),
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}

function peerEnv(
  port: number,
  { skus, stock }: StartOptions,
  more: Record<string, string>,
): Record<string, string> {
  return { PORT: String(port), SKUS: String(skus), STOCK: String(stock), ...more };
}

async function usageOfService({ pid }: PeerService) {
  return { cpuMs: { API: await cpuMsOf(pid) }, memoryBytes: { API: await residentBytesOf(pid) } };
}

async function startOnPostgres(
  title: string,
  options: StartOptions,
  command: (port: number, databaseUrl: string) => Omit<ProcessOptions, "readyLine">,
): Promise<System> {
  await using started = new AsyncDisposableStack();
  const postgres: PostgresServer = started.use(await startPostgres());
  const databaseUrl = await postgres.freshDatabase();
  const service = started.use(await startPeer(title, (port) => command(port, databaseUrl)));
  const owned = started.move();
  const count = (query: string) =>
    withConnection(databaseUrl, async (sql) => Number((await sql.unsafe(query))[0]?.count));
  return {
    url: service.url,
    sells: true,
    parts: { API: service, PostgreSQL: postgres },
    sold: async () =>
      options.skus * options.stock - await count("select sum(available)::float8 as count from stock"),
    rows: () => count("select count(*)::int as count from orders"),
    lag: none,
    settled: atOnce,
    orderIds: () =>
      withConnection(databaseUrl, async (sql) => {
        const ids = await sql`select order_id from orders`.values();
        return new Set(ids.map(([id]) => String(id)));
      }),
    usage: async () => ({
      cpuMs: {
        API: await cpuMsOf(service.pid),
        PostgreSQL: await cpuMsOf(postgres.pid, { hasChildren: true }),
      },
      memoryBytes: { API: await residentBytesOf(service.pid) },
    }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
