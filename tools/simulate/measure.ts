/**
 * Measures how long each planted fault takes to be found.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- this is the command that prints for the user
import { cpuUsage } from "node:process";
import { faultsOf } from "./faults.ts";
import { type Plant, plants } from "./plants.ts";
import { run } from "./run.ts";

/** Seconds of the processor that a search takes at most. */
const searchMaxS = 60;
/** Searches of each plant, each from seeds of its own. */
const searches = 3;

interface Found {
  readonly seeds: number;
  readonly steps: number;
  readonly seconds: number;
  readonly isFound: boolean;
}

async function search(plant: Plant, first: number): Promise<Found> {
  const before = cpuUsage();
  const seconds = () => {
    const { user, system } = cpuUsage(before);
    return (user + system) / 1e6;
  };
  let [seeds, steps] = [0, 0];
  for (let seed = first; seconds() < searchMaxS; seed++) {
    const { broken, steps: ran } = await run({ seed, faults: faultsOf(seed), plant });
    [seeds, steps] = [seeds + 1, steps + ran];
    if (broken !== undefined) return { seeds, steps, seconds: seconds(), isFound: true };
  }
  return { seeds, steps, seconds: seconds(), isFound: false };
}

/** Prints a table of all plants. The exit code is 0 when at least 95 % of the searches found their plant. */
export async function measurePlants(first: number): Promise<number> {
  let [found, all] = [0, 0];
  console.log("| plant | found | seconds | seeds |\n|---|---|---|---|");
  for (const plant of Object.keys(plants) as Plant[]) {
    const results: Found[] = [];
    for (let i = 0; i < searches; i++) results.push(await search(plant, first + 100_000 * i));
    const hits = results.filter(({ isFound }) => isFound);
    const list = (of: (result: Found) => string) => results.map(of).join(", ");
    console.log(
      `| \`${plant}\` | ${hits.length} of ${searches} | ${list(({ seconds }) => seconds.toFixed(1))} | ${
        list(({ seeds }) => String(seeds))
      } |`,
    );
    [found, all] = [found + hits.length, all + searches];
  }
  console.log(
    `${found} of ${all} searches found their plant within ${searchMaxS} s of the processor: ${
      (100 * found / all).toFixed(1)
    } %`,
  );
  return found >= 0.95 * all ? 0 : 1;
}
