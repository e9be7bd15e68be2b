/**
 * Numbers that an operator or a worker declared lost, and those that were recovered from the store.
 *
 * @module
 */
import type { Violation } from "./rules.ts";
import type { Lost, Recovered } from "./record.ts";
import { countLeading } from "./search.ts";

/** What was declared of one number. */
export interface Declared {
  readonly lost: Lost;
  /** Undefined when the number was not recovered: the store had forgotten it, or did not have it. */
  readonly recovered: Recovered | undefined;
}

/** Ranges of numbers of each shard. */
export class Declarations {
  readonly violations: Violation[] = [];
  readonly #lost = new Map<number, Lost[]>();
  readonly #recovered = new Map<number, Recovered[]>();
  readonly #forgotten = new Map<Recovered, ReadonlySet<number>>();

  /** Adds a declaration. */
  addLost(lost: Lost): void {
    addTo(this.#lost, lost);
  }

  /** Adds a recovery. */
  addRecovered(recovered: Recovered): void {
    addTo(this.#recovered, recovered);
    this.#forgotten.set(recovered, new Set(recovered.forgotten));
  }

  /** Sorts and compares them. Call it once, after the last line and before the methods below. */
  finish(): void {
    for (const ranges of [...this.#lost.values(), ...this.#recovered.values()]) ranges.sort(byNumber);
    this.#apart(this.#lost, "declared lost");
    this.#apart(this.#recovered, "recovered");
    for (const [shard, recoveries] of this.#recovered) {
      for (const recovered of recoveries) {
        const lost = rangeOf(this.#lost.get(shard), recovered.fromSeq + 1);
        if (!lost || lost.toSeq < recovered.toSeq) {
          this.#report(recovered, "are recovered and not declared lost");
        } else if ((recovered.atMs ?? Infinity) < (lost.atMs ?? 0)) {
          this.#report(
            recovered,
            `are recovered at ${recovered.atMs} ms and declared lost at ${lost.atMs} ms`,
          );
        }
        for (const seq of recovered.forgotten) {
          if (isWithin(recovered, seq)) continue;
          this.#report(recovered, `are recovered, and ${seq} is forgotten, which is not one of them`);
        }
      }
    }
  }

  /** Declarations of a shard, ascending. */
  of(shard: number): readonly Lost[] {
    return this.#lost.get(shard) ?? [];
  }

  /** What was declared of a number; of any shard when `shard` is undefined. */
  find(shard: number | undefined, seq: number): Declared | undefined {
    if (shard === undefined) {
      return this.#lost.keys().map((known) => this.find(known, seq)).find((declared) =>
        declared !== undefined
      );
    }
    const lost = rangeOf(this.#lost.get(shard), seq);
    if (!lost) return undefined;
    const recovered = rangeOf(this.#recovered.get(shard), seq);
    return { lost, recovered: recovered && this.#forgotten.get(recovered)?.has(seq) ? undefined : recovered };
  }

  /** Whether a number between two was declared lost. Both count. */
  meets(shard: number, from: number, to: number): boolean {
    const ranges = this.of(shard);
    const next = ranges[countLeading(ranges, ({ toSeq }) => toSeq < from)];
    return next !== undefined && next.fromSeq < to;
  }

  /** No number is in two ranges. */
  #apart(shards: ReadonlyMap<number, readonly (Lost | Recovered)[]>, what: string): void {
    for (const ranges of shards.values()) {
      ranges.forEach((range, index) => {
        const before = ranges[index - 1];
        if (before && range.fromSeq < before.toSeq) {
          const twice = { ...range, toSeq: Math.min(range.toSeq, before.toSeq) };
          this.#report(twice, `are ${what} twice`);
        }
      });
    }
  }

  #report({ shard, fromSeq, toSeq }: Lost | Recovered, what: string): void {
    const message = `shard ${shard}: numbers ${fromSeq + 1} to ${toSeq} ${what}`;
    this.violations.push({ rule: "declared_wrongly", message });
  }
}

function addTo<T extends Lost | Recovered>(shards: Map<number, T[]>, range: T): void {
  const ranges = shards.get(range.shard);
  if (ranges) ranges.push(range);
  else shards.set(range.shard, [range]);
}

function byNumber(one: Lost | Recovered, other: Lost | Recovered): number {
  return one.fromSeq - other.fromSeq || one.toSeq - other.toSeq;
}

function isWithin({ fromSeq, toSeq }: Lost | Recovered, seq: number): boolean {
  return fromSeq < seq && seq <= toSeq;
}

function rangeOf<T extends Lost | Recovered>(ranges: readonly T[] = [], seq: number): T | undefined {
  const range = ranges[countLeading(ranges, ({ toSeq }) => toSeq < seq)];
  return range && isWithin(range, seq) ? range : undefined;
}
