/**
 * What each part of Holdfast costs or brings: the same system with one part switched off by its setting, all variants in
 * turns on one machine.
 *
 *     deno run -A bench/ablation.ts
 *     deno run -A bench/ablation.ts --rounds=3 --seconds=5 --json=ablation.json
 *
 * Telemetry is on (1 %, into a Collector) in every variant but its own. The sold-out cache has no switch: it answers
 * first attempts (`Order-Attempt: 1`) and never others, so the two kinds of refusals are compared. `--systems` is not
 * used.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import { runWrk } from "./clients/wrk.ts";
import { readOptions, runExperiment, targetOf } from "./experiment.ts";
import { describe, measure, ratiosAgainst, type Row } from "./measure.ts";
import type { StartOptions, System } from "./systems/system.ts";

const options = {
  ...readOptions(Deno.args, { systems: "holdfast", seconds: 5, rounds: 3 }, { connections: 64 }),
  telemetry: true,
};
const { connections = 0 } = options.numbers;

/** A variant: what differs from Holdfast as it is measured elsewhere. */
interface Variant {
  readonly options: Partial<StartOptions>;
  /** Orders declare that they are first attempts. */
  readonly hasAttempt?: boolean;
}

const whole = "as measured";
const selling: Readonly<Record<string, Variant>> = {
  [whole]: { options: {} },
  "no batches (BATCH_MAX=1)": { options: { env: { BATCH_MAX: "1" } } },
  "no telemetry": { options: { telemetryUrl: undefined } },
  "no user limit (USER_LIMIT_MS=0)": { options: { env: { USER_LIMIT_MS: "0" } } },
  "with fsync in Redis": { options: { hasFsync: true } },
};
const soldOut: Readonly<Record<string, Variant>> = {
  "sold out, from the cache": { options: { stock: 1 }, hasAttempt: true },
  "sold out, asking the store": { options: { stock: 1 } },
};

async function load(system: System, { hasAttempt = false }: Variant, byAnswers: boolean): Promise<Row> {
  const target = targetOf(system);
  return await measure(
    system,
    () => runWrk({ target, connections, seconds: options.seconds, skus: 100, isCounted: false, hasAttempt }),
    { byAnswers, openMax: connections },
  );
}

await runExperiment(options, async (start) => {
  const rowsOf = async (variants: Readonly<Record<string, Variant>>, counted: "orders" | "answers") => {
    await using all = new AsyncDisposableStack();
    const systems = new Map<string, System>();
    for (const [name, variant] of Object.entries(variants)) {
      systems.set(name, all.use(await start("holdfast", variant.options)));
    }
    const rows = new Map<string, Row[]>();
    for (let round = 0; round <= options.rounds; round++) {
      for (const [name, system] of systems) {
        const row = await load(system, variants[name] ?? { options: {} }, counted === "answers");
        if (round === 0) continue; // compiles what is hot
        rows.set(name, [...rows.get(name) ?? [], row]);
        console.log(`round ${round} ${name}: ${describe(row)}`);
      }
    }
    return rows;
  };
  const sales = await rowsOf(selling, "orders");
  const refusals = await rowsOf(soldOut, "answers");
  const ratios = [
    ...ratiosAgainst(sales, whole),
    ...ratiosAgainst(refusals, "sold out, from the cache"),
  ];
  for (const { measure, system, against, median, low, high } of ratios) {
    console.log(
      `${measure.padEnd(22)} ${system}, against ${against}: ${median.toFixed(2)} ` +
        `(${low.toFixed(2)}–${high.toFixed(2)})`,
    );
  }
  return { rows: Object.fromEntries([...sales, ...refusals]), ratios };
});
