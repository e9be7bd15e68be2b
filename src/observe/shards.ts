/**
 * Observes a worker: a span `db.sync` for each applied batch, linked to the orders in it, and the metrics of its shards.
 * Only the worker with a shard's lease reports on it.
 *
 * @module
 */
import type { TelemetryConfig } from "../runtime/settings/config.ts";
import type { LogEntry } from "../domain/event.ts";
import type { Applied } from "../ledger/ledger.ts";
import type {
  ApplyObserver,
  ArmingResult,
  ReconciliationProgress,
  ShardLedgerMetrics,
  WorkerObserver,
} from "../worker/observer.ts";
import type { World } from "../runtime/world.ts";
import { instruments } from "./instruments.ts";
import type { Series } from "../runtime/histogram.ts";
import { Counts, type Meter, type Reading, single } from "./meter.ts";
import type { SpanSink } from "./spans.ts";
import { StockBoard } from "./stock_board.ts";
import { Sync, takeRelay } from "./sync.ts";
import type { ContextSource } from "./trace_context.ts";

export interface ShardsParts {
  readonly world: World;
  readonly config: TelemetryConfig;
  readonly contexts: ContextSource;
  readonly spans: SpanSink;
  readonly meter: Meter;
}

/** A shard whose lease this process has. */
interface Shard {
  isArmed: boolean;
  lag: number;
  /** Unread messages of the topic; undefined without one. */
  unread: number | undefined;
  /** Time of the oldest event that is not applied, by the store's clock; 0 = all are. */
  oldestAtMs: number;
  driftUnits: number;
  deadLetters: number;
  guaranteesOff: number;
  /** Undefined until the first report. */
  differences: number | undefined;
  leasedAtMs: number;
  reconciledAtMs: number | undefined;
}

/** See {@link WorkerObserver}. */
export class Shards implements WorkerObserver {
  readonly #parts: ShardsParts;
  readonly #shards = new Map<number, Shard>();
  readonly #stock: StockBoard;
  readonly #armings = new Counts(instruments.armings);
  readonly #commits: Series;
  readonly #holdLags: Series;
  #events = 0;
  #reconciledSkus = 0;

