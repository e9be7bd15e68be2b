/**
 * The loop of an armed shard: a list of steps, run in order, again and again.
 *
 * @module
 */
import type { LogEntry, Position } from "../domain/event.ts";
import type { Applied, ShardLedger } from "../ledger/ledger.ts";
import { traceIds } from "../runtime/logger.ts";
import { sleep } from "../runtime/world.ts";
import { apply, whyNotApplied } from "./apply.ts";
import { BasketFinisher } from "./basket_finisher.ts";
import { Compensator } from "./compensate.ts";
import { LedgerMetrics } from "./ledger_metrics.ts";
import { Acknowledger } from "./acknowledger.ts";
import { noObserver, type WorkerObserver } from "./observer.ts";
import { QuotaSweep } from "./quota_sweep.ts";
import { Reconciler } from "./reconciler.ts";
import { Refusals } from "./refusals.ts";
import { MovementRetention } from "./movement_retention.ts";
import { Retention } from "./retention.ts";
import { ServerCheckMonitor } from "./server_check_monitor.ts";
import { pause, refusedRetryMs, type ShardWorkerParts } from "./shard_parts.ts";

/** An idle shard is acknowledged this often, so a store that restarted is found within it. */
const acknowledgeEveryMs = 200;
/** Time slice for expiring reservations, before the resulting events are applied. */
const expireForMs = 25;
/** Entries a transaction: at most 64 batches of the store. */
const entriesMax = 64;

/** A commit of fewer events is a small one. At 512 events a commit an event costs a third of what it costs at 64. */
const gatherEventsMin = 512;

/** `verify`: the shard must be verified before it sells again. */
type StepResult = "next" | "verify";

/** Applies the log and acknowledges it, until the store is no longer the one that was armed. */
export class RunLoop {
  readonly #ledger: ShardLedger;
  readonly #parts: ShardWorkerParts;
  readonly #observer: WorkerObserver;
  readonly #baskets: BasketFinisher;
  readonly #compensator: Compensator;
  readonly #refusals: Refusals;
  readonly #checks: ServerCheckMonitor;
  readonly #retention: Retention;
  readonly #movementRetention: MovementRetention;
  readonly #sweep: QuotaSweep;
  readonly #ledgerMetrics: LedgerMetrics | undefined;
  readonly #reconciler: Reconciler | undefined;
  readonly #acknowledger: Acknowledger;
  /** Position of the last event in the ledger. */
  #position: Position;
  #recorded: { readonly head: number; readonly atMs: number };
  #isMoreDue = false;

  /**
   * @param position of the last event in the ledger, under the epoch of the arming
   * @param nonce that the arming wrote or found
   */
  constructor(ledger: ShardLedger, position: Position, nonce: string, parts: ShardWorkerParts) {
    const { world, logger } = parts;
    this.#ledger = ledger;
    this.#parts = parts;
    this.#observer = parts.observer ?? noObserver;
    this.#baskets = new BasketFinisher(ledger, parts.store, world);
    this.#compensator = new Compensator(ledger, parts.store, world);
    this.#refusals = new Refusals(ledger.shard, world, logger, parts.onFailure);
    this.#checks = new ServerCheckMonitor({ ...parts, ledger, refusals: this.#refusals });
    this.#retention = new Retention(ledger, world, parts.retentionMs);
    this.#movementRetention = new MovementRetention(ledger, world, parts.movementsRetentionMs ?? 0);
    this.#sweep = new QuotaSweep(parts.control, world);
    this.#ledgerMetrics = parts.observer && new LedgerMetrics(ledger, world, parts.observer);
    const { reader, reconcileMs = 0 } = parts;
    const isReconciled = reader !== undefined && reconcileMs > 0;
    this.#reconciler = isReconciled
      ? new Reconciler({ ...parts, ledger, reader, passMs: reconcileMs })
      : undefined;
    this.#acknowledger = new Acknowledger(nonce, { ...parts, ledger, refusals: this.#refusals });
    this.#position = position;
    this.#recorded = { head: position.seq, atMs: world.elapsedMs() };
  }

