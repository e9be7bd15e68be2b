/**
 * `deno task load`: a crowd of buyers, played by oha, against a system that runs or one that is started for it.
 *
 *     deno task load                                   the embedded default, started in a folder of its own
 *     REDIS_URL=… DATABASE_URL=… deno task load        an API and a worker, started on these servers
 *     deno task load --url=http://127.0.0.1:8080       whatever runs there; API_TOKEN is sent when it is set
 *
 *     --orders=100000 --connections=64 --skus=100 --stock=1000000
 *
 * Accepted, refused and failed are counted apart, and the last line is an audit: units that are gone against
 * units that were said to be sold. oha draws its bodies at random, so that some orders come twice, as retries do:
 * those are accepted answers that take no unit.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- this is the command that prints for the user
import { parseArgs } from "node:util";
import { withConnection } from "../tests/servers/database.ts";
import { dataDir, openRun } from "../tests/servers/run_folder.ts";
import { waitFor } from "../tests/servers/wait.ts";
import { Service } from "../tests/system/stack.ts";
import { cpuMs, runOha, writeBodies } from "./oha.ts";

const bookedDeadlineMs = 60_000;

const { values } = parseArgs({
  options: {
    url: { type: "string" },
    orders: { type: "string", default: "100000" },
    connections: { type: "string", default: "64" },
    skus: { type: "string", default: "100" },
    stock: { type: "string", default: "1000000" },
  },
});
const orders = count("orders", 10_000_000);
const connections = count("connections", 10_000);
const stock = count("stock", 1_000_000_000);
// SKUs of this run alone, so that nothing that others sell disturbs the audit.
const run = crypto.randomUUID().slice(0, 8);
const skus = Array.from({ length: count("skus", 10_000) }, (_, i) => `load-${run}-${i}`);

function count(name: keyof typeof values, max: number): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  console.error(`Cannot use --${name}: must be an integer in 1..${max}: current value is '${values[name]}'`);
  Deno.exit(2);
}

/** A system under load; `processes` are ours, so that their CPU can be told. */
interface System extends AsyncDisposable {
  readonly url: string;
  readonly processes: Readonly<Record<string, number>>;
}

