/**
 * What telemetry costs: two deployments on the same servers, one that tells nothing and one that tells all it does at
 * 1 %, and the same buyers at full load on one after the other, off and on in turn.
 *
 *     deno task bench bench/telemetry_cost.ts                      4 rounds of 100,000 orders
 *     deno task bench bench/telemetry_cost.ts -- 8 200000
 *
 * The last line is the bargain: throughput at least 0.90, CPU an order at most 1.10 times.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { withConnection } from "../tools/servers/database.ts";
import { dataDir } from "../tools/servers/run_folder.ts";
import { freshNamespace, sharedPostgres, sharedRedis } from "../tools/servers/shared.ts";
import { waitFor } from "../tools/servers/wait.ts";
import { startStack } from "../tests/system/stack.ts";
import { cpuMs, runOha, writeBodies } from "../tools/load/oha.ts";

const [rounds = 4, orders = 100_000] = Deno.args.filter((arg) => /^\d+$/.test(arg)).map(Number);
const connections = 64;
const skus = Array.from({ length: 100 }, (_, i) => `SKU_${i}`);
// What runs once in a hundred orders is compiled late.
const warmUpOrders = 60_000;

interface Cost {
  readonly ordersPerS: number;
  readonly apiUs: number;
  readonly workerUs: number;
}

/** Reads what comes and keeps nothing: a Collector's work is not ours. */
function startSink(): Deno.HttpServer<Deno.NetAddr> & { bytes: number } {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    sink.bytes += (await request.bytes()).length;
    return new Response();
  });
  const sink = Object.assign(server, { bytes: 0 });
  return sink;
}

async function startDeployment(env: Record<string, string>) {
  const databaseUrl = await sharedPostgres().freshDatabase();
  const namespace = freshNamespace();
  const stack = await startStack({
    redisUrl: sharedRedis().url,
    databaseUrl,
    env: { NAMESPACE: namespace, LOG_LEVEL: "warn", USER_LIMIT_MS: "0", ...env },
  });
  for (const sku of skus) {
    await stack.api.post(`/api/v1/inventory/${sku}/adjustments`, { adjustment_id: "a", delta: 1_000_000 });
  }
  return { stack, databaseUrl, namespace };
}

type Deployment = Awaited<ReturnType<typeof startDeployment>>;

async function measure({ stack, databaseUrl, namespace }: Deployment, count: number): Promise<Cost> {
  const { api, worker } = stack;
  const run = crypto.randomUUID().slice(0, 8);
  const bodies = `${await dataDir("bodies")}/bodies`;
  await writeBodies(bodies, { run, orders: count, skus });
  const before = await Promise.all([cpuMs(api.pid), cpuMs(worker.pid)]);
  const report = await runOha({ url: api.url, orders: count, connections, bodies });
  if (report.statusCodeDistribution["200"] !== count) {
    throw new Error(
      `Cannot compare as not all were accepted: ${JSON.stringify(report.statusCodeDistribution)}`,
    );
  }
  await withConnection(databaseUrl, (sql) =>
    waitFor(async () => {
      const [row] = await sql`
        select (select count(*)::int from ${
        sql(namespace)
      }.order_lines where order_id like ${`${run}-%`}) as applied,
          (select notes.noted_head - notes.seq from ${sql(namespace)}.log_cursor as notes) as lag`;
      return row?.applied > count / 2 && row?.lag <= 0;
    }, { deadlineMs: 120_000, what: "the ledger" }));
  const after = await Promise.all([cpuMs(api.pid), cpuMs(worker.pid)]);
  const [apiUs = 0, workerUs = 0] = after.map((ms, i) => ((ms ?? 0) - (before[i] ?? 0)) * 1000 / count);
  return { ordersPerS: report.summary.requestsPerSec, apiUs, workerUs };
}

/** Of a machine that does other things, too, a mean says how much it did them. */
function median(costs: readonly Cost[], of: (cost: Cost) => number): number {
  const sorted = costs.map(of).toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = 0, high = 0] = [sorted[sorted.length - 1 - middle], sorted[middle]];
  return (low + high) / 2;
}

await using started = new AsyncDisposableStack();
const sink = startSink();
const off = await startDeployment({});
started.use(off.stack);
const on = await startDeployment({ OTLP_ENDPOINT: `http://127.0.0.1:${sink.addr.port}` });
started.use(on.stack);

for (const deployment of [off, on]) await measure(deployment, warmUpOrders);
const costs: Record<"off" | "on", Cost[]> = { off: [], on: [] };
for (let round = 0; round < rounds; round++) {
  // off on, on off: a machine that slows down slows both.
  for (const state of round % 2 === 0 ? ["off", "on"] as const : ["on", "off"] as const) {
    const cost = await measure(state === "off" ? off : on, orders);
    costs[state].push(cost);
    console.log(
      `${state.padEnd(3)} ${Math.round(cost.ordersPerS)} orders/s, CPU an order: API ${
        cost.apiUs.toFixed(1)
      } us, ` +
        `worker ${cost.workerUs.toFixed(1)} us`,
    );
  }
}
const ratio = (of: (cost: Cost) => number) => (median(costs.on, of) / median(costs.off, of)).toFixed(3);
console.log(`${sink.bytes} bytes of telemetry`);
console.log(
  `on against off: throughput ${ratio(({ ordersPerS }) => ordersPerS)}, CPU an order: API ` +
    `${ratio(({ apiUs }) => apiUs)}, worker ${ratio(({ workerUs }) => workerUs)}, both ` +
    ratio(({ apiUs, workerUs }) => apiUs + workerUs),
);
await started.disposeAsync();
await sink.shutdown();
