/**
 * Whether a long run stayed flat: each series has a bound on how much the second half may exceed the first.
 *
 * @module
 */
import { median } from "./measure.ts";

/** One sample of a long run. */
export interface Sample {
  /** Seconds since the start. */
  readonly atS: number;
  readonly apiMiB: number;
  readonly workerMiB: number;
  readonly redisMiB: number;
  readonly apiDescriptors: number;
  readonly workerDescriptors: number;
  /** Events that were not in the ledger yet. */
  readonly lag: number;
  readonly p99Ms: number;
  readonly perSecond: number;
  /** Orders that were offered. */
  readonly due: number;
  /** Those of them that were not accepted. */
  readonly failed: number;
}

/** The second half may be `factor` × the first, and `plus`. */
interface Bound {
  /** Of a half: memory rises and falls with its windows, so its highest value counts. */
  readonly of: (values: readonly number[]) => number;
  readonly factor: number;
  readonly plus: number;
}

const highest = (values: readonly number[]) => Math.max(...values);
// V8's young generation of 32 MB twice, before it is collected.
const process: Bound = { of: highest, factor: 1.15, plus: 48 };

/** Bounds by series. A leak of 1 % a minute passes 15 % in half of 30 minutes. */
export const bounds = {
  apiMiB: process,
  workerMiB: process,
  redisMiB: { of: highest, factor: 1.15, plus: 8 },
  apiDescriptors: { of: highest, factor: 1, plus: 16 },
  workerDescriptors: { of: highest, factor: 1, plus: 16 },
  lag: { of: median, factor: 2, plus: 2_000 },
  p99Ms: { of: median, factor: 2, plus: 25 },
} as const satisfies Partial<Record<keyof Sample, Bound>>;

/** Part of the run that is not judged: caches fill and code is compiled. */
const warmUpShare = 0.25;
const samplesMin = 4;
/** Orders that may be refused or lost, of all that were due: another program may take the machine for a second. */
const refusedShareMax = 0.001;

/** What was not flat, as sentences; none = all was. */
export function rising(samples: readonly Sample[]): string[] {
  if (samples.length < samplesMin) return [`${samples.length} samples are too few: at least ${samplesMin}`];
  const judged = samples.slice(Math.floor(samples.length * warmUpShare));
  const middle = Math.floor(judged.length / 2);
  const failed = samples.reduce((sum, sample) => sum + sample.failed, 0);
  const due = samples.reduce((sum, sample) => sum + sample.due, 0);
  const broken = Object.entries(bounds).flatMap(([name, { of, factor, plus }]) => {
    const values = judged.map((sample) => sample[name as keyof typeof bounds]);
    const [first, second] = [of(values.slice(0, middle)), of(values.slice(middle))];
    const max = first * factor + plus;
    return second <= max
      ? []
      : [`${name} rose from ${first.toFixed(1)} to ${second.toFixed(1)}: at most ${max.toFixed(1)}`];
  });
  return failed > due * refusedShareMax
    ? [...broken, `${failed} of ${due} orders were not accepted: at most ${due * refusedShareMax}`]
    : broken;
}
