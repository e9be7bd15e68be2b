/**
 * The port to the receiver of metrics, and the counters behind it.
 *
 * Counters and gauges are read when a report is due, from values that the program has anyway. Histograms are counted here,
 * in a cell for each combination of labels: an SDK's `record` takes 1 µs with five labels, this one 20 ns, and an order
 * has two.
 *
 * @module
 */
import type { Labels, Series } from "../runtime/histogram.ts";
import type { Instrument } from "./instruments.ts";

/** One value of a counter or a gauge. */
export interface Reading {
  readonly value: number;
  readonly labels: Labels;
}

export interface Meter {
  /** Calls `read` for the series of a counter, sum or gauge when a report is due. */
  observe(instrument: Instrument, read: () => Iterable<Reading>): void;
  /** The series of a histogram with these labels. Store it: the look-up is slow. */
  series(instrument: Instrument, labels: Labels): Series;
}

/** The labels of the overflow series. */
export const overflowLabels: Labels = { "otel.metric.overflow": "true" };

/** A value for each pair of keys, made at first use; at most `max`, the rest shares one. */
export class Cells<A extends string | number, B extends string | number, T> {
  readonly #cells = new Map<A, Map<B, T>>();
  readonly #max: number;
  readonly #make: (a: A, b: B) => T;
  readonly #overflow: () => T;
  #size = 0;
  #shared: T | undefined;

  /** `overflow` makes the shared value. */
  constructor(max: number, make: (a: A, b: B) => T, overflow: () => T) {
    this.#max = max;
    this.#make = make;
    this.#overflow = overflow;
  }

  /** The value of a pair. */
  get(a: A, b: B): T {
    return this.#cells.get(a)?.get(b) ?? this.#add(a, b);
  }

  #add(a: A, b: B): T {
    if (this.#size >= this.#max) return this.#shared ??= this.#overflow();
    this.#size++;
    const made = this.#make(a, b);
    const row = this.#cells.get(a);
    if (row) row.set(b, made);
    else this.#cells.set(a, new Map([[b, made]]));
    return made;
  }
}

/** A counter by pairs of labels. */
export class Counts {
  readonly #all: { value: number; readonly labels: Labels }[] = [];
  readonly #cells: Cells<string, string, { value: number }>;

  /** Counts under the labels that `instrument` has, two at most. */
  constructor({ labels: [first = "", second = ""], seriesMax }: Instrument) {
    const cell = (labels: Labels) => {
      const made = { value: 0, labels };
      this.#all.push(made);
      return made;
    };
    const labelsOf = (a: string, b: string) => ({ ...first && { [first]: a }, ...second && { [second]: b } });
    this.#cells = new Cells(seriesMax, (a, b) => cell(labelsOf(a, b)), () => cell(overflowLabels));
  }

  /** Adds `count` to the series of these values. */
  add(a: string, b = "", count = 1): void {
    this.#cells.get(a, b).value += count;
  }

  /** Every series. */
  readings(): readonly Reading[] {
    return this.#all;
  }
}

/** One value without labels. */
export function single(value: number): readonly Reading[] {
  return [{ value, labels: {} }];
}
