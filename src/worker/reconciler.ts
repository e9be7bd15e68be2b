/**
 * Continuous reconciliation: while a shard sells, its worker compares store and ledger exactly, in bounded steps between
 * two batches.
 *
 * Three passes run in turn: the stock and rules of every SKU within a set time; the entries of the log; the sums of the
 * movements. The last two rest 400 times as long as a step took, so each costs a quarter of a percent at most. A
 * difference is logged once, counted until it is gone, and published with the shard. Selling continues: the next event of
 * the SKU is audited in any case.
 *
 * @module
 */
import type { Reconciled, ShardControl } from "../decide/shard_control.ts";
import type { ShardReader } from "../decide/shard_reader.ts";
import { LeaseLost } from "../domain/errors.ts";
import type { Position } from "../domain/event.ts";
import type { Deployment, ShardLedger } from "../ledger/ledger.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import { Reminder } from "../runtime/reminder.ts";
import type { World } from "../runtime/world.ts";
import { LogPass } from "./log_pass.ts";
import { MovementPass } from "./movement_pass.ts";
import { noObserver, type WorkerObserver } from "./observer.ts";
import { publishStatus } from "./publish.ts";
import type { Compared, Found, Moment, Pass } from "./reconcile_pass.ts";
import { sliceSkus, StockPass } from "./stock_pass.ts";

export interface ReconcilerParts {
  readonly control: ShardControl;
  readonly reader: ShardReader;
  readonly ledger: ShardLedger;
  readonly deployment: Deployment;
  readonly world: World;
  readonly logger: Logger;
  readonly observer?: WorkerObserver;
  /** Every SKU is compared within this time, ms. */
  readonly passMs: number;
}

/** A worker that has just taken a shard catches up with the log first. */
const firstMs = 5000;
/** Slices of a small shard: 0.03 % of the time. */
const sliceEveryMs = 10_000;
const [logEveryMs, movementsEveryMs, knownEveryMs] = [10_000, 1000, 10_000];
/** Of a pass's time, so that it ends in time when some steps are late. */
const shareOfPass = 0.8;
/** A rest between two passes over a small log, or few movements, as a share of `passMs`. */
const restOfPass = 1 / 60;
const restPerCost = 400;
const afterErrorMs = 60_000;
/** Differences of a shard that are known at once. */
const differencesMax = 1000;
/** Lines of the log of one step. */
const linesMax = 20;

interface Station {
  readonly pass: Pass;
  readonly everyMs: number;
  dueMs: number;
}

/** Reconciles one shard, from its arming on. */
export class Reconciler {
  readonly #parts: ReconcilerParts;
  readonly #observer: WorkerObserver;
  readonly #failing: Reminder;
  readonly #known = new Map<string, Found>();
  readonly #log: Station;
  readonly #movements: Station;
  #stock: StockPass | undefined;
  #sliceDueMs: number;
  #knownDueMs = 0;
  /** The slice in progress has the known differences. */
  #isOfKnown = false;
  #last: Reconciled | undefined;
  #begun: Moment | undefined;
  #skus = 0;

