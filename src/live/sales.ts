/**
 * Sales of the last ten seconds, in one slot per second.
 *
 * @module
 */
import type { CommandTimings } from "../decide/command_timings.ts";
import { HistogramSeries } from "../runtime/histogram.ts";
import type { World } from "../runtime/world.ts";

const slotsMax = 10;
/** SKUs of one slot; sales of further SKUs are counted, not listed. */
const skusMax = 1000;
/** SKUs that are listed. */
const topMax = 10;
/** Upper bounds, ms; finer where sales usually are. */
const latencyBoundsMs = [
  ...[0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 40, 50, 75, 100],
  ...[150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 5000],
];

/** Sales a second, in the last second. */
export interface SalesRate {
  readonly asked: number;
  /** Accepted sales and reservations; a replay counts, its units do not. */
  readonly accepted: number;
  /** Refused with a code. */
  readonly refused: number;
  /** 5xx. */
  readonly failed: number;
}

/** Response times, ms, of the last ten seconds. The precision of percentiles is that of the buckets. */
export interface Latency {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** A SKU that was requested in the last ten seconds. */
export interface TopSku {
  readonly sku: string;
  /** Units sold or held. */
  readonly units: number;
  /** Refused sales. */
  readonly refused: number;
  /** Available units at the last decision; null = unknown. */
  readonly left: number | null;
}

interface Sku {
  units: number;
  refused: number;
  left: number | null;
}

interface Slot {
  readonly startMs: number;
  ms: number;
  accepted: number;
  refused: number;
  failed: number;
  readonly latency: HistogramSeries;
  readonly skus: Map<string, Sku>;
}

/** Counts sales. */
export class RecentSales {
  readonly #world: World;
  /** Whole seconds, oldest first. */
  #slots: Slot[] = [];
  #slot: Slot;

  constructor(world: World) {
    this.#world = world;
    this.#slot = this.#newSlot();
  }

  clear(): void {
    this.#slots = [];
    this.#slot = this.#newSlot();
  }

  /** A second is over. */
  turn(): void {
    this.#slot.ms = this.#world.elapsedMs() - this.#slot.startMs;
    this.#slots.push(this.#slot);
    if (this.#slots.length > slotsMax) this.#slots.shift();
    this.#slot = this.#newSlot();
  }

  /** A sale was answered. */
  answered(ms: number): void {
    this.#slot.latency.record(ms);
  }

  /** A rate limit or block list refused a sale before its SKU was read. */
  turnedAway(): void {
    this.#slot.refused++;
  }

  /** A sale was settled. */
  sale({ command, outcome, result, failed }: CommandTimings): void {
    if (command.kind !== "deduct" && command.kind !== "order" && command.kind !== "reserve") return;
    const isAccepted = outcome?.kind === "accepted";
    if (isAccepted) this.#slot.accepted++;
    // After an internal error there is no outcome.
    else if (failed || result === "") this.#slot.failed++;
    else this.#slot.refused++;
    // Made-up SKUs must not fill the list.
    if (result === "unknown_sku" || failed) return;
    command.lines.forEach(({ sku, amount }, line) => {
      const known = this.#sku(sku);
      if (known === undefined) return;
      if (!isAccepted) known.refused++;
      else if (!outcome.replayed) {
        known.units += amount;
        known.left = outcome.newStock[line] ?? known.left;
      }
      if (outcome?.kind === "insufficient" && outcome.sku === sku) known.left = outcome.available;
    });
  }

  /** Of the last whole second; zeros before there was one. */
  rate(): SalesRate {
    const { ms = 0, accepted = 0, refused = 0, failed = 0 } = this.#slots.at(-1) ?? {};
    const aSecond = (count: number) => ms === 0 ? 0 : Math.round(count * 1000 / ms);
    return {
      asked: aSecond(accepted + refused + failed),
      accepted: aSecond(accepted),
      refused: aSecond(refused),
      failed: aSecond(failed),
    };
  }

  /** Null without a response. */
  latency(): Latency | null {
    const counts = new Array<number>(latencyBoundsMs.length + 1).fill(0);
    let [count, max] = [0, 0];
    for (const { latency } of this.#slots) {
      latency.counts.forEach((more, bucket) => counts[bucket] = (counts[bucket] ?? 0) + more);
      count += latency.count;
      max = Math.max(max, latency.max);
    }
    if (count === 0) return null;
    const below = (share: number) => rounded(Math.min(max, quantile(counts, share * count)));
    return { p50: below(0.5), p95: below(0.95), p99: below(0.99), max: rounded(max) };
  }

  /** The SKUs with most units sold, among equals those with most requests; at most ten. */
  topSkus(): TopSku[] {
    const all = new Map<string, Sku>();
    for (const { skus } of this.#slots) {
      for (const [name, { units, refused, left }] of skus) {
        const sum = all.get(name);
        if (sum === undefined) all.set(name, { units, refused, left });
        else {Object.assign(sum, {
            units: sum.units + units,
            refused: sum.refused + refused,
            left: left ?? sum.left,
          });}
      }
    }
    const hottest = [...all].toSorted(([, a], [, b]) => b.units - a.units || b.refused - a.refused);
    return hottest.slice(0, topMax).map(([sku, quantities]) => ({ sku, ...quantities }));
  }

  #sku(name: string): Sku | undefined {
    const { skus } = this.#slot;
    const known = skus.get(name);
    if (known !== undefined || skus.size >= skusMax) return known;
    const fresh = { units: 0, refused: 0, left: null };
    skus.set(name, fresh);
    return fresh;
  }

  #newSlot(): Slot {
    return {
      startMs: this.#world.elapsedMs(),
      ms: 0,
      accepted: 0,
      refused: 0,
      failed: 0,
      latency: new HistogramSeries(latencyBoundsMs, {}),
      skus: new Map(),
    };
  }
}

/** The value that `rank` values do not exceed, between the bounds of its bucket; infinite above all bounds. */
function quantile(counts: readonly number[], index: number): number {
  let before = 0;
  for (const [bucket, count] of counts.entries()) {
    if (count > 0 && before + count >= index) {
      const lower = latencyBoundsMs[bucket - 1] ?? 0;
      const upper = latencyBoundsMs[bucket] ?? Infinity;
      return lower + (upper - lower) * (index - before) / count;
    }
    before += count;
  }
  return Infinity;
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
