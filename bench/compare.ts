/**
 * Compares Holdfast with what could be used in its place, in turns on one machine: every system sells for some seconds,
 * then the next one, and all again in the next round. Read the ratios: absolute values belong to the machine.
 *
 *     deno task bench:compare
 *     deno task bench:compare --rounds=3 --seconds=5 --systems=holdfast,no-worker,gin,bare --json=out.json
 *     deno task bench:compare --stock=10                 sold out at once: refusals are measured
 *     deno task bench:compare --stock=10 --attempt       the same with Order-Attempt: 1
 *     deno task bench:compare --systems=holdfast,before --before=DIR     against another checkout
 *     deno task bench:compare --rate=2000                open loop: latency from when an order was due
 *     deno task bench:compare --client=openloop          closed loop, every answer counted by its reason
 *     deno task bench:compare --systems=no-worker,cluster --against=no-worker     12 shards on three masters
 *     deno task bench:compare --telemetry                1 % of the traces into a Collector, on both sides
 *
 * Needs wrk, and go for the peers of bench/peers. Closed loop on `--connections` (64) unless a `--rate` is named. CPU
 * comes from the system's own accounting of each process, and is divided by accepted orders, or by answers when the
 * stock is small. `--fsync` lets Redis write its file with fsync; `--env=NAME=value,…` are settings of Holdfast.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { parseArgs } from "node:util";
import { runOpenLoop } from "./clients/open_loop.ts";
import type { LoadReport } from "./clients/report.ts";
import { runWrk } from "./clients/wrk.ts";
import { openStoppableRun } from "./experiment.ts";
import { describe, doesAgree, measure, ratiosAgainst, type Row } from "./measure.ts";
import { startCollector } from "./systems/collector.ts";
import { startSystem, systemNames } from "./systems/start.ts";
import type { System } from "./systems/system.ts";

const { values: asked } = parseArgs({
  args: Deno.args,
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "5" },
    connections: { type: "string", default: "64" },
    systems: { type: "string", default: "holdfast,no-worker,gin,bare,postgres" },
    stock: { type: "string", default: "1000000000" },
    skus: { type: "string", default: "100" },
    before: { type: "string", default: "" },
    client: { type: "string", default: "wrk" },
    rate: { type: "string" },
    env: { type: "string", default: "" },
    attempt: { type: "boolean", default: false },
    telemetry: { type: "boolean", default: false },
    fsync: { type: "boolean", default: false },
    against: { type: "string", default: "gin,bare,before,before-no-worker" },
    json: { type: "string" },
  },
});
const names = asked.systems.split(",");
const unknown = names.find((name) => !systemNames.includes(name));
if (unknown !== undefined) throw new TypeError(`--systems has '${unknown}': use some of ${systemNames}`);
const [stock, skus, connections] = [asked.stock, asked.skus, asked.connections].map(Number) as [
  number,
  number,
  number,
];
const env = Object.fromEntries(
  asked.env.split(",").filter(Boolean).map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), pair.slice(at + 1)];
  }),
);
const isSoldOut = stock < 1_000_000;
const isWrk = asked.client === "wrk" && asked.rate === undefined;

function send(url: string, seconds: number, { isCounted }: { isCounted: boolean }): Promise<LoadReport> {
  const load = {
    target: `${url}/api/v1/inventory/deduct`,
    connections,
    seconds,
    skus,
    hasAttempt: asked.attempt,
  };
  return isWrk
    ? runWrk({ ...load, isCounted })
    : runOpenLoop({ ...load, rate: asked.rate === undefined ? undefined : Number(asked.rate) });
}

/** Counts every answer, and compares accepted answers with units that are gone and lines in the ledger. */
async function prove(system: System): Promise<string> {
  const [soldBefore, rowsBefore] = [await system.sold(), await system.rows()];
  const report = await send(system.url, 2, { isCounted: true });
  await system.settled();
  const [sold, rowsAfter] = [await system.sold() - soldBefore, await system.rows()];
  const rows = rowsAfter === null ? null : rowsAfter - (rowsBefore ?? 0);
  // wrk ends without waiting for the answers under way, one a connection at most.
  const agrees = doesAgree(report, { sold, rows, openMax: report.failed + (isWrk ? connections : 0) });
  const applied = rows === null ? "" : `, ${rows} lines in the ledger`;
  const verdict = agrees ? "agrees" : "DOES NOT AGREE";
  return `${JSON.stringify(report.results)}; ${sold} units gone${applied}: ${verdict}`;
}

const folder = await openStoppableRun();
const systems = new Map<string, System>();
const rows = new Map<string, Row[]>(names.map((name) => [name, []]));
let failures = 0;
try {
  await using started = new AsyncDisposableStack();
  const telemetryUrl = asked.telemetry ? started.use(await startCollector()).url : undefined;
  const options = { stock, skus, before: asked.before, telemetryUrl, env, hasFsync: asked.fsync };
  for (const name of names) systems.set(name, started.use(await startSystem(name, options)));
  for (const system of systems.values()) await send(system.url, 3, { isCounted: false }); // compiles what is hot
  for (let round = 0; round < Number(asked.rounds); round++) {
    for (const [name, system] of systems) {
      await system.settled();
      const counting = { byAnswers: isSoldOut, openMax: isWrk ? connections : 0 };
      const row = await measure(
        system,
        () => send(system.url, Number(asked.seconds), { isCounted: false }),
        counting,
      );
      if (row.agrees === false) failures++;
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
const bases = names.filter((name) => asked.against.split(",").includes(name));
const ratios = bases.flatMap((against) => ratiosAgainst(rows, against));
for (
  const [title, some] of Map.groupBy(
    ratios,
    ({ measure, against }) => `${measure.padEnd(22)} against ${against}`,
  )
) {
  const each = some.map(({ system, median, low, high }) =>
    `${system} ${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`
  );
  console.log(`${title}: ${each.join(", ")}`);
}
if (asked.json) {
  const { json: _, before: __, ...said } = asked; // a result names no place of this machine
  await Deno.writeTextFile(
    asked.json,
    JSON.stringify({ asked: said, rows: Object.fromEntries(rows), ratios }, null, 2),
  );
}
Deno.exit(failures === 0 ? 0 : 1);