async function startSystem(): Promise<System> {
  if (values.url !== undefined) {
    return { url: values.url.replace(/\/$/, ""), processes: {}, async [Symbol.asyncDispose]() {} };
  }
  await using started = new AsyncDisposableStack();
  const [redisUrl, databaseUrl] = [Deno.env.get("REDIS_URL"), Deno.env.get("DATABASE_URL")];
  if (redisUrl !== undefined && databaseUrl === undefined) {
    console.error("Cannot start a system on REDIS_URL without DATABASE_URL: no worker would arm it");
    Deno.exit(2);
  }
  const env: Record<string, string> = redisUrl && databaseUrl
    ? { REDIS_URL: redisUrl, DATABASE_URL: databaseUrl }
    : { DATA_DIR: await dataDir("load"), DEMO_STOCK: "0" };
  const api = started.use(await Service.start("api", { ...env, LOG_LEVEL: "warn" }));
  const worker = redisUrl ? started.use(await Service.start("worker", { ...env, LOG_LEVEL: "warn" })) : null;
  await api.ready(30_000);
  const owned = started.move();
  return {
    url: api.url,
    processes: { API: api.pid, ...worker ? { worker: worker.pid } : {} },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const token = Deno.env.get("API_TOKEN");
const headers: Record<string, string> = {
  "content-type": "application/json",
  ...token ? { authorization: `Bearer ${token}` } : {},
};

async function stockUp(url: string): Promise<void> {
  await eachSku(async (sku) => {
    const body = JSON.stringify({ adjustment_id: `load-${run}`, delta: stock });
    const response = await fetch(`${url}/api/v1/inventory/${sku}/adjustments`, {
      method: "POST",
      headers,
      body,
    });
    if (response.status !== 201) throw new Error(`Cannot stock ${sku}: ${await response.text()}`);
    await response.body?.cancel();
  });
}

async function unitsGone(url: string): Promise<number> {
  let gone = 0;
  await eachSku(async (sku) => {
    const response = await fetch(`${url}/api/v1/inventory/${sku}`, { headers });
    const { available } = await response.json();
    gone += stock - available;
  });
  return gone;
}

/** Waits until as many orders of this run are booked as units are gone; says how many at the end of its patience. */
async function unitsBooked(databaseUrl: string, gone: number): Promise<number> {
  const schema = Deno.env.get("NAMESPACE") || "inventory";
  return await withConnection(databaseUrl, async (sql) => {
    let booked = 0;
    await waitFor(async () => {
      const [row] = await sql`
        select count(*)::int as count from ${sql(schema)}.order_lines where order_id like ${`${run}-%`}`;
      booked = row?.count ?? 0;
      return booked >= gone;
    }, { deadlineMs: bookedDeadlineMs, what: "the ledger" }).catch(() => {});
    return booked;
  });
}

/** 32 at a time. */
async function eachSku(visit: (sku: string) => Promise<void>): Promise<void> {
  for (let first = 0; first < skus.length; first += 32) {
    await Promise.all(skus.slice(first, first + 32).map(visit));
  }
}

/** Answers whose status code is wanted, or all of them. */
function sum(counts: Readonly<Record<string, number>>, wanted = (_code: number) => true): number {
  return Object.entries(counts).reduce((n, [code, some]) => wanted(Number(code)) ? n + some : n, 0);
}

const folder = await openRun();
let agreed = false;
try {
  await using system = await startSystem();
  await stockUp(system.url);
  const bodies = `${folder.dir}/bodies`;
  await writeBodies(bodies, { run, orders, skus });
  const before = await Promise.all(
    Object.entries(system.processes).map(async ([name, pid]) => [name, pid, await cpuMs(pid)] as const),
  );
  const { "content-type": _, ...others } = headers;
  const report = await runOha({ url: system.url, orders, connections, bodies, headers: others });
  const { statusCodeDistribution: codes, errorDistribution: errors, metrics, summary } = report;
  const accepted = sum(codes, (code) => code === 200);
  const refused = sum(codes, (code) => code >= 400 && code < 500);
  const failed = sum(codes, (code) => code >= 500) + sum(errors);
  const { p50, p95, p99, max } = metrics.latency_ms;

  console.log(
    `${orders} orders on ${connections} connections to ${system.url}: ${summary.total.toFixed(1)} s`,
  );
  console.log(`accepted ${accepted}, refused ${refused}, failed ${failed}`, codes, errors);
  console.log(
    `${Math.round(summary.requestsPerSec)} orders/s; ms: p50 ${p50}, p95 ${p95}, p99 ${p99}, max ${max}`,
  );
  for (const [name, pid, startMs] of before) {
    const endMs = await cpuMs(pid);
    if (startMs === undefined || endMs === undefined || accepted === 0) continue;
    console.log(
      `CPU of the ${name}: ${((endMs - startMs) * 1000 / accepted).toFixed(1)} µs an accepted order`,
    );
  }
  const gone = await unitsGone(system.url);
  console.log(
    `units gone ${gone}, of ${accepted} accepted answers ${accepted - gone} to repeats of an order`,
  );
  agreed = gone <= accepted + failed; // an order without an answer may have taken its unit
  const databaseUrl = Deno.env.get("DATABASE_URL");
  if (databaseUrl !== undefined) {
    const booked = await unitsBooked(databaseUrl, gone);
    console.log(`units booked ${booked}`);
    agreed &&= booked === gone;
  }
  console.log(agreed ? "the books agree" : "THE BOOKS DO NOT AGREE");
} finally {
  await folder.close();
}
Deno.exit(agreed ? 0 : 1);
