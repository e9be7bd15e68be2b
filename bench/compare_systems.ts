/**
 * The systems of `deno task bench:compare`: each is started on servers of its own.
 *
 * @module
 */
import { withConnection } from "../tools/servers/database.ts";
import { freePort } from "../tools/servers/port.ts";
import { childrenOf } from "../tools/servers/pid.ts";
import { startPostgres } from "../tools/servers/postgres.ts";
import { startProcess } from "../tools/servers/process.ts";
import { startRedis } from "../tools/servers/redis.ts";
import { dataDir } from "../tools/servers/run_folder.ts";
import { waitFor } from "../tools/servers/wait.ts";
import { cpuMs } from "../tools/load/oha.ts";
import { Service } from "../tests/system/stack.ts";

const skus = Array.from({ length: 100 }, (_, i) => `SKU_${i + 1}`);
const peers = new URL("peers/", import.meta.url).pathname;
// An order in the log is safe from a crash of Redis only with fsync; both sides are measured without.
const redisArgs = ["--appendonly", "no"];

/** A system under load. */
export interface System extends AsyncDisposable {
  readonly url: string;
  /** Whether it keeps a stock. */
  readonly sells: boolean;
  /** User and system time of its processes since they began, ms. */
  cpuMs(): Promise<Record<string, number>>;
  /** Units that were sold, by the system's own count. */
  gone(): Promise<number>;
  /** Lines in the ledger; null = it has none. */
  rows(): Promise<number | null>;
  /** Resolves when the ledger has what was sold. */
  settled(): Promise<void>;
}

const starters: Record<string, (stock: number, before: string) => Promise<System>> = {
  holdfast: (stock) => startHoldfast(stock, { hasWorker: true }),
  "no-worker": (stock) => startHoldfast(stock, { hasWorker: false }),
  before: (stock, before) => startHoldfast(stock, { hasWorker: true, folder: before }),
  "before-no-worker": (stock, before) => startHoldfast(stock, { hasWorker: false, folder: before }),
  gin: startGin,
  bare: startBare,
  postgres: startPostgresDirect,
};

/**
 * What `--systems` takes. `no-worker` is Holdfast after its worker was killed: what sells goes on. `before` is another
 * checkout of Holdfast.
 */
export const systemNames = Object.keys(starters);

/** Starts a system; every SKU has `stock` units. `before` is the folder of the other checkout. */
export function startSystem(name: string, stock: number, before: string): Promise<System> {
  const start = starters[name];
  if (!start) throw new TypeError(`Cannot start '${name}': known are ${systemNames}`);
  return start(stock, before);
}

/** The median of some values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return ((sorted[middle] ?? NaN) + (sorted[sorted.length - 1 - middle] ?? NaN)) / 2;
}

async function usedMs(pids: readonly number[]): Promise<number> {
  const each = await Promise.all(pids.map((pid) => cpuMs(pid).catch(() => 0)));
  return each.reduce<number>((sum, ms) => sum + (ms ?? 0), 0);
}

interface Kind {
  readonly hasWorker: boolean;
  /** Its checkout; this one when left out. */
  readonly folder?: string;
}

