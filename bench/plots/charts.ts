/**
 * Which plots the results of the benchmarks make: a result by the name of its file, and its panels.
 *
 * @module
 */
import type { Ratio, Row } from "../measure.ts";
import type { Point } from "../rate_point.ts";
import { median, spreadOf } from "../measure.ts";
import type { Sample } from "../trends.ts";
import type { Kill } from "../losses.ts";
import { barPanel, linePanel, type Panel } from "./svg.ts";

/** A bound above which p99 is not drawn: what comes later is as useless. */
const p99MaxMs = 200;

// deno-lint-ignore no-explicit-any -- a result is read from a file that its experiment has written
type Result = any;

/** The panels of a result; by the name of its file, up to the first dash. */
export const charts: Readonly<Record<string, (result: Result) => Panel[]>> = {
  compare: ({ rows, ratios, asked }) => [
    ratioPanel(ratios, "orders a second", `Accepted orders a second, ${asked.connections} connections`),
    ratioPanel(ratios, "CPU of all processes", "CPU of all processes, per order"),
    partsPanel(rows),
  ],
  refusals: ({ ratios }) => [
    ratioPanel(ratios, "orders a second", "Sold out: refusals a second"),
    ratioPanel(ratios, "CPU of API + Redis", "Sold out: CPU of API + Redis, per refusal"),
  ],
  rates: ({ result, options }) => [ratePanel(result.points, options.numbers)],
  shapes: ({ result }) =>
    Object.entries(result.against).map(([system, shapes]) => shapePanel(system, shapes)),
  ablation: ({ result }) => [
    ablationPanel(result.ratios, "orders a second"),
    ablationPanel(result.ratios, "CPU of all processes"),
  ],
  kills: ({ result }) => killPanels(result),
  soak: ({ samples }) => soakPanels(samples),
};

function ratioPanel(ratios: readonly Ratio[], measure: string, title: string): Panel {
  const bars = ratios.filter((ratio) =>
    ratio.measure === measure && ratio.against === "gin" && ratio.median > 0
  )
    .map(({ system, median, low, high }) => ({
      name: system,
      value: median,
      low,
      high,
      color: colorOf(system),
    }));
  return barPanel({ title: `${title}, against the Go service (1 = as much)`, bars, mark: 1 });
}

function colorOf(system: string): number {
  return ["holdfast", "no-worker", "embedded"].includes(system) ? 0 : 5;
}

function partsPanel(rows: Readonly<Record<string, readonly Row[]>>): Panel {
  const parts = ["API", "Redis", "worker", "PostgreSQL"];
  const bars = Object.entries(rows).flatMap(([system, own]) =>
    parts.flatMap((part, color) => {
      const each = own.map(({ cpuUs }) => cpuUs[part]).filter((us) => us !== undefined);
      return each.length === 0 ? [] : [bar(`${system}: ${part}`, each, color)];
    })
  );
  return barPanel({ title: "CPU of each process, µs per order (read ratios only)", bars, digits: 0 });
}

function bar(name: string, values: readonly number[], color: number) {
  const { median, low, high } = spreadOf(values);
  return { name, value: median, low, high, color };
}

function ratePanel(
  points: Readonly<Record<string, readonly Point[]>>,
  numbers: Record<string, number>,
): Panel {
  const series = Object.entries(points).map(([name, own]) => ({
    name,
    points: own.map(({ rate, p99 }) => [rate, p99] as const),
  }));
  return linePanel({
    title: `p99 in ms at a fixed rate, ${numbers.connections} connections, from when an order was due`,
    xTitle: "orders offered a second",
    series,
    yMax: p99MaxMs,
    ...numbers.bound === undefined ? {} : { mark: numbers.bound },
  });
}

function shapePanel(system: string, shapes: unknown): Panel {
  const bars = Object.entries(shapes as Record<string, { median: number; low: number; high: number }>)
    .map(([name, { median, low, high }]) => ({ name, value: median, low, high, color: colorOf(system) }));
  return barPanel({ title: `${system}: orders a second against its best shape of the round`, bars, mark: 1 });
}

function ablationPanel(ratios: readonly Ratio[], measure: string): Panel {
  const bars = ratios.filter((ratio) => ratio.measure === measure && ratio.median > 0)
    .map(({ system, median, low, high }) => ({ name: system, value: median, low, high }));
  return barPanel({ title: `${measure}, against Holdfast as measured (1 = no difference)`, bars, mark: 1 });
}

function killPanels(kills: readonly Kill[]): Panel[] {
  const groups = [...Map.groupBy(kills, ({ system, part }) => `${system}: ${part}`)];
  const color = (name: string) => colorOf(name.split(":")[0] ?? "");
  const lost = groups.map(([name, own]) => ({
    name,
    value: median(own.map(({ lost, accepted }) => 100 * lost / Math.max(accepted, 1))),
    color: color(name),
  }));
  const pauses = groups.map(([name, own]) =>
    bar(name, own.map(({ pauseMs }) => pauseMs / 1000), color(name))
  );
  return [
    barPanel({ title: "Accepted orders that are lost when one process is killed, %", bars: lost, digits: 3 }),
    barPanel({
      title: "Longest time without a sale, s (the process is started again after 1 s)",
      bars: pauses,
      digits: 1,
    }),
  ];
}

function soakPanels(samples: readonly Sample[]): Panel[] {
  const line = (name: string, member: keyof Sample) => ({
    name,
    points: samples.map((sample) => [sample.atS / 60, sample[member]] as const),
  });
  const panel = (title: string, ...series: ReturnType<typeof line>[]) =>
    linePanel({ title, xTitle: "minutes", series });
  return [
    panel("Memory, MiB", line("API", "apiMiB"), line("worker", "workerMiB"), line("Redis", "redisMiB")),
    panel("Open descriptors", line("API", "apiDescriptors"), line("worker", "workerDescriptors")),
    panel("Events that are not in the ledger yet", line("lag", "lag")),
    panel("p99 of 10 s, ms, from when an order was due", line("p99", "p99Ms")),
  ];
}
