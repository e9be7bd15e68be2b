/**
 * Real time against the order of the log: whether every operation can be given one moment between its call and its
 * return, so that the moments are in the order of the log.
 *
 * @module
 */
import type { Declarations } from "./declared.ts";
import type { Log, LogEvent, Timeline } from "./log.ts";
import type { Rule, Violation } from "./rules.ts";
import type { Operation } from "./record.ts";
import { countLeading } from "./search.ts";

/** Positions of a shard's log at which a refusal or a read may have been decided. */
interface Window {
  readonly from: number;
  readonly to: number;
}

/** A moment at which an operation begins or ends. */
interface Moment {
  readonly atMs: number;
  readonly isReturn: boolean;
  readonly operation: Operation;
}

/** SKUs with refusals that should have been sales: how many units stayed free at most, and how often. */
export type Stranded = Map<string, { refusals: number; units: number }>;

/** Sweeps over the operations in the order of time. */
export class RealTime {
  readonly violations: Violation[] = [];
  readonly stranded: Stranded = new Map();
  /** Refusals whose numbers the log declares lost: nothing can be said of them. */
  undecidable = 0;
  readonly #log: Log;
  readonly #declared: Declarations;
  readonly #ageMaxMs: number;
  /** What is known of each shard's head at the moment of the sweep. */
  readonly #heads = new Map<number, Head>();
  /** When the last position was known that an operation, by its call, must be behind. */
  readonly #from = new Map<Operation, number>();

  /** `Answers` must have noted the times in the events of the log. */
  constructor(log: Log, declared: Declarations, ageMaxMs: number) {
    this.#log = log;
    this.#declared = declared;
    this.#ageMaxMs = ageMaxMs;
    for (const [shard, events] of log.shards) this.#heads.set(shard, new Head(events));
  }

  /** Checks all operations. */
  check(operations: readonly Operation[]): void {
    for (const [shard, events] of this.#log.shards) this.#ordered(shard, events);
    for (const { atMs, isReturn, operation } of momentsOf(operations)) {
      const timeline = this.#log.timelines.get(this.#skuOf(operation));
      const head = timeline && this.#heads.get(timeline.shard);
      if (!timeline || !head) continue;
      const isStale = operation.answer.kind === "refused" || operation.answer.kind === "stock";
      if (!isReturn) {
        if (isStale) this.#from.set(operation, head.known(atMs - this.#ageMaxMs));
        continue;
      }
      this.#returned(operation, timeline, head, this.#from.get(operation) ?? 0);
      this.#from.delete(operation);
    }
  }

  /** An event that was answered before another was called has the lower number. */
  #ordered(shard: number, events: readonly LogEvent[]): void {
    let latest: LogEvent | undefined;
    for (const event of events) {
      if (latest && latest.calledMs > event.returnedMs) {
        this.#report(
          "time_reversed",
          `shard ${shard}: number ${event.seq} (${event.id}) was answered at ${event.returnedMs} ms, and number ` +
            `${latest.seq} (${latest.id}) before it in the log was called at ${latest.calledMs} ms`,
        );
      }
      if (event.calledMs !== Infinity && event.calledMs > (latest?.calledMs ?? -1)) latest = event;
    }
  }

  #returned(operation: Operation, timeline: Timeline, head: Head, from: number): void {
    const { answer, returnedMs } = operation;
    if (answer.kind === "accepted") return head.raise(answer.seq, returnedMs);
    const window = { from, to: head.before(returnedMs) };
    if (answer.kind === "stock") this.#read(operation, answer, timeline, window);
    if (answer.kind === "refused" && answer.code === "insufficient_stock") {
      const at = this.#insufficient(operation, answer.available, timeline, window);
      // What this refusal has seen, every later operation sees too.
      if (at !== undefined && this.#ageMaxMs === 0) head.raise(at, returnedMs);
    }
  }

  #read(
    { lines }: Operation,
    { seq, available }: { readonly seq: number; readonly available: number },
    timeline: Timeline,
    window: Window,
  ): void {
    const sku = lines[0]?.sku ?? "";
    const were = unitsAt(timeline, seq);
    if (this.#declared.meets(timeline.shard, seq, seq)) this.undecidable++;
    else if (were !== available && unitsAt(timeline, seq + 0.5) !== available) {
      this.#report(
        "wrong_stock",
        `a read of ${sku} has ${available} units at number ${seq}: they were ${were}`,
      );
    } else if (seq < window.from || seq > window.to) {
      this.#report(
        "time_reversed",
        `a read of ${sku} is of number ${seq}: between its call and return only ${
          shown(window)
        } were possible`,
      );
    }
  }

  /** Returns the first position at which the refusal was right. */
  #insufficient(
    operation: Operation,
    available: number | null,
    timeline: Timeline,
    window: Window,
  ): number | undefined {
    const sku = this.#skuOf(operation);
    const units = operation.lines.find((line) => line.sku === sku)?.units ?? 0;
    const wanted = operation.call === "adjust" ? -units : units;
    const at = this.#unitsBelow(timeline, wanted, available, window);
    if (at !== undefined) return at;
    if (this.#declared.meets(timeline.shard, window.from, window.to)) {
      this.undecidable++;
      return undefined;
    }
    const fewest = fewestUnits(timeline, window);
    const who = `${operation.call} of ${operation.id}: refused ${wanted} units of ${sku}`;
    if (fewest < wanted) {
      this.#report(
        "wrong_stock",
        `${who} as ${available} were available: they never were at ${shown(window)}`,
      );
      return undefined;
    }
    const stranded = this.stranded.get(sku) ?? { refusals: 0, units: 0 };
    this.stranded.set(sku, {
      refusals: stranded.refusals + 1,
      units: Math.max(stranded.units, fewest),
    });
    this.#report("undersell", `${who} while at least ${fewest} were free, at ${shown(window)}`);
    return undefined;
  }

  /** The first position in the window at which a SKU had `available` units, and fewer than `wanted`. */
  #unitsBelow(
    timeline: Timeline,
    wanted: number,
    available: number | null,
    { from, to }: Window,
  ): number | undefined {
    const now = indexAt(timeline, from);
    const isRight = (units: number) => units < wanted && (available === null || units === available);
    if (isRight(timeline.available[now] ?? 0)) return from;
    const later = available === null
      ? timeline.available.findIndex((units, index) => index > now && isRight(units))
      : nextIndex(timeline.byAvailable.get(available), now);
    const seq = timeline.seqs[later];
    const isWithin = seq !== undefined && Math.floor(seq) <= to;
    return isWithin && isRight(timeline.available[later] ?? 0) ? Math.floor(seq) : undefined;
  }

  /** The SKU that a refusal names, or the first. */
  #skuOf(operation: Operation): string {
    const { answer } = operation;
    return (answer.kind === "refused" ? answer.sku : null) ?? this.#log.skusOf(operation)[0] ?? "";
  }

  #report(rule: Rule, message: string): void {
    this.violations.push({ rule, message });
  }
}