  /** Returns when `parts.signal` aborts, or when the shard must be verified again. */
  async run(): Promise<void> {
    const { signal, onApplied } = this.#parts;
    onApplied?.(this.#ledger.shard, this.#position.seq);
    // A shard that was armed by a previous worker may have other settings, or none yet.
    if (!await this.#acknowledger.step(this.#position)) return;
    while (!signal.aborted && await this.#round() === "next");
  }

  async #round(): Promise<StepResult> {
    const { log, signal } = this.#parts;
    const waitMs = this.#isMoreDue ? 1 : acknowledgeEveryMs;
    const entries = await log.read(this.#ledger.shard, this.#position, { entriesMax, waitMs, signal });
    if (entries.length === 0) await this.#ledger.beat();
    else if (await this.#applyEntries(entries) === "verify") return "verify";
    if (this.#isMoreDue || entries.length === 0) await this.#expireReservations();
    const acknowledged = await this.#acknowledger.step(this.#position);
    if (!acknowledged) return "verify";
    this.#observer.acknowledged(this.#ledger.shard, acknowledged.head, this.#position.seq);
    await this.#refusals.attempt(() => this.#compensate(acknowledged.head));
    await this.#refusals.attempt(() => this.#finishBaskets());
    await this.#recordHead(acknowledged.head);
    await this.#ledgerMetrics?.step();
    const unfit = await this.#checks.step(acknowledged);
    if (unfit.length > 0) {
      const { shard } = this.#ledger;
      this.#parts.logger.error("shard disarmed: server requirements not met", { shard, why: unfit });
      await this.#disarm();
      return "verify";
    }
    await this.#refusals.attempt(() => this.#sweep.step(this.#ledger.shard, this.#parts.deployment.id));
    await this.#refusals.attempt(() => this.#deleteOldRows());
    await this.#reconciler?.step(this.#position);
    return "next";
  }

  async #applyEntries(entries: readonly LogEntry[]): Promise<StepResult> {
    const { signal, world, onApplied, gatherMs = 0 } = this.#parts;
    let applied: Applied | undefined;
    const isTaken = await this.#refusals.attempt(async () => applied = await this.#apply(entries));
    if (!isTaken || !applied) {
      await pause(world, refusedRetryMs, this.#ledger, signal);
      return "next";
    }
    if (applied.kind !== "applied") {
      // After a mismatch the log is the right one. Else it may be that of keys restored from an older copy.
      await this.#disarm(applied.kind === "mismatch" ? undefined : "suspect");
      return "verify";
    }
    this.#refusals.over("ledger");
    if (applied.compensations > 0) this.#compensator.due();
    this.#baskets.applied(entries);
    this.#position = applied.cursor;
    onApplied?.(this.#ledger.shard, this.#position.seq);
    const events = entries.reduce((sum, entry) => sum + entry.events.length, 0);
    // A full read has more behind it: a worker that catches up does not wait.
    const isCaughtUp = entries.length < entriesMax;
    if (gatherMs > 0 && isCaughtUp && events < gatherEventsMin) await sleep(world, gatherMs, signal);
    return "next";
  }

  async #apply(entries: readonly LogEntry[]): Promise<Applied> {
    const { logger } = this.#parts;
    const { shard } = this.#ledger;
    const observed = this.#observer.applying(shard, entries);
    const applied = await apply(this.#ledger, entries).catch((error) => {
      observed.failed(error);
      throw error;
    });
    observed.ended(applied);
    const trace = traceIds(observed.traceparent);
    if (applied.kind !== "applied") {
      logger.error("log entries cannot be applied", { shard, why: whyNotApplied(applied), ...trace });
    } else if (applied.deadLetters > 0) {
      logger.error("dead letters", { shard, deadLetters: applied.deadLetters, ...trace });
    }
    return applied;
  }

  /**
   * Sends empty batches while expired reservations are due, 256 lines each; their events are applied in between. Without
   * requests nothing else expires reservations.
   */
  async #expireReservations(): Promise<void> {
    const { store, world } = this.#parts;
    this.#isMoreDue = false;
    const isTaken = await this.#refusals.attempt(async () => {
      const untilMs = world.elapsedMs() + expireForMs;
      do {
        const result = await store.decide(this.#ledger.shard, []);
        this.#isMoreDue = result.kind === "decided" && result.isMoreDue;
      } while (this.#isMoreDue && world.elapsedMs() < untilMs);
    });
    if (isTaken) this.#refusals.over("store");
  }

  async #compensate(head: number): Promise<void> {
    const { logger } = this.#parts;
    const { shard } = this.#ledger;
    const { returned, refused } = await this.#compensator.step(head, this.#position.seq);
    if (returned > 0) {
      logger.warn("sold twice after the idempotency window, units returned", { shard, lines: returned });
    }
    for (const reason of refused) {
      logger.error("sold twice after the idempotency window, units not returned", { shard, reason });
    }
  }

  async #finishBaskets(): Promise<void> {
    const { committed, aborted } = await this.#baskets.step();
    if (committed + aborted === 0) return;
    this.#parts.logger.info("baskets finished", { shard: this.#ledger.shard, committed, aborted });
  }

  /** A commit of its own, so at most every 200 ms, and only for numbers beyond the cursor. */
  async #recordHead(head: number): Promise<void> {
    const nowMs = this.#parts.world.elapsedMs();
    if (head <= Math.max(this.#recorded.head, this.#position.seq)) return;
    if (nowMs - this.#recorded.atMs < acknowledgeEveryMs) return;
    this.#recorded = { head, atMs: nowMs };
    await this.#refusals.attempt(() => this.#ledger.recordHead(head));
  }

  async #deleteOldRows(): Promise<void> {
    const numbers = await this.#movementRetention.step();
    if (numbers > 0) {
      this.#parts.logger.info("old movements summed up", { shard: this.#ledger.shard, numbers });
    }
    const lines = await this.#retention.step();
    if (lines > 0) this.#parts.logger.info("old order lines deleted", { shard: this.#ledger.shard, lines });
  }

  async #disarm(suspect?: "suspect"): Promise<void> {
    const { control, deployment } = this.#parts;
    await this.#refusals.attempt(() =>
      control.disarm(this.#ledger.shard, deployment.id, suspect === "suspect")
    );
  }
}
