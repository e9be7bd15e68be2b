/**
 * Holdfast as a system under load: with Redis, worker and PostgreSQL, or the embedded default.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { withConnection } from "../../tools/servers/database.ts";
import { startCluster } from "../../tools/servers/cluster.ts";
import { type PostgresServer, startPostgres } from "../../tools/servers/postgres.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { dataDir } from "../../tools/servers/run_folder.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { Service } from "../../tests/system/stack.ts";
import {
  cpuMsOf,
  descriptorsOf,
  type Part,
  residentBytesOf,
  skuNames,
  type StartOptions,
  type System,
  usedMemoryBytes,
} from "./system.ts";

const readyDeadlineMs = 30_000;
const settledDeadlineMs = 600_000;
/** Requests under way at once while stock is made and counted. */
const requestsMax = 64;

/** What a system answers whose sales no worker applies. */
const withoutLedger = {
  rows: () => Promise.resolve(null),
  lag: () => Promise.resolve(null),
  settled: () => Promise.resolve(),
  orderIds: () => Promise.resolve(new Set<string>()),
};

/** Redis without a file, or with the one that survives a crash. */
export function redisArgs({ hasFsync = false }: StartOptions): string[] {
  return hasFsync ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--appendonly", "no"];
}

/** Starts it on servers of its own. Without its worker, what is sold stays in Redis. */
export async function startHoldfast(
  options: StartOptions,
  { hasWorker, folder }: { hasWorker: boolean; folder?: string },
): Promise<System> {
  await using started = new AsyncDisposableStack();
  const redis = started.use(await startRedis({ args: redisArgs(options) }));
  const postgres = started.use(await startPostgres());
  const databaseUrl = await postgres.freshDatabase();
  const env = envOf(options, redis.url, databaseUrl);
  const start = async (program: "api" | "worker") =>
    started.use(await Service.start(program, env, { folder }));
  const [api, worker] = [await start("api"), await start("worker")];
  await stockAll(api, options);
  const servers = { api, worker, redis, postgres };
  const ledger = ledgerOf(servers, databaseUrl, options);
  if (!hasWorker) {
    await ledger.settled();
    await worker.kill();
  }
  const owned = started.move();
  return {
    url: api.url,
    databaseUrl,
    sells: true,
    parts: {
      API: partOf(api),
      Redis: redis,
      ...hasWorker ? { worker: partOf(worker), PostgreSQL: postgres } : {},
    },
    sold: () => soldBy(api, options),
    ...ledger,
    ...hasWorker ? {} : withoutLedger,
    usage: () => usageOf(servers, hasWorker),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Starts it on 12 shards over three Redis masters, without a worker. */
export async function startCluster12(options: StartOptions): Promise<System> {
  await using started = new AsyncDisposableStack();
  const cluster = started.use(await startCluster({ replicas: 0, args: redisArgs(options) }));
  const postgres = started.use(await startPostgres());
  const databaseUrl = await postgres.freshDatabase();
  const env = { ...envOf(options, cluster.nodes.map(({ url }) => url).join(","), databaseUrl), SHARDS: "12" };
  const api = started.use(await Service.start("api", env));
  const worker = started.use(await Service.start("worker", env));
  await stockAll(api, options);
  await waitFor(async () => await appliedIn(databaseUrl) >= options.skus, {
    deadlineMs: settledDeadlineMs,
    what: "the ledger to have the stock",
  });
  await worker.kill();
  const owned = started.move();
  const sumOf = async (of: (node: RedisServer) => Promise<number>) =>
    (await Promise.all(cluster.nodes.map(of))).reduce((sum, value) => sum + value, 0);
  return {
    url: api.url,
    sells: true,
    parts: { API: partOf(api) },
    sold: () => soldBy(api, options),
    ...withoutLedger,
    usage: async () => ({
      cpuMs: { API: await cpuMsOf(api.pid), Redis: await sumOf(({ pid }) => cpuMsOf(pid)) },
      memoryBytes: {
        API: await residentBytesOf(api.pid),
        Redis: await sumOf(async (node) => usedMemoryBytes(await node.cli("INFO", "memory"))),
      },
    }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Starts the embedded default: one process, SQLite with fsync before each answer. */
export async function startEmbedded(options: StartOptions): Promise<System> {
  await using started = new AsyncDisposableStack();
  const dataFolder = await dataDir("embedded");
  const env = {
    LOG_LEVEL: "warn",
    BACKLOG_MAX: "100000000",
    DATA_DIR: dataFolder,
    DEMO_STOCK: "0",
    ...options.telemetryUrl === undefined ? {} : { OTLP_ENDPOINT: options.telemetryUrl },
    ...options.env,
  };
  const api = started.use(await Service.start("api", env));
  await stockAll(api, options);
  const owned = started.move();
  return {
    url: api.url,
    sells: true,
    parts: { API: partOf(api) },
    sold: () => soldBy(api, options),
    ...withoutLedger,
    orderIds() {
      const database = new DatabaseSync(`${dataFolder}/ledger.db`, { readOnly: true });
      try {
        const ids = database.prepare("select order_id from order_lines").all();
        return Promise.resolve(new Set(ids.map(({ order_id }) => String(order_id))));
      } finally {
        database.close();
      }
    },
    usage: async () => ({
      cpuMs: { API: await cpuMsOf(api.pid) },
      memoryBytes: { API: await residentBytesOf(api.pid) },
    }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function envOf({ telemetryUrl, env }: StartOptions, redisUrl: string, databaseUrl: string) {
  return {
    LOG_LEVEL: "warn",
    BACKLOG_MAX: "100000000",
    REDIS_URL: redisUrl,
    DATABASE_URL: databaseUrl,
    ...telemetryUrl === undefined ? {} : { OTLP_ENDPOINT: telemetryUrl },
    ...env,
  };
}

function partOf(service: Service): Part {
  return { kill: () => service.kill(), start: () => service.restart() };
}

async function stockAll(api: Service, { skus, stock }: StartOptions): Promise<void> {
  await api.ready(readyDeadlineMs);
  await eachSku(skus, async (sku) => {
    const made = await api.post(`/api/v1/inventory/${sku}/adjustments`, {
      adjustment_id: `a-${sku}`,
      delta: stock,
    });
    if (made.status !== 201) throw new Error(`Cannot stock ${sku}: ${JSON.stringify(made.body)}`);
  });
}

async function soldBy(api: Service, { skus, stock }: StartOptions): Promise<number> {
  let sold = 0;
  await eachSku(skus, async (sku) => {
    let answer: Awaited<ReturnType<Service["get"]>> | undefined;
    // After 10,000 connections the first reads are refused as overloaded.
    await waitFor(async () => (answer = await api.get(`/api/v1/inventory/${sku}`)).status === 200, {
      deadlineMs: readyDeadlineMs,
      what: `the stock of ${sku}`,
      seen: () => answer?.body,
    });
    sold += stock - Number(answer?.body.available);
  });
  return sold;
}

async function eachSku(count: number, work: (sku: string) => Promise<void>): Promise<void> {
  const names = skuNames(count);
  for (let first = 0; first < count; first += requestsMax) {
    await Promise.all(names.slice(first, first + requestsMax).map(work));
  }
}

interface Servers {
  readonly api: Service;
  readonly worker: Service;
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
}

function valueIn(databaseUrl: string, query: string): Promise<number> {
  return withConnection(databaseUrl, async (sql) => Number((await sql.unsafe(query))[0]?.value ?? 0));
}

/** Events of all shards that the ledger has. */
function appliedIn(databaseUrl: string): Promise<number> {
  return valueIn(databaseUrl, "select sum(seq)::float8 as value from inventory.log_cursor");
}

function ledgerOf({ api }: Servers, databaseUrl: string, { skus }: StartOptions) {
  const applied = () => appliedIn(databaseUrl);
  const head = async () => Number((await api.get(`/api/v1/inventory/${skuNames(skus)[0]}`)).body.seq);
  return {
    rows: () => valueIn(databaseUrl, "select count(*)::int as value from inventory.order_lines"),
    lag: async () => Math.max(0, await head() - await applied()),
    async settled() {
      const wanted = await head();
      await waitFor(async () => await applied() >= wanted, {
        deadlineMs: settledDeadlineMs,
        what: "the ledger",
      });
    },
    orderIds: () =>
      withConnection(databaseUrl, async (sql) => {
        const ids = await sql`select order_id from inventory.order_lines`.values();
        return new Set(ids.map(([id]) => String(id)));
      }),
  };
}

async function usageOf({ api, worker, redis, postgres }: Servers, hasWorker: boolean) {
  const cpuMs = { API: await cpuMsOf(api.pid), Redis: await cpuMsOf(redis.pid) };
  const memoryBytes = {
    API: await residentBytesOf(api.pid),
    Redis: usedMemoryBytes(await redis.cli("INFO", "memory")),
  };
  if (!hasWorker) return { cpuMs, memoryBytes };
  return {
    cpuMs: {
      ...cpuMs,
      worker: await cpuMsOf(worker.pid),
      PostgreSQL: await cpuMsOf(postgres.pid, { hasChildren: true }),
    },
    memoryBytes: { ...memoryBytes, worker: await residentBytesOf(worker.pid) },
    descriptors: { API: descriptorsOf(api.pid), worker: descriptorsOf(worker.pid) },
  };
}
