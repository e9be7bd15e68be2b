/**
 * What more masters, API processes and workers bring, and what waiting for replicas costs: CPU an order of each
 * part, and orders a second on this machine. Prints a row a set-up; docs/deploy/scaling.md is what it printed once.
 *
 *     deno task bench bench/scaling.ts                all set-ups
 *     deno task bench bench/scaling.ts -- 3 2 1       that of three masters, two APIs and one worker
 *
 * oha plays the buyers, one for each API. All of it shares the cores of one machine, so CPU an order tells more
 * than orders a second: those stop growing where the machine is full.
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { availableParallelism } from "node:os";
import { Router } from "../src/decide/router.ts";
import { allShardKeys } from "../src/redis/keys.ts";
import { startCluster } from "../tools/servers/cluster.ts";
import { type RedisServer, startRedis } from "../tools/servers/redis.ts";
import { dataDir } from "../tools/servers/run_folder.ts";
import { sharedPostgres } from "../tools/servers/shared.ts";
import { waitFor } from "../tools/servers/wait.ts";
import { startStack } from "../tests/system/stack.ts";
import { stockUp } from "../tests/system/ledger_audit.ts";
import { cpuMs, runOha, writeBodies } from "../tools/load/oha.ts";

const only = Deno.args.map(Number);
const orders = 30_000;
const connections = 256;
const shards = 12;
const deadlineMs = 120_000;

interface SetUp {
  readonly masters: number;
  readonly waits: boolean;
  readonly apis: number;
  readonly workers: number;
}

/** SKUs of which each shard has one. */
const skus = Array.from({ length: 100 }, (_, i) => `sku-${i}`).filter((sku, i, all) => {
  const router = new Router(shards);
  return all.findIndex((other) => router.route(other) === router.route(sku)) === i;
});

interface Stores extends AsyncDisposable {
  readonly masters: readonly RedisServer[];
  readonly replicas: readonly RedisServer[];
}

async function startStores({ masters, waits }: SetUp): Promise<Stores> {
  if (masters === 3) {
    const cluster = await startCluster({ replicas: waits ? 1 : 0 });
    const dispose = () => cluster[Symbol.asyncDispose]();
    return {
      masters: cluster.nodes.slice(0, 3),
      replicas: cluster.nodes.slice(3),
      [Symbol.asyncDispose]: dispose,
    };
  }
  await using started = new AsyncDisposableStack();
  const master = started.use(await startRedis());
  const replicas = waits
    ? [started.use(await startRedis({ args: ["--replicaof", `127.0.0.1 ${master.port}`] }))]
    : [];
  const owned = started.move();
  return { masters: [master], replicas, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Shards whose answers wait for a replica. */
async function followed(masters: readonly RedisServer[]): Promise<string[]> {
  const counts = await Promise.all(
    allShardKeys({ namespace: "inventory", shards }).map(async ([meta = ""]) => {
      const owners = masters.map((master) => master.cli("HGET", meta, "replicas").catch(() => "")); // MOVED
      return (await Promise.all(owners)).join("");
    }),
  );
  return counts.filter((count) => count === "1");
}

/** Runs clients against each API. Returns accepted orders and seconds. */
async function rush(urls: readonly string[], run: string): Promise<{ accepted: number; s: number }> {
  const clients = {
    orders: Math.floor(orders / urls.length),
    connections: Math.floor(connections / urls.length),
  };
  const reports = await Promise.all(urls.map(async (url, at) => {
    const bodies = `${await dataDir("bodies")}/bodies`;
    await writeBodies(bodies, { run: `${run}-${at}`, orders: clients.orders, skus });
    return await runOha({ ...clients, url, bodies });
  }));
  const accepted = reports.map(({ statusCodeDistribution }) => statusCodeDistribution["200"] ?? 0);
  return {
    accepted: accepted.reduce((sum, count) => sum + count, 0),
    s: Math.max(...reports.map(({ summary }) => summary.total)),
  };
}

async function total(pids: readonly number[]): Promise<number> {
  let sum = 0;
  for (const ms of await Promise.all(pids.map(cpuMs))) sum += ms ?? NaN;
  return sum;
}

async function measure(setUp: SetUp): Promise<void> {
  await using stores = await startStores(setUp);
  await using stack = await startStack({
    redisUrl: stores.masters.map(({ url }) => url).join(),
    databaseUrl: await sharedPostgres().freshDatabase(),
    apis: setUp.apis,
    workers: setUp.workers,
    env: { SHARDS: String(shards), USER_LIMIT_MS: "0", LOG_LEVEL: "warn" },
  });
  if (setUp.waits) {
    await waitFor(async () => (await followed(stores.masters)).length === shards, {
      deadlineMs,
      what: "replicas that all answers wait for",
    });
  }
  await stockUp(stack.api, new Map(skus.map((sku) => [sku, 1_000_000])));
  const urls = stack.apis.map(({ url }) => url);
  await rush(urls, "warm");

  const parts = {
    api: stack.apis.map(({ pid }) => pid),
    masters: stores.masters.map(({ pid }) => pid),
    replicas: stores.replicas.map(({ pid }) => pid),
    workers: stack.workers.map(({ pid }) => pid),
  };
  const before = await Promise.all(Object.values(parts).map(total));
  const { accepted, s } = await rush(urls, "run");
  const after = await Promise.all(Object.values(parts).map(total));
  const spentMs = after.map((ms, i) => ms - (before[i] ?? NaN));
  const perOrder = spentMs.map((ms) => (ms * 1000 / accepted).toFixed(0).padStart(3));
  const busy = 100 * spentMs.reduce((sum, ms) => sum + ms, 0) / (s * 1000 * availableParallelism());
  const { masters, waits, apis, workers } = setUp;
  const how = `| ${masters} | ${apis} | ${workers} | ${waits ? "on " : "off"}`;
  console.log(
    `${how} | ${Math.round(accepted / s)} | ${perOrder.join(" | ")} | ${busy.toFixed(0)} % of the cores |`,
  );
}

console.log("| masters | APIs | workers | WAIT | orders/s | API | masters | replicas | workers | busy |");
for (const masters of [1, 3]) {
  for (const [apis, workers] of [[1, 1], [2, 1], [3, 1], [2, 2]] as const) {
    if (only.length > 0 && only.join() !== [masters, apis, workers].slice(0, only.length).join()) continue;
    // Alternating, so that what else the machine does meets both alike.
    for (const waits of [false, true, false, true]) await measure({ masters, waits, apis, workers });
  }
}
