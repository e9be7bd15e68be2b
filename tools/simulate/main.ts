/**
 * `deno task simulate`: the system under faults, from a seed. See docs/simulation.md.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- this is the command that prints for the user
import { parseArgs } from "node:util";
import { awaitsOf } from "./awaits.ts";
import { Coverage } from "./coverage.ts";
import { describeFault, type Fault, faultsOf } from "./faults.ts";
import { measurePlants } from "./measure.ts";
import { isPlant, type Plant, plants } from "./plants.ts";
import { run } from "./run.ts";
import { keptCases, keptPlants } from "./kept.ts";
import { shrink } from "./shrink.ts";

const help = `deno task simulate --seed N --steps N [--plant NAME] [--awaits]
deno task simulate --plants [--measure]

Runs the seeds that failed before, then N, N+1, ... until that many steps have run; with --seed alone only N.
  --awaits    one fault a run: a process is crashed or frozen at its first await, its second, ...
  --measure   how long each planted fault takes to be found
Exit codes: 0 every invariant held; 1 one did not; 2 asked wrongly.`;

/** One run to come. */
interface Case {
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** What repeats it. */
  readonly again: string;
}

function* casesOf(first: number, isSweep: boolean): Generator<Case> {
  for (let seed = first;; seed++) {
    const again = `--seed ${seed} --steps 1`;
    if (!isSweep) {
      yield { seed, faults: faultsOf(seed), again };
      continue;
    }
    for (const faults of awaitsOf(seed)) yield { seed, faults, again: `--awaits --seed ${seed}` };
  }
}

async function report({ seed, faults, again }: Case, plant: Plant | undefined): Promise<void> {
  const small = await shrink({ seed, faults, plant });
  console.log(`seed ${seed}: ${small.broken}`);
  console.log(`${small.faults.length} of ${faults.length} faults are enough:`);
  for (const fault of small.faults) console.log(`  ${describeFault(fault)}`);
  console.log(`again: deno task simulate ${again}${plant === undefined ? "" : ` --plant ${plant}`}`);
}

interface Wish {
  readonly seed: number;
  readonly steps: number;
  readonly plant: Plant | undefined;
  readonly isSweep: boolean;
}

async function simulate({ seed: first, steps: most, plant, isSweep }: Wish): Promise<number> {
  const coverage = new Coverage();
  let [runs, steps, accepted, lost] = [0, 0, 0, 0];
  const found = plant === undefined ? [] : [keptPlants[plant]];
  const known = [...found, ...keptCases].map(({ seed, faults }): Case => {
    return { seed, faults: faults ?? faultsOf(seed), again: `--seed ${first} --steps ${most}` };
  });
  const cases = casesOf(first, isSweep);
  while (steps < most) {
    const next = most > 1 && !isSweep ? known.shift() ?? cases.next().value : cases.next().value;
    const result = await run({ ...next, plant });
    runs++;
    steps += result.steps;
    accepted += result.accepted;
    lost += result.lost;
    coverage.add(result.cells, result.happened);
    if (result.broken === undefined) continue;
    await report(next, plant);
    return 1;
  }
  if (most > 1) {
    console.log(`How often a fault met a state:\n${coverage.table()}`);
    console.log(["Never met:", ...coverage.empty].join("\n  "));
    console.log(["Must happen sometimes and did not:", ...coverage.missing].join("\n  "));
  }
  console.log(
    `${runs} runs, ${steps} steps, ${accepted} commands accepted, ${lost} lost with a server: all invariants held`,
  );
  return 0;
}

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string", default: "1" },
      steps: { type: "string", default: "100000" },
      plant: { type: "string" },
      plants: { type: "boolean", default: false },
      measure: { type: "boolean", default: false },
      awaits: { type: "boolean", default: false },
    },
  });
  if (values.measure) return await measurePlants(Number(values.seed));
  if (values.plants) {
    for (const [name, what] of Object.entries(plants)) console.log(`${name}  ${what}`);
    return 0;
  }
  const [seed, steps] = [Number(values.seed), Number(values.steps)];
  const { plant } = values;
  const isAsked = Number.isSafeInteger(seed) && Number.isSafeInteger(steps) && steps > 0;
  if (!isAsked || plant !== undefined && !isPlant(plant)) {
    console.error(help);
    return 2;
  }
  return await simulate({ seed, steps, plant, isSweep: values.awaits });
}

Deno.exit(
  await main(Deno.args).catch((error) => {
    console.error(`${error instanceof TypeError ? error.message : error}\n\n${help}`);
    return 2;
  }),
);
