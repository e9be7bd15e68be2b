/**
 * Compares Holdfast with what could be used in its place, in turns on one machine: every system sells for some seconds,
 * then the next one, and all again in the next round. Read the ratios: absolute values belong to the machine.
 *
 *     deno task bench:compare
 *     deno task bench:compare --rounds=3 --seconds=5 --systems=holdfast,no-worker,gin,bare --json=out.json
 *     deno task bench:compare --stock=10                 sold out at once: refusals are measured
 *     deno task bench:compare --stock=10 --attempt       the same with Order-Attempt: 1
 *     deno task bench:compare --systems=holdfast,before --before=DIR     against another checkout
 *
 * Needs wrk, and go for the peers of bench/peers. Closed loop on `--connections` (64). CPU comes from the system's own
 * accounting of each process, and is divided by accepted orders, or by answers when the stock is small.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { parseArgs } from "node:util";
import { openRun } from "../tools/servers/run_folder.ts";
import { median, startSystem, type System, systemNames } from "./compare_systems.ts";

const { values: asked } = parseArgs({
  args: Deno.args,
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "5" },
    connections: { type: "string", default: "64" },
    systems: { type: "string", default: "holdfast,no-worker,gin,bare,postgres" },
    stock: { type: "string", default: "1000000000" },
    before: { type: "string", default: "" },
    attempt: { type: "boolean", default: false },
    json: { type: "string" },
  },
});
const names = asked.systems.split(",");
const unknown = names.find((name) => !systemNames.includes(name));
if (unknown !== undefined) throw new TypeError(`--systems has '${unknown}': use some of ${systemNames}`);
const stock = Number(asked.stock);
const isSoldOut = stock < 1_000_000;

interface Report {
  readonly requests: number;
  readonly seconds: number;
  readonly not2xx: number;
  readonly failed: number;
  readonly ms: Readonly<Record<string, number>>;
  readonly results: Readonly<Record<string, number>>;
}

/** One run of one system. */
interface Row {
  readonly perSecond: number;
  readonly accepted: number;
  readonly report: Report;
  /** CPU of each process, µs an accepted order (or answer, when sold out). */
  readonly cpuUs: Readonly<Record<string, number>>;
}

/** Sends orders for some seconds. `isCounted` reads every answer. */
async function send(url: string, seconds: number, { isCounted }: { isCounted: boolean }): Promise<Report> {
  const script = new URL("peers/load.lua", import.meta.url).pathname;
  const { stdout, stderr, code } = await new Deno.Command("wrk", {
    args: ["-t1", `-c${asked.connections}`, `-d${seconds}s`, "-s", script, `${url}/api/v1/inventory/deduct`],
    env: { COUNT: isCounted ? "1" : "0", ATTEMPT: asked.attempt ? "1" : "0" },
  }).output();
  const text = new TextDecoder().decode(stdout).trim();
  if (code !== 0) throw new Error(`wrk ended with code ${code}: ${new TextDecoder().decode(stderr)}`);
  return JSON.parse(text.slice(text.lastIndexOf("\n") + 1));
}

async function measure(system: System): Promise<Row> {
  const [goneBefore, before] = [await system.gone(), await system.cpuMs()];
  const report = await send(system.url, Number(asked.seconds), { isCounted: false });
  await system.settled(); // what the ledger still has to do belongs to these orders
  const after = await system.cpuMs();
  const accepted = system.sells ? await system.gone() - goneBefore : report.requests;
  const counted = isSoldOut ? report.requests : accepted;
  const cpuUs = Object.fromEntries(
    Object.entries(after).map(([name, ms]) => [name, (ms - (before[name] ?? 0)) * 1000 / counted]),
  );
  return { perSecond: counted / report.seconds, accepted, report, cpuUs };
}

