/**
 * `deno task simulate`: the system under faults, from a seed. See docs/simulation.md.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- this is the command that prints for the user
import { parseArgs } from "node:util";
import { describeFault, faultsOf } from "./faults.ts";
import { isPlant, plants } from "./plants.ts";
import { run } from "./run.ts";
import { shrink } from "./shrink.ts";

const help = `deno task simulate --seed N --steps N [--plant NAME]
deno task simulate --plants

Runs seeds N, N+1, ... until that many steps have run. Exit codes: 0 every invariant held; 1 one did not; 2 asked wrongly.`;

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      seed: { type: "string", default: "1" },
      steps: { type: "string", default: "100000" },
      plant: { type: "string" },
      plants: { type: "boolean", default: false },
    },
  });
  if (values.plants) {
    for (const [name, what] of Object.entries(plants)) console.log(`${name}  ${what}`);
    return 0;
  }
  const [first, stepsMax] = [Number(values.seed), Number(values.steps)];
  const plant = values.plant;
  if (
    !Number.isSafeInteger(first) || !Number.isSafeInteger(stepsMax) || plant !== undefined && !isPlant(plant)
  ) {
    console.error(help);
    return 2;
  }
  let [steps, accepted, lost, seed] = [0, 0, 0, first];
  for (; steps < stepsMax; seed++) {
    const faults = faultsOf(seed);
    const result = await run({ seed, faults, plant });
    steps += result.steps;
    accepted += result.accepted;
    lost += result.lost;
    if (result.broken === undefined) continue;
    const small = await shrink({ seed, faults, plant });
    console.log(`seed ${seed}: ${small.broken}`);
    console.log(`${small.faults.length} of ${faults.length} faults are enough:`);
    for (const fault of small.faults) console.log(`  ${describeFault(fault)}`);
    const again = plant === undefined ? "" : ` --plant ${plant}`;
    console.log(`again: deno task simulate --seed ${seed} --steps 1${again}`);
    return 1;
  }
  console.log(
    `${
      seed - first
    } seeds, ${steps} steps, ${accepted} orders accepted, ${lost} lost with a server: all invariants held`,
  );
  return 0;
}

Deno.exit(
  await main(Deno.args).catch((error) => {
    console.error(`${error instanceof TypeError ? error.message : error}\n\n${help}`);
    return 2;
  }),
);
