/**
 * Histograms: one array of counts per series.
 *
 * @module
 */
/** Labels of one series. */
export type Labels = Readonly<Record<string, string | number>>;

/** Takes values of one series. */
export interface Series {
  /** Adds a value. */
  record(value: number): void;
}

/** The values of one series. */
export class HistogramSeries implements Series {
  /** One more than the bounds: the last counts the values above all of them. */
  readonly counts: number[];
  /** Sum of all values. */
  sum = 0;
  /** How many values. */
  count = 0;
  /** The smallest value; infinite without any. */
  min: number = Infinity;
  /** The largest value; infinite without any. */
  max: number = -Infinity;

  /** `bounds` are the upper bounds of the buckets, each part of its bucket. */
  constructor(readonly bounds: readonly number[], readonly labels: Labels) {
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  record(value: number): void {
    const { bounds, counts } = this;
    let bucket = 0;
    // Most values are in the first buckets: a binary search would take as long.
    while (bucket < bounds.length && value > (bounds[bucket] ?? Infinity)) bucket++;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
    this.sum += value;
    this.count++;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
  }
}
