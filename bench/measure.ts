/**
 * One measured run of one system: what its clients saw, what its processes used, and whether the accounts agree.
 *
 * @module
 */
import type { LoadReport } from "./clients/report.ts";
import type { System } from "./systems/system.ts";

/** One run of one system. */
export interface Row {
  /** Accepted orders a second, or answers when refusals are measured. */
  readonly perSecond: number;
  /** Units that were sold, by the system's own stock. */
  readonly accepted: number;
  readonly report: LoadReport;
  /** CPU of each process, µs an accepted order (or answer). */
  readonly cpuUs: Readonly<Record<string, number>>;
  /** Memory at the end. */
  readonly memoryBytes: Readonly<Record<string, number>>;
  /** Events that were not in the ledger when the last answer came; null without a ledger. */
  readonly lag: number | null;
  /** Until they were, ms. */
  readonly drainMs: number | null;
  /** Lines that the ledger got; null without a ledger. */
  readonly rows: number | null;
  /** Whether accepted answers, units and lines are equal; null when the client did not read the answers. */
  readonly agrees: boolean | null;
}

/** How a run is counted. */
export interface Counting {
  /** Answers are counted and not orders, as most are refusals. */
  readonly byAnswers: boolean;
  /** Answers that may be missing although the order took effect: wrk ends without waiting for one on each connection. */
  readonly openMax: number;
}

/** Measures one load. */
export async function measure(
  system: System,
  send: () => Promise<LoadReport>,
  { byAnswers, openMax }: Counting,
): Promise<Row> {
  const [soldBefore, rowsBefore, before] = [await system.sold(), await system.rows(), await system.usage()];
  const { timeline: _, ...report } = await send();
  const lag = await system.lag();
  const endMs = performance.now();
  await system.settled(); // what the ledger still has to do belongs to these orders
  const drainMs = lag === null ? null : performance.now() - endMs;
  const after = await system.usage();
  const sold = system.sells ? await system.sold() - soldBefore : report.requests;
  const rowsAfter = await system.rows();
  const rows = rowsAfter === null ? null : rowsAfter - (rowsBefore ?? 0);
  const counted = byAnswers ? report.requests : sold;
  const cpuUs = Object.fromEntries(
    Object.entries(after.cpuMs).map((
      [name, ms],
    ) => [name, (ms - (before.cpuMs[name] ?? 0)) * 1000 / counted]),
  );
  const agrees = system.sells ? doesAgree(report, { sold, rows, openMax: openMax + report.failed }) : null;
  return {
    perSecond: counted / report.seconds,
    accepted: sold,
    report,
    cpuUs,
    memoryBytes: after.memoryBytes,
    lag,
    drainMs,
    rows,
    agrees,
  };
}

interface Account {
  readonly sold: number;
  readonly rows: number | null;
  readonly openMax: number;
}

/** Whether units and lines are those of the accepted answers; null when the answers were not read. */
export function doesAgree(
  { results }: Pick<LoadReport, "results">,
  { sold, rows, openMax }: Account,
): boolean | null {
  if (results === null) return null;
  const open = sold - (results.accepted ?? 0);
  return open >= 0 && open <= openMax && (rows === null || rows === sold);
}

/** The median of some values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return ((sorted[middle] ?? NaN) + (sorted[sorted.length - 1 - middle] ?? NaN)) / 2;
}

/** Median and spread of some values. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Median, lowest and highest. */
export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) };
}

/** CPU of the API and Redis an order: what the baseline has too. */
export function frontUs({ cpuUs }: Row): number {
  return (cpuUs.API ?? 0) + (cpuUs.Redis ?? 0);
}

/** CPU of all processes an order. */
export function wholeUs({ cpuUs }: Row): number {
  return Object.values(cpuUs).reduce((sum, us) => sum + us, 0);
}

const measures: Readonly<Record<string, (row: Row) => number>> = {
  "orders a second": ({ perSecond }) => perSecond,
  "p99": ({ report }) => report.ms["99"] ?? 0,
  "CPU of the API": ({ cpuUs }) => cpuUs.API ?? 0,
  "CPU of Redis": ({ cpuUs }) => cpuUs.Redis ?? 0,
  "CPU of API + Redis": frontUs,
  "CPU of all processes": wholeUs,
};

/** One system against another in one measure. */
export interface Ratio extends Spread {
  readonly measure: string;
  readonly system: string;
  readonly against: string;
}

/** The ratio of each round, of every system against one: rounds are compared, not sums. */
export function ratiosAgainst(rows: ReadonlyMap<string, readonly Row[]>, against: string): Ratio[] {
  return Object.entries(measures).flatMap(([measure, read]) => {
    const base = (rows.get(against) ?? []).map(read);
    if (base.length === 0 || !base.every((value) => value > 0)) return [];
    return [...rows].filter(([system]) => system !== against).map(([system, own]) => {
      const each = own.map((row, i) => read(row) / (base[i] ?? NaN));
      return { measure, system, against, ...spreadOf(each) };
    });
  });
}

/** One line a run. */
export function describe({ perSecond, accepted, report, cpuUs, memoryBytes, lag, drainMs }: Row): string {
  const list = (values: Readonly<Record<string, number>>, show: (value: number) => string) =>
    Object.entries(values).map(([name, value]) => `${name} ${show(value)}`).join(", ");
  const refused = report.results === null ? `not 2xx ${report.not2xx}` : list(
    Object.fromEntries(Object.entries(report.results).filter(([name]) => name !== "accepted")),
    String,
  );
  const counts = `accepted ${accepted}, ${
    refused || "refused 0"
  }, failed ${report.failed}, unsent ${report.unsent}`;
  const ms = Object.entries(report.ms).toSorted(([a], [b]) => Number(a) - Number(b))
    .map(([p, value]) => `p${p} ${value}`).join(" ").replace("p100", "max");
  const ledger = lag === null ? "" : `; lag ${lag} drained in ${Math.round(drainMs ?? 0)} ms`;
  const mb = list(memoryBytes, (bytes) => (bytes / 2 ** 20).toFixed(0));
  const cpu = list(cpuUs, (us) => us.toFixed(1));
  return `${Math.round(perSecond)}/s; ${counts}; ms ${ms}; µs ${cpu}; MiB ${mb}${ledger}`;
}