async function startHoldfast(stock: number, { hasWorker, folder }: Kind): Promise<System> {
  await using started = new AsyncDisposableStack();
  const redis = started.use(await startRedis({ args: redisArgs }));
  const postgres = started.use(await startPostgres());
  const databaseUrl = await postgres.freshDatabase();
  const env = {
    LOG_LEVEL: "warn",
    BACKLOG_MAX: "100000000",
    REDIS_URL: redis.url,
    DATABASE_URL: databaseUrl,
  };
  const start = async (program: "api" | "worker") =>
    started.use(await Service.start(program, env, Deno.execPath(), undefined, folder));
  const [api, worker] = [await start("api"), await start("worker")];
  await api.ready(30_000);
  for (const sku of skus) {
    const made = await api.post(`/api/v1/inventory/${sku}/adjustments`, { adjustment_id: "a", delta: stock });
    if (made.status !== 201) throw new Error(`Cannot stock ${sku}: ${JSON.stringify(made.body)}`);
  }
  const gone = async () => {
    const each = await Promise.all(skus.map((sku) => api.get(`/api/v1/inventory/${sku}`)));
    return each.reduce((sum, { body }) => sum + stock - Number(body.available), 0);
  };
  const rows = () =>
    withConnection(databaseUrl, async (sql) => {
      const [row] = await sql`select count(*)::int as count from inventory.order_lines`;
      return Number(row?.count);
    });
  const applied = () =>
    withConnection(databaseUrl, async (sql) => {
      const [row] = await sql`select sum(seq)::float8 as seq from inventory.log_cursor`;
      return Number(row?.seq);
    });
  const settled = async () => {
    const head = skus.length + await gone(); // one event for each SKU that was stocked, one for each order
    await waitFor(async () => await applied() >= head, { deadlineMs: 300_000, what: "the ledger" });
  };
  if (!hasWorker) {
    await settled();
    await worker.kill();
  }
  const owned = started.move();
  return {
    url: api.url,
    sells: true,
    gone,
    rows: hasWorker ? rows : () => Promise.resolve(null),
    settled: hasWorker ? settled : () => Promise.resolve(),
    async cpuMs() {
      const front = { API: await usedMs([api.pid]), Redis: await usedMs([redis.pid]) };
      if (!hasWorker) return front;
      const backends = await childrenOf(postgres.pid);
      return {
        ...front,
        worker: await usedMs([worker.pid]),
        PostgreSQL: await usedMs([postgres.pid, ...backends]),
      };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Builds a peer with go, once a run. */
async function build(name: string): Promise<string> {
  const program = `${await dataDir("peers")}/${name}`;
  const { code, stderr } = await new Deno.Command("go", {
    args: ["build", "-o", program, "."],
    cwd: `${peers}${name}`,
  }).output();
  if (code !== 0) throw new Error(`Cannot build bench/peers/${name}: ${new TextDecoder().decode(stderr)}`);
  return program;
}

async function startGin(stock: number): Promise<System> {
  await using started = new AsyncDisposableStack();
  const command = await build("gin-service");
  const redis = started.use(await startRedis({ args: redisArgs }));
  await redis.cli("MSET", ...skus.flatMap((sku) => [`inventory:${sku}`, String(stock)]));
  const port = freePort();
  const env = { PORT: String(port), REDIS_ADDR: `127.0.0.1:${redis.port}` };
  const process = started.use(await startProcess({ command, args: [], env, readyLine: /listening on/ }));
  const owned = started.move();
  return {
    url: `http://127.0.0.1:${port}`,
    sells: true,
    async gone() {
      const left = await redis.cli("MGET", ...skus.map((sku) => `inventory:${sku}`));
      return left.split("\n").reduce((sum, units) => sum + stock - Number(units), 0);
    },
    rows: () => Promise.resolve(null),
    settled: () => Promise.resolve(),
    cpuMs: async () => ({ API: await usedMs([process.pid]), Redis: await usedMs([redis.pid]) }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startBare(): Promise<System> {
  const port = freePort();
  const process = await startProcess({
    args: ["run", "-A", `${peers}bare.ts`, String(port)],
    readyLine: /Listening on/,
  });
  return {
    url: `http://127.0.0.1:${port}`,
    sells: false,
    gone: () => Promise.resolve(0),
    rows: () => Promise.resolve(null),
    settled: () => Promise.resolve(),
    cpuMs: async () => ({ API: await usedMs([process.pid]) }),
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

async function startPostgresDirect(stock: number): Promise<System> {
  await using started = new AsyncDisposableStack();
  const command = await build("postgres-direct");
  const postgres = started.use(await startPostgres());
  const databaseUrl = await postgres.freshDatabase();
  const port = freePort();
  const env = {
    PORT: String(port),
    DATABASE_URL: `${databaseUrl}?pool_max_conns=32`,
    STOCK: String(stock),
  };
  const process = started.use(await startProcess({ command, args: [], env, readyLine: /listening on/ }));
  const owned = started.move();
  const count = (what: "orders" | "units") =>
    withConnection(databaseUrl, async (sql) => {
      const [row] = what === "orders"
        ? await sql`select count(*)::int as count from orders`
        : await sql`select (count(*) * ${stock}::bigint - sum(available))::float8 as count from stock`;
      return Number(row?.count);
    });
  return {
    url: `http://127.0.0.1:${port}`,
    sells: true,
    gone: () => count("units"),
    rows: () => count("orders"),
    settled: () => Promise.resolve(),
    async cpuMs() {
      const pids = [postgres.pid, ...await childrenOf(postgres.pid)];
      return { API: await usedMs([process.pid]), PostgreSQL: await usedMs(pids) };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
