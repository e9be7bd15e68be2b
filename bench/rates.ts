/**
 * How fast each system may be driven: open loop at rising rates, each rate on every system in turn, until p99 passes
 * the bound or an order fails. Then p99 of every system at half of the baseline's own highest rate.
 *
 *     deno run -A bench/rates.ts
 *     deno run -A bench/rates.ts --connections=1000 --bound=50 --first=500 --step=1.3 --seconds=4 --json=rates.json
 *
 * A rate that fails is tried again, three times in all, because other programs of the machine may have taken its time.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { runOpenLoop } from "./clients/open_loop.ts";
import { readOptions, runExperiment, targetOf } from "./experiment.ts";
import { spreadOf } from "./measure.ts";
import { holds, type Point } from "./rate_point.ts";
import type { System } from "./systems/system.ts";

const options = readOptions(
  Deno.args,
  { systems: "holdfast,no-worker,gin", seconds: 4, rounds: 3 },
  { connections: 1000, bound: 50, first: 500, step: 1.3 },
);
const { connections = 0, bound = 0, first = 0, step = 0 } = options.numbers;
const baseline = "gin";
const triesMax = 3;

async function at(system: System, rate: number): Promise<Point> {
  const { ms, failed, unsent, requests, results, seconds } = await runOpenLoop({
    target: targetOf(system),
    connections,
    seconds: options.seconds,
    skus: 100,
    rate,
  });
  const accepted = results?.accepted ?? 0;
  await system.settled();
  return {
    rate,
    perSecond: accepted / seconds,
    p50: ms["50"] ?? NaN,
    p99: ms["99"] ?? NaN,
    failed: failed + requests - accepted,
    unsent,
  };
}

await runExperiment(options, async (start) => {
  await using all = new AsyncDisposableStack();
  const systems = new Map<string, System>();
  for (const name of options.systems) systems.set(name, all.use(await start(name)));
  for (const system of systems.values()) await at(system, first); // compiles what is hot
  const points: Record<string, Point[]> = Object.fromEntries(options.systems.map((name) => [name, []]));
  const highest: Record<string, number> = {};
  const running = new Set(systems.keys());
  for (let rate = first; running.size > 0; rate = Math.round(rate * step)) {
    for (const name of running) {
      const system = systems.get(name);
      if (!system) continue;
      let point = await at(system, rate);
      for (let more = 1; more < triesMax && !holds(point, bound); more++) point = await at(system, rate);
      points[name]?.push(point);
      console.log(`${name.padEnd(16)} ${JSON.stringify(point)}`);
      if (holds(point, bound)) highest[name] = rate;
      else running.delete(name);
    }
  }
  console.log(`highest rate with p99 < ${bound} ms and no failure: ${JSON.stringify(highest)}`);
  const half = Math.round((highest[baseline] ?? first) / 2);
  const p99: Record<string, number[]> = Object.fromEntries(options.systems.map((name) => [name, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const [name, system] of systems) p99[name]?.push((await at(system, half)).p99);
  }
  const ratios = Object.fromEntries(
    Object.entries(p99).map(([name, each]) => [
      name,
      spreadOf(each.map((ms, i) => ms / (p99[baseline]?.[i] ?? NaN))),
    ]),
  );
  console.log(
    `p99 at ${half} a second, ms: ${JSON.stringify(p99)}; against ${baseline}: ${JSON.stringify(ratios)}`,
  );
  return { points, highest, half, p99, ratios };
});