  constructor(parts: ReconcilerParts) {
    this.#parts = parts;
    const { control, ledger, world, observer = noObserver, passMs, logger } = parts;
    this.#observer = observer;
    const atMs = world.elapsedMs() + Math.min(firstMs, passMs / 20);
    const pace = (everyMs: number) => ({ everyMs: Math.min(everyMs, passMs / 20), dueMs: atMs });
    this.#sliceDueMs = atMs;
    this.#log = { pass: new LogPass({ control, ledger, world }), ...pace(logEveryMs) };
    this.#movements = { pass: new MovementPass({ ledger, world }), ...pace(movementsEveryMs) };
    this.#failing = new Reminder(
      world,
      (fields) =>
        logger.error("shard cannot be reconciled, selling continues", { shard: ledger.shard, ...fields }),
    );
  }

  /**
   * One step, if one is due.
   *
   * @param applied the ledger's cursor
   * @throws {LeaseLost}
   */
  async step(applied: Position): Promise<void> {
    const nowMs = this.#parts.world.elapsedMs();
    try {
      // One step a round: the pass that has waited longest goes first, so that none waits for ever.
      const [log, movements] = [this.#log, this.#movements];
      const station = log.dueMs <= movements.dueMs ? log : movements;
      if (this.#isStockDue(nowMs)) await this.#stepStock(applied, nowMs);
      else if (nowMs >= station.dueMs) await this.#stepOther(station, applied);
      else return;
      this.#failing.clear();
    } catch (error) {
      if (error instanceof LeaseLost) throw error;
      // A step that fails each time must not stop the shard. A server that is away fails the other calls, too.
      this.#failing.say(describeError(error));
      for (const station of [this.#log, this.#movements]) station.dueMs = nowMs + afterErrorMs;
      [this.#stock, this.#begun, this.#sliceDueMs] = [undefined, undefined, nowMs + afterErrorMs];
    }
  }

  #isStockDue(nowMs: number): boolean {
    if (this.#stock?.isWaiting || nowMs >= this.#sliceDueMs) return true;
    return this.#stock !== undefined && nowMs >= this.#knownDueMs && this.#knownSkus().length > 0;
  }

  async #stepStock(applied: Position, nowMs: number): Promise<void> {
    const { world, passMs } = this.#parts;
    const stock = this.#stock ??= await this.#newStockPass();
    this.#begun ??= { seq: applied.seq, atMs: world.now() };
    if (!stock.isWaiting) {
      this.#isOfKnown = nowMs < this.#sliceDueMs;
      if (this.#isOfKnown) stock.compareNext(this.#knownSkus());
    }
    const compared = await stock.step(applied);
    if (!compared) return;
    const endMs = world.elapsedMs();
    const slices = Math.max(1, Math.ceil(stock.skus / sliceSkus));
    const sliceMs = Math.min(sliceEveryMs, passMs * shareOfPass / slices);
    if (this.#isOfKnown) this.#knownDueMs = endMs + Math.min(knownEveryMs, passMs / 20);
    else this.#sliceDueMs = stock.isEnding ? endMs : endMs + sliceMs;
    this.#skus += compared.skus;
    await this.#settle(compared);
    if (compared.isOver) await this.#endStockPass();
  }

  async #stepOther(station: Station, applied: Position): Promise<void> {
    const { world, passMs } = this.#parts;
    const startMs = world.elapsedMs();
    const compared = await station.pass.step(applied);
    const endMs = world.elapsedMs();
    const restMs = compared?.isOver ? passMs * restOfPass : station.everyMs;
    station.dueMs = endMs + Math.max(restMs, restPerCost * (endMs - startMs));
    if (compared) await this.#settle(compared);
  }

  async #newStockPass(): Promise<StockPass> {
    const { control, ledger: { shard } } = this.#parts;
    const { reconciled } = await control.inspect(shard);
    this.#last ??= reconciled ?? undefined;
    return new StockPass(this.#parts, this.#last?.agreed);
  }

  #knownSkus(): string[] {
    return [...this.#known.values()].filter(({ what }) => what === "stock" || what === "rules")
      .map(({ name }) => name);
  }

  async #settle({ found, has, skus }: Compared): Promise<void> {
    const { ledger: { shard }, logger } = this.#parts;
    const names = new Set(found.map(keyOf));
    const over = [...this.#known].filter(([key, { what, name }]) => has(what, name) && !names.has(key));
    for (const [key, { what, name }] of over) {
      this.#known.delete(key);
      logger.info("store and ledger agree again", { shard, what, name });
    }
    const fresh = found.filter((one) => !this.#known.has(keyOf(one)));
    for (const [i, one] of fresh.entries()) {
      if (this.#known.size < differencesMax) this.#known.set(keyOf(one), one);
      if (i >= linesMax) continue;
      const { what, name, ledger, store, agreed } = one;
      logger.error("store and ledger differ", {
        ...{ shard, what, name, ledger, store },
        agreedSeq: agreed?.seq ?? null,
        agreedAt: agreed ? new Date(agreed.atMs).toISOString() : null,
      });
    }
    if (fresh.length > linesMax) {
      logger.error("store and ledger differ in more names", { shard, names: fresh.length - linesMax });
    }
    this.#report(skus);
    if (fresh.length + over.length > 0) await this.#publish();
  }

  async #endStockPass(): Promise<void> {
    const isClean = this.#knownSkus().length === 0;
    const agreed = isClean ? this.#begun : this.#last?.agreed;
    this.#last = {
      atMs: this.#parts.world.now(),
      skus: this.#skus,
      differences: this.#known.size,
      ...agreed && { agreed },
    };
    [this.#begun, this.#skus] = [undefined, 0];
    this.#report(0);
    await this.#publish();
  }

  #report(skus: number): void {
    const { ledger: { shard } } = this.#parts;
    const endedAtMs = this.#last?.atMs;
    this.#observer.reconciled(shard, { skus, differences: this.#known.size, endedAtMs });
  }

  /** Before the first pass has ended there is nothing to publish but differences. */
  async #publish(): Promise<void> {
    const known = this.#last ?? { atMs: 0, skus: 0 };
    await publishStatus(this.#parts, {
      kind: "reconciled",
      result: { ...known, differences: this.#known.size },
    });
  }
}

function keyOf({ what, name }: Pick<Found, "what" | "name">): string {
  return `${what}\n${name}`;
}