/** The head of one shard's log, as far as clients know it. */
class Head {
  /** Lowest number that was called after the moment that is looked at: by the latest calls first. */
  readonly #byCall: readonly { readonly calledMs: number; readonly lowest: number }[];
  readonly #changes: { readonly atMs: number; readonly seq: number }[] = [];

  constructor(events: readonly LogEvent[]) {
    const called = events.filter(({ calledMs }) => calledMs !== Infinity)
      .toSorted((a, b) => a.calledMs - b.calledMs);
    let lowest = Infinity;
    this.#byCall = called.toReversed().map(({ calledMs, seq }) => ({
      calledMs,
      lowest: lowest = Math.min(lowest, seq),
    })).toReversed();
  }

  /** A client knows since `atMs` that the log reaches `seq`. */
  raise(seq: number, atMs: number): void {
    if (seq > (this.#changes.at(-1)?.seq ?? 0)) this.#changes.push({ atMs, seq });
  }

  /** The highest number that was known before `atMs`. */
  known(atMs: number): number {
    return this.#changes[countLeading(this.#changes, (change) => change.atMs < atMs) - 1]?.seq ?? 0;
  }

  /** The last number that can have been issued by `atMs`, as what was called later has higher ones; or Infinity. */
  before(atMs: number): number {
    const next = this.#byCall[countLeading(this.#byCall, ({ calledMs }) => calledMs <= atMs)]?.lowest;
    return next === undefined ? Infinity : next - 1;
  }
}

/** Calls and returns in the order of time; at the same moment the calls first, so that they count as concurrent. */
function momentsOf(operations: readonly Operation[]): Moment[] {
  const moments = operations.flatMap((operation): Moment[] => {
    const call = { atMs: operation.calledMs, isReturn: false, operation };
    if (operation.answer.kind === "unknown") return [];
    return [call, { atMs: operation.returnedMs, isReturn: true, operation }];
  });
  return moments.sort((a, b) => a.atMs - b.atMs || Number(a.isReturn) - Number(b.isReturn));
}

/** Index of the state at a number; -1 before the SKU's first. */
function indexAt({ seqs }: Timeline, seq: number): number {
  return countLeading(seqs, (at) => at <= seq) - 1;
}

function unitsAt(timeline: Timeline, seq: number): number {
  return timeline.available[indexAt(timeline, seq)] ?? 0;
}

/** The first of some indices after `index`; -1 when there is none. */
function nextIndex(indices: readonly number[] = [], index: number): number {
  return indices[countLeading(indices, (other) => other <= index)] ?? -1;
}

/** The fewest units that a SKU had within a window. */
function fewestUnits(timeline: Timeline, { from, to }: Window): number {
  const first = indexAt(timeline, from);
  let fewest = timeline.available[first] ?? 0;
  for (let i = first + 1; i < timeline.seqs.length && Math.floor(timeline.seqs[i] ?? 0) <= to; i++) {
    fewest = Math.min(fewest, timeline.available[i] ?? fewest);
  }
  return fewest;
}

function shown({ from, to }: Window): string {
  if (to === Infinity) return `number ${from} or later`;
  return from === to ? `number ${from}` : `numbers ${from} to ${to}`;
}