  constructor(parts: ShardsParts) {
    const { meter, world } = this.#parts = parts;
    this.#stock = new StockBoard(world);
    this.#commits = meter.series(instruments.commitDuration, {});
    this.#holdLags = meter.series(instruments.holdLag, {});
    meter.observe(instruments.workerShards, () => single(this.#shards.size));
    meter.observe(instruments.armings, () => this.#armings.readings());
    meter.observe(instruments.ledgerEvents, () => single(this.#events));
    meter.observe(instruments.stock, () => this.#stock.readings());
    meter.observe(instruments.logLag, () => this.#each(({ lag }) => lag));
    meter.observe(instruments.kafkaLag, () => this.#each(({ unread }) => unread));
    meter.observe(instruments.logAge, () => this.#each((shard) => this.#ageS(shard)));
    meter.observe(instruments.drift, () => this.#each(({ driftUnits }) => driftUnits));
    meter.observe(instruments.reconcileDifferences, () => this.#each(({ differences }) => differences));
    meter.observe(instruments.reconcileAge, () => this.#each((shard) => this.#reconcileAgeS(shard)));
    meter.observe(instruments.reconcileSkus, () => single(this.#reconciledSkus));
    meter.observe(instruments.deadLetters, () => this.#each(({ deadLetters }) => deadLetters));
    meter.observe(instruments.guaranteesOff, () => this.#each(({ guaranteesOff }) => guaranteesOff));
  }

  /** Shards of this process that may not sell. */
  get unarmed(): number {
    return [...this.#shards.values()].filter(({ isArmed }) => !isArmed).length;
  }

  leased(shard: number): void {
    this.#shards.set(shard, {
      isArmed: false,
      lag: 0,
      unread: undefined,
      oldestAtMs: 0,
      driftUnits: 0,
      deadLetters: 0,
      guaranteesOff: 0,
      differences: undefined,
      leasedAtMs: this.#parts.world.now(),
      reconciledAtMs: undefined,
    });
  }

  released(shard: number): void {
    this.#shards.delete(shard);
    this.#stock.forget(shard);
  }

  verified(shard: number, result: ArmingResult, driftUnits: number): void {
    this.#armings.add(result);
    const known = this.#shards.get(shard);
    if (known) Object.assign(known, { driftUnits, isArmed: result === "armed" || result === "rebuilt" });
  }

  disarmed(shard: number): void {
    const known = this.#shards.get(shard);
    if (known) known.isArmed = false;
  }

  applying(shard: number, entries: readonly LogEntry[]): ApplyObserver {
    const known = this.#shards.get(shard);
    const oldestAtMs = entries[0]?.events[0]?.atMs ?? 0;
    if (known) known.oldestAtMs = oldestAtMs;
    const sync = new Sync(shard, entries, this.#parts);
    return {
      traceparent: sync.traceparent,
      ended: (applied) => {
        this.#commits.record(sync.ended(applied) / 1000);
        if (applied.kind === "applied") this.#applied(shard, entries, applied);
      },
      failed: (error) => sync.failed(error),
    };
  }

  acknowledged(shard: number, head: number, applied: number): void {
    const known = this.#shards.get(shard);
    if (!known) return;
    known.lag = Math.max(0, head - applied);
    if (known.lag === 0) known.oldestAtMs = 0;
  }

  appended(shard: number, entries: readonly LogEntry[], startMs: number, endMs: number): void {
    takeRelay(this.#parts, shard, entries, startMs, endMs);
  }

  topicRead(shard: number, unread: number): void {
    const known = this.#shards.get(shard);
    if (known) known.unread = unread;
  }

  guaranteesOff(shard: number, count: number): void {
    const known = this.#shards.get(shard);
    if (known) known.guaranteesOff = count;
  }

  ledgerMetrics(shard: number, { deadLetters, lowStock }: ShardLedgerMetrics): void {
    const known = this.#shards.get(shard);
    if (known) known.deadLetters = deadLetters;
    for (const { sku, available } of lowStock ?? []) this.#stock.saw(shard, sku, available, 0);
  }

  reconciled(shard: number, { skus, differences, endedAtMs }: ReconciliationProgress): void {
    this.#reconciledSkus += skus;
    const known = this.#shards.get(shard);
    if (known) Object.assign(known, { differences, reconciledAtMs: endedAtMs });
  }

  #applied(
    shard: number,
    entries: readonly LogEntry[],
    { events: count }: Extract<Applied, { kind: "applied" }>,
  ): void {
    this.#events += count;
    for (const { events } of entries) {
      for (const { kind, lines, atMs, data } of events) {
        for (const { sku, delta, available } of lines) {
          this.#stock.saw(shard, sku, available, Math.max(0, -delta));
        }
        if (kind === "expire" && data.expires !== undefined) {
          this.#holdLags.record(Math.max(0, atMs - data.expires) / 1000);
        }
      }
    }
  }

  /** The difference of the store's clock and this one is far below the thresholds of alerts. */
  #ageS({ oldestAtMs }: Shard): number {
    return oldestAtMs === 0 ? 0 : Math.max(0, this.#parts.world.now() - oldestAtMs) / 1000;
  }

  #reconcileAgeS({ differences, reconciledAtMs, leasedAtMs }: Shard): number | undefined {
    if (differences === undefined) return undefined;
    return Math.max(0, this.#parts.world.now() - Math.max(leasedAtMs, reconciledAtMs ?? 0)) / 1000;
  }

  #each(read: (shard: Shard) => number | undefined): Reading[] {
    return [...this.#shards].flatMap(([shard, known]) => {
      const value = read(known);
      return value === undefined ? [] : [{ value, labels: { shard } }];
    });
  }
}
