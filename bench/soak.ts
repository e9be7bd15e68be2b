/**
 * Holdfast under load for a long time, at a share of its capacity: memory, descriptors, lag and p99 every 10 seconds,
 * and a failure when one of them rises. Not a part of the tests: it takes as long as it is asked to.
 *
 *     deno task soak --minutes=30
 *     deno task soak --minutes=30 --share=0.7 --json=docs/plots/soak.json      deno task bench:plots draws it
 *     deno task soak --minutes=5 --rate=2000
 *
 * Orders are remembered for a minute here (IDEMPOTENCY_WINDOW_S=60), so that Redis reaches its full size at once and
 * not in a day.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { parseArgs } from "node:util";
import { runOpenLoop } from "./clients/open_loop.ts";
import { openStoppableRun, plenty, targetOf } from "./experiment.ts";
import { startHoldfast } from "./systems/holdfast.ts";
import type { System } from "./systems/system.ts";
import { rising, type Sample } from "./trends.ts";

const { values: asked } = parseArgs({
  args: Deno.args,
  options: {
    minutes: { type: "string", default: "30" },
    share: { type: "string", default: "0.7" },
    rate: { type: "string" },
    connections: { type: "string", default: "64" },
    json: { type: "string" },
  },
});
const [minutes, share, connections] = [asked.minutes, asked.share, asked.connections].map(Number) as [
  number,
  number,
  number,
];
if (!(minutes > 0 && share > 0 && share < 1 && connections >= 1)) {
  throw new TypeError("--minutes and --connections must be above 0, --share between 0 and 1");
}
const sampleS = 10;
const bytesPerMiB = 2 ** 20;

/** Orders a second at full load, after code is compiled. */
async function capacityOf(system: System): Promise<number> {
  const load = { target: targetOf(system), connections, skus: 100 };
  await runOpenLoop({ ...load, seconds: 10 });
  await system.settled();
  const startedMs = performance.now();
  const { results } = await runOpenLoop({ ...load, seconds: 10 });
  await system.settled(); // what the ledger cannot keep up with is no capacity
  return (results?.accepted ?? 0) * 1000 / (performance.now() - startedMs);
}

async function sample(system: System, rate: number, startedMs: number): Promise<Sample> {
  const report = await runOpenLoop({
    target: targetOf(system),
    connections,
    skus: 100,
    seconds: sampleS,
    rate,
  });
  const [{ memoryBytes, descriptors = {} }, lag] = [await system.usage(), await system.lag()];
  const accepted = report.results?.accepted ?? 0;
  return {
    atS: Math.round((performance.now() - startedMs) / 1000),
    apiMiB: (memoryBytes.API ?? 0) / bytesPerMiB,
    workerMiB: (memoryBytes.worker ?? 0) / bytesPerMiB,
    redisMiB: (memoryBytes.Redis ?? 0) / bytesPerMiB,
    apiDescriptors: descriptors.API ?? 0,
    workerDescriptors: descriptors.worker ?? 0,
    lag: lag ?? 0,
    p99Ms: report.ms["99"] ?? NaN,
    perSecond: accepted / report.seconds,
    due: report.offered,
    failed: report.offered - accepted,
  };
}

const folder = await openStoppableRun();
let problems: string[];
const samples: Sample[] = [];
try {
  const env = { IDEMPOTENCY_WINDOW_S: "60" };
  await using system = await startHoldfast({ stock: plenty, skus: 100, before: "", env }, {
    hasWorker: true,
  });
  const rate = Number(asked.rate ?? await capacityOf(system) * share);
  console.log(`${minutes} minutes at ${Math.round(rate)} orders a second`);
  const startedMs = performance.now();
  while (performance.now() - startedMs < minutes * 60_000) {
    const taken = await sample(system, rate, startedMs);
    samples.push(taken);
    console.log(
      JSON.stringify(taken, (_, value) => typeof value === "number" ? Math.round(value * 10) / 10 : value),
    );
  }
  await system.settled();
  const [sold, rows] = [await system.sold(), await system.rows()];
  problems = rising(samples);
  if (sold !== rows) problems.push(`${sold} units were sold and the ledger has ${rows} lines`);
} finally {
  await folder.close();
}
const { json, ...said } = asked; // a result names no place of this machine
if (json) await Deno.writeTextFile(json, `${JSON.stringify({ asked: said, samples }, null, 2)}\n`);
for (const problem of problems) console.error(problem);
console.log(problems.length === 0 ? "flat" : "NOT FLAT");
Deno.exit(problems.length === 0 ? 0 : 1);
