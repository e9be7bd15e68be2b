/**
 * `deno task load`: load of many buyers with oha, against a running system or one that is started for it.
 *
 * Accepted, refused and failed are counted apart, and the last line is an audit: units that are gone against
 * units that were said to be sold. oha draws its bodies at random, so that some orders come twice, as retries do:
 * those are accepted answers that take no unit.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- this is the command that prints for the user
import { parseArgs } from "node:util";
import { openRun } from "../servers/run_folder.ts";
import { LoadError, LoadStock, startSystem, type System, unitsApplied } from "./load_system.ts";
import { findProgram } from "../servers/install.ts";
import { cpuMs, type OhaReport, runOha, writeBodies } from "./oha.ts";

const help = `Load of many buyers on a running system, or on one that is started for it. Needs oha.

  deno task load                                   the embedded default, started in a new directory
  REDIS_URL=… DATABASE_URL=… deno task load        an API and a worker with the settings of the environment (SHARDS, …)
  deno task load --url=http://127.0.0.1:8080       a running API; sends API_TOKEN if it is set

  --orders=100000       number of orders
  --connections=64      concurrent connections
  --rate=N              orders a second; unset = as fast as responses arrive
  --skus=100            SKUs, created for this run
  --stock=1000000       units of each SKU
  --help

Exit codes: 0 store and ledger agree; 1 they differ, or the run failed; 2 invalid arguments; 130 stopped.
The started processes are stopped, their directory is removed, and the SKUs of the run end without units.`;

const bounds = {
  orders: 10_000_000,
  connections: 10_000,
  rate: 1_000_000,
  skus: 10_000,
  stock: 1_000_000_000,
};

interface Asked {
  readonly url: string | undefined;
  readonly orders: number;
  readonly connections: number;
  readonly rate: number | undefined;
  readonly skus: number;
  readonly stock: number;
}

/** Reads the arguments; a text is what to print instead of running. */
function readArgs(args: readonly string[]): Asked | string {
  const { values } = parseArgs({
    args: [...args],
    options: {
      url: { type: "string" },
      orders: { type: "string", default: "100000" },
      connections: { type: "string", default: "64" },
      rate: { type: "string" },
      skus: { type: "string", default: "100" },
      stock: { type: "string", default: "1000000" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return help;
  const count = (name: keyof typeof bounds) => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= 1 && value <= bounds[name]) return value;
    throw new TypeError(`--${name} must be an integer in 1..${bounds[name]}: it is '${values[name]}'`);
  };
  if (values.url !== undefined && !/^https?:$/.test(URL.parse(values.url)?.protocol ?? "")) {
    throw new TypeError(`--url must be an address such as http://127.0.0.1:8080: it is '${values.url}'`);
  }
  return {
    url: values.url,
    orders: count("orders"),
    connections: count("connections"),
    rate: values.rate === undefined ? undefined : count("rate"),
    skus: count("skus"),
    stock: count("stock"),
  };
}

/** Sends the orders and audits them; removes the stock again, however it ends. Returns whether the ledger agree. */
async function load(asked: Asked, dir: string, { signal, stopped }: StopRequest): Promise<boolean> {
  await using system = await Promise.race([startSystem(asked.url), stopped]);
  // SKUs of this run alone, so that nothing that others sell disturbs the audit.
  const run = crypto.randomUUID().slice(0, 8);
  const skus = Array.from({ length: asked.skus }, (_, i) => `load-${run}-${i}`);
  const token = Deno.env.get("API_TOKEN");
  const authorization = token ? { authorization: `Bearer ${token}` } : {};
  const headers = { "content-type": "application/json", ...authorization };
  const stock = new LoadStock(system.url, headers, run, skus, asked.stock);
  try {
    await Promise.race([stock.make(), stopped]);
    const bodies = `${dir}/bodies`;
    await writeBodies(bodies, { run, orders: asked.orders, skus });
    const before = await cpuOf(system);
    const { url, processes } = system;
    const clients = {
      url,
      orders: asked.orders,
      connections: asked.connections,
      bodies,
      headers: authorization,
    };
    const args = asked.rate === undefined ? [] : ["-q", String(asked.rate), "--latency-correction"];
    const report = await Promise.race([runOha({ ...clients, args, signal }), stopped]);
    const answers = print(asked, system, report);
    for (const [name, startMs] of before) {
      const endMs = await cpuMs(processes[name] ?? 0);
      if (startMs === undefined || endMs === undefined || answers.accepted === 0) continue;
      const us = ((endMs - startMs) * 1000 / answers.accepted).toFixed(1);
      console.log(`CPU of the ${name}: ${us} µs an accepted order`);
    }
    return await audit(stock, run, answers);
  } finally {
    const left = await stock.remove().catch(() => skus.length);
    if (left > 0) {
      console.error(`${left} SKUs named load-${run}-… still have units, as they cannot be reached`);
    }
  }
}

async function cpuOf({ processes }: System): Promise<(readonly [string, number | undefined])[]> {
  return await Promise.all(
    Object.entries(processes).map(async ([name, pid]) => [name, await cpuMs(pid)] as const),
  );
}

interface Answers {
  readonly accepted: number;
  readonly failed: number;
}

function print({ orders, connections, rate }: Asked, { url }: System, report: OhaReport): Answers {
  const { statusCodeDistribution: codes, errorDistribution: errors, metrics, summary } = report;
  const accepted = sum(codes, (code) => code === 200);
  const refused = sum(codes, (code) => code >= 400 && code < 500);
  const failed = sum(codes, (code) => code >= 500) + sum(errors);
  const { p50, p95, p99, max } = metrics.latency_ms;
  const paced = rate === undefined ? "" : `, ${rate} a second`;
  console.log(
    `${orders} orders on ${connections} connections to ${url}${paced}: ${summary.total.toFixed(1)} s`,
  );
  console.log(`accepted ${accepted}, refused ${refused}, failed ${failed}`, codes, errors);
  const perSecond = Math.round(summary.requestsPerSec);
  console.log(`${perSecond} orders/s; ms: p50 ${p50}, p95 ${p95}, p99 ${p99}, max ${max}`);
  return { accepted, failed };
}

async function audit(stock: LoadStock, run: string, { accepted, failed }: Answers): Promise<boolean> {
  const gone = await stock.gone();
  console.log(
    `units gone ${gone}, of ${accepted} accepted answers ${accepted - gone} to repeats of an order`,
  );
  let agreed = gone <= accepted + failed; // an order without an answer may have taken its unit
  const databaseUrl = Deno.env.get("DATABASE_URL");
  if (databaseUrl) {
    const applied = await unitsApplied(databaseUrl, run, gone);
    console.log(`units applied ${applied}`);
    agreed &&= applied === gone;
  }
  console.log(agreed ? "store and ledger agree" : "STORE AND LEDGER DIFFER");
  return agreed;
}

/** Answers whose status code is wanted, or all of them. */
function sum(counts: Readonly<Record<string, number>>, wanted = (_code: number) => true): number {
  return Object.entries(counts).reduce((n, [code, some]) => wanted(Number(code)) ? n + some : n, 0);
}

interface StopRequest {
  /** Rejects when the run is to end early. */
  readonly stopped: Promise<never>;
  /** Aborted at the same time. */
  readonly signal: AbortSignal;
}

/** Takes the first SIGINT, SIGTERM or SIGHUP; later ones find the end under way. */
function stopRequest(): StopRequest {
  const controller = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => {
      reject(new LoadError(`Stopped by ${signal}`));
      controller.abort();
    });
  }
  promise.catch(() => {}); // it may come when nothing waits for it
  return { stopped: promise, signal: controller.signal };
}

async function main(): Promise<number> {
  let asked: Asked | string;
  try {
    asked = readArgs(Deno.args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n'deno task load --help' says more`);
    return 2;
  }
  if (typeof asked === "string") {
    console.log(asked);
    return 0;
  }
  if (findProgram("oha", "oha") === undefined) {
    console.error("Cannot find oha: install it with\n  cargo install oha --locked");
    return 2;
  }
  const stop = stopRequest();
  const folder = await openRun();
  try {
    return await load(asked, folder.dir, stop) ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return error instanceof LoadError && error.message.startsWith("Stopped") ? 130 : 1;
  } finally {
    await folder.close();
  }
}

Deno.exit(await main());
