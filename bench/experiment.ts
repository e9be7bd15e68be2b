/**
 * What the experiments of the benchmarks share: options, systems that are ended with the run, and a result as JSON.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { openRun, type Run } from "../tools/servers/run_folder.ts";
import { type Collector, startCollector } from "./systems/collector.ts";
import { startSystem, systemNames } from "./systems/start.ts";
import type { StartOptions, System } from "./systems/system.ts";

/** Options of every experiment. */
export interface Options {
  readonly systems: readonly string[];
  readonly seconds: number;
  readonly rounds: number;
  /** Both sides export telemetry at 1 % into a Collector. */
  readonly telemetry: boolean;
  /** Where the result is written; "" = it is only printed. */
  readonly json: string;
  /** Numbers that one experiment has in addition, by name. */
  readonly numbers: Readonly<Record<string, number>>;
}

/** Reads the command line: `defaults` of the experiment, `numbers` of its own. */
export function readOptions(
  args: readonly string[],
  defaults: { systems: string; seconds: number; rounds: number },
  numbers: Readonly<Record<string, number>> = {},
): Options {
  const option = (value: number | string) => ({ type: "string" as const, default: String(value) });
  const own = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, option(value)]));
  const { values } = parseArgs({
    args: [...args],
    options: {
      systems: option(defaults.systems),
      seconds: option(defaults.seconds),
      rounds: option(defaults.rounds),
      json: option(""),
      telemetry: { type: "boolean", default: false },
      ...own,
    },
  });
  const text = (name: string) => String(values[name as keyof typeof values]);
  const positive = (name: string) => {
    const value = Number(text(name));
    if (value > 0) return value;
    throw new TypeError(`--${name} must be a number above 0: it is '${text(name)}'`);
  };
  const systems = text("systems").split(",");
  const unknown = systems.find((name) => !systemNames.includes(name));
  if (unknown !== undefined) throw new TypeError(`--systems has '${unknown}': use some of ${systemNames}`);
  return {
    systems,
    seconds: positive("seconds"),
    rounds: positive("rounds"),
    telemetry: values.telemetry === true,
    json: text("json"),
    numbers: Object.fromEntries(Object.keys(numbers).map((name) => [name, positive(name)])),
  };
}

/** A run whose processes end with it, also when a signal stops it. */
export async function openStoppableRun(): Promise<Run> {
  const run = await openRun();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => void run.close().finally(() => Deno.exit(130)));
  }
  return run;
}

/** Starts a system, which its user ends: with `await using`. */
export type Start = (name: string, options?: Partial<StartOptions>) => Promise<System>;

/** Enough units for any run. */
export const plenty = 1_000_000_000;

/** Runs an experiment in a run of its own, and writes what it returns. */
export async function runExperiment<T>(
  options: Options,
  work: (start: Start) => Promise<T>,
): Promise<T> {
  const folder = await openStoppableRun();
  try {
    await using started = new AsyncDisposableStack();
    let collector: Collector | undefined;
    if (options.telemetry) collector = started.use(await startCollector());
    const result = await work((name, own = {}) => {
      const all = { stock: plenty, skus: 100, before: "", telemetryUrl: collector?.url, ...own };
      return startSystem(name, all);
    });
    const { json, ...said } = options; // a result names no place of this machine
    if (json !== "") {
      await Deno.writeTextFile(json, `${JSON.stringify({ options: said, result }, null, 2)}\n`);
    }
    return result;
  } finally {
    await folder.close();
  }
}

/** The address of a system's orders. */
export function targetOf({ url }: System): string {
  return `${url}/api/v1/inventory/deduct`;
}
