/**
 * Loads of other shapes, in turns: one hot SKU against 10,000, few against many connections, a rush on few units with
 * retries, and one long run.
 *
 *     deno run -A bench/shapes.ts
 *     deno run -A bench/shapes.ts --rush=1000000 --long=60 --rounds=3 --json=shapes.json
 *
 * `--rush` orders, 5 % of them repetitions, want 1,000 units; `--long` is the length of the run on 1,000 connections.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { runOpenLoop } from "./clients/open_loop.ts";
import { runWrk } from "./clients/wrk.ts";
import { readOptions, runExperiment, type Start, targetOf } from "./experiment.ts";
import { describe, measure, type Row, spreadOf } from "./measure.ts";
import type { System } from "./systems/system.ts";

const options = readOptions(
  Deno.args,
  { systems: "no-worker,gin", seconds: 4, rounds: 3 },
  { rush: 100_000, long: 60, hot: 10_000, many: 10_000 },
);
const { rush = 0, long = 0, hot = 0, many = 0 } = options.numbers;
/** The API closes connections above CONNECTIONS_MAX, which is 10,000 by default. */
const env = { CONNECTIONS_MAX: "20000", QUEUE_MAX: "50000" };

/** One load by name: which SKUs on how many connections. */
interface Shape {
  readonly name: string;
  readonly skus: number;
  readonly connections: number;
}

const shapes: readonly Shape[] = [
  { name: "1 SKU", skus: 1, connections: 64 },
  { name: "100 SKUs", skus: 100, connections: 64 },
  { name: `${hot} SKUs`, skus: hot, connections: 64 },
  { name: `${many} connections`, skus: 100, connections: many },
];

function run(system: System, { skus, connections }: Shape, seconds: number): Promise<Row> {
  const load = { target: targetOf(system), connections, seconds, skus, hasAttempt: false, isCounted: false };
  return measure(system, () => runWrk(load), { byAnswers: false, openMax: connections });
}

/** Answers a second when 1,000 units are wanted by `--rush` orders. */
async function rushOn(start: Start, name: string) {
  await using system = await start(name, { stock: 10, env });
  const report = await runOpenLoop({
    target: targetOf(system),
    connections: 64,
    seconds: 1,
    skus: 100,
    requests: rush,
    retries: 5,
  });
  await system.settled();
  const sold = await system.sold();
  const agrees = sold <= 1000 && sold >= (report.results?.accepted ?? 0);
  console.log(
    `rush ${name}: ${Math.round(report.requests / report.seconds)}/s, ${sold} units sold, ` +
      `${JSON.stringify(report.results)}, failed ${report.failed}: ${agrees ? "agrees" : "DOES NOT AGREE"}`,
  );
  return {
    perSecond: report.requests / report.seconds,
    sold,
    results: report.results,
    ms: report.ms,
    agrees,
  };
}

await runExperiment(options, async (start) => {
  await using all = new AsyncDisposableStack();
  const systems = new Map<string, System>();
  for (const name of options.systems) systems.set(name, all.use(await start(name, { skus: hot, env })));
  const rows: Record<string, Record<string, Row[]>> = {};
  for (let round = 0; round <= options.rounds; round++) {
    for (const shape of shapes) {
      for (const [name, system] of systems) {
        const row = await run(system, shape, options.seconds);
        if (round === 0) continue; // compiles what is hot
        ((rows[name] ??= {})[shape.name] ??= []).push(row);
        console.log(`round ${round} ${name} ${shape.name}: ${describe(row)}`);
      }
    }
  }
  const against = Object.fromEntries(
    options.systems.map((name) => [name, comparedWithBest(rows[name] ?? {})]),
  );
  console.log(`orders a second against the best shape of the round: ${JSON.stringify(against)}`);
  const longRun: Record<string, Row> = {};
  for (const [name, system] of systems) {
    longRun[name] = await run(system, { name: "long", skus: 100, connections: 1000 }, long);
    console.log(`-c1000 -d${long}s ${name}: ${describe(longRun[name])}`);
  }
  const rushes: Record<string, Awaited<ReturnType<typeof rushOn>>> = {};
  for (const name of options.systems) rushes[name] = await rushOn(start, name);
  return { rows, against, longRun, rush: rushes };
});

/** Each shape's orders a second against the fastest shape of the same round. */
function comparedWithBest(own: Readonly<Record<string, readonly Row[]>>) {
  const best = Array.from(
    { length: options.rounds },
    (_, i) => Math.max(...Object.values(own).map((each) => each[i]?.perSecond ?? 0)),
  );
  return Object.fromEntries(
    Object.entries(own).map(([name, each]) => [
      name,
      spreadOf(each.map(({ perSecond }, i) => perSecond / (best[i] ?? NaN))),
    ]),
  );
}