/** Counts every answer, and compares accepted answers with units that are gone and lines in the ledger. */
async function prove(system: System): Promise<string> {
  const goneBefore = await system.gone();
  const rowsBefore = await system.rows();
  const { results } = await send(system.url, 2, { isCounted: true });
  await system.settled();
  const [gone, rows] = [await system.gone() - goneBefore, (await system.rows() ?? 0) - (rowsBefore ?? 0)];
  const accepted = results.accepted ?? 0;
  // wrk ends without waiting for the answers under way, one a connection at most.
  const open = gone - accepted;
  const agrees = open >= 0 && open <= Number(asked.connections) && (rowsBefore === null || rows === gone);
  const applied = rowsBefore === null ? "" : `, ${rows} lines in the ledger`;
  return `${JSON.stringify(results)}; ${gone} units gone${applied}: ${agrees ? "agrees" : "DOES NOT AGREE"}`;
}

const folder = await openRun();
const systems = new Map<string, System>();
const rows = new Map<string, Row[]>(names.map((name) => [name, []]));
let failures = 0;
try {
  await using started = new AsyncDisposableStack();
  for (const name of names) systems.set(name, started.use(await startSystem(name, stock, asked.before)));
  for (const system of systems.values()) await send(system.url, 3, { isCounted: false }); // compiles what is hot
  for (let round = 0; round < Number(asked.rounds); round++) {
    for (const [name, system] of systems) {
      const row = await measure(system);
      rows.get(name)?.push(row);
      console.log(`round ${round + 1} ${name.padEnd(10)} ${describe(row)}`);
    }
  }
  if (!isSoldOut) {
    for (const [name, system] of systems) {
      if (!system.sells) continue;
      const proof = await prove(system);
      if (proof.includes("NOT")) failures++;
      console.log(`answers of ${name}: ${proof}`);
    }
  }
} finally {
  await folder.close();
}
printRatios();
if (asked.json) {
  await Deno.writeTextFile(asked.json, JSON.stringify({ asked, rows: Object.fromEntries(rows) }, null, 2));
}
Deno.exit(failures === 0 ? 0 : 1);

function describe({ perSecond, accepted, report, cpuUs }: Row): string {
  const cpu = Object.entries(cpuUs).map(([name, us]) => `${name} ${us.toFixed(1)}`).join(", ");
  const { "50": p50, "99": p99, "99.9": p999 } = report.ms;
  const counts = `accepted ${accepted}, not 2xx ${report.not2xx}, failed ${report.failed}`;
  return `${Math.round(perSecond)}/s; ${counts}; ms p50 ${p50} p99 ${p99} p99.9 ${p999}; µs ${cpu}`;
}

/** Each system against the baseline and against the floor: the median of the rounds, and their spread. */
function printRatios(): void {
  const of = (name: string, measure: (row: Row) => number) => (rows.get(name) ?? []).map(measure);
  const front = ({ cpuUs }: Row) => (cpuUs.API ?? 0) + (cpuUs.Redis ?? 0);
  const whole = ({ cpuUs }: Row) => Object.values(cpuUs).reduce((sum, us) => sum + us, 0);
  const measures: Record<string, (row: Row) => number> = {
    "orders a second": ({ perSecond }) => perSecond,
    "p99": ({ report }) => report.ms["99"] ?? 0,
    "CPU of the API": ({ cpuUs }) => cpuUs.API ?? 0,
    "CPU of Redis": ({ cpuUs }) => cpuUs.Redis ?? 0,
    "CPU of API + Redis": front,
    "CPU of all processes": whole,
  };
  for (
    const against of names.filter((name) => ["gin", "bare", "before", "before-no-worker"].includes(name))
  ) {
    for (const [measure, read] of Object.entries(measures)) {
      const base = of(against, read);
      if (!base.some((value) => value > 0)) continue;
      const ratios = names.filter((name) => name !== against).map((name) => {
        const each = of(name, read).map((value, i) => value / (base[i] ?? NaN));
        const [low, high] = [Math.min(...each), Math.max(...each)];
        return `${name} ${median(each).toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
      });
      console.log(`${measure.padEnd(22)} against ${against}: ${ratios.join(", ")}`);
    }
  }
}
