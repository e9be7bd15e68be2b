/**
 * The loop of an armed shard: a list of steps, run in order, again and again.
 *
 * @module
 */
import type { LogEntry, Position } from "../domain/event.ts";
import type { ShardLedger } from "../ledger/ledger.ts";
import { traceIds } from "../runtime/logger.ts";
import { apply, type Booked, LedgerMismatch, whyNotApplied } from "./apply.ts";
import { Compensator } from "./compensate.ts";
import { Figures } from "./figures.ts";
import { Visits } from "./heartbeat.ts";
import { unwatched, type WorkerObserver } from "./observer.ts";
import { QuotaSweep } from "./quota_sweep.ts";
import { Refusals } from "./refusals.ts";
import { Retention } from "./retention.ts";
import { FitnessWatch } from "./server_checks.ts";
import { pause, refusedRetryMs, type ShardWorkerParts } from "./shard_parts.ts";

/** An idle shard is acknowledged this often, so a store that restarted is found within it. */
const acknowledgeEveryMs = 200;
/** How long the worker gives back lapsed reservations before it applies the events of that to the ledger. */
const lapseForMs = 25;
/** Entries a transaction: at most 64 batches of the store. */
const entriesMax = 64;

/** `next`: go on with the next step. `verify`: the shard must be verified before it sells again. */
type StepResult = "next" | "verify";

/** Applies the log and acknowledges it, until the store is no longer the one that was armed. */
export class RunLoop {
  readonly #ledger: ShardLedger;
  readonly #parts: ShardWorkerParts;
  readonly #watch: WorkerObserver;
  readonly #compensator: Compensator;
  readonly #refusals: Refusals;
  readonly #checks: FitnessWatch;
  readonly #retention: Retention;
  readonly #sweep: QuotaSweep;
  readonly #figures: Figures | undefined;
  readonly #visits: Visits;
  /** Of the last event in the ledger. */
  #position: Position;
  #noted: { readonly head: number; readonly atMs: number };
  #isMoreDue = false;

  /**
   * Sends nothing yet.
   *
   * @param position of the last event in the ledger, under the epoch of the arming
   * @param nonce that the arming left or found
   */
  constructor(ledger: ShardLedger, position: Position, nonce: string, parts: ShardWorkerParts) {
    const { world, logger } = parts;
    this.#ledger = ledger;
    this.#parts = parts;
    this.#watch = parts.watch ?? unwatched;
    this.#compensator = new Compensator(ledger, parts.store, world);
    this.#refusals = new Refusals(ledger.shard, world, logger, parts.onFailure);
    this.#checks = new FitnessWatch({ ...parts, ledger, refusals: this.#refusals });
    this.#retention = new Retention(ledger, world, parts.retentionMs);
    this.#sweep = new QuotaSweep(parts.control, world);
    this.#figures = parts.watch && new Figures(ledger, world, parts.watch);
    this.#visits = new Visits(nonce, { ...parts, ledger, refusals: this.#refusals });
    this.#position = position;
    this.#noted = { head: position.seq, atMs: world.elapsedMs() };
  }

  /** Returns when `parts.signal` aborts, or when the shard must be verified again. */
  async run(): Promise<void> {
    const { signal, onApplied } = this.#parts;
    onApplied?.(this.#ledger.shard, this.#position.seq);
    // A shard that was armed before this worker came may decide by other settings, or have none yet.
    if (!await this.#visits.step(this.#position)) return;
    try {
      while (!signal.aborted && await this.#round() === "next");
    } catch (error) {
      if (error instanceof LedgerMismatch) await this.#disarm();
      throw error;
    }
  }

  async #round(): Promise<StepResult> {
    const { log, signal } = this.#parts;
    const waitMs = this.#isMoreDue ? 1 : acknowledgeEveryMs;
    const entries = await log.read(this.#ledger.shard, this.#position, { entriesMax, waitMs, signal });
    if (entries.length === 0) await this.#ledger.beat();
    else if (await this.#applyEntries(entries) === "verify") return "verify";
    if (this.#isMoreDue || entries.length === 0) await this.#giveBackLapsed();
    const visit = await this.#visits.step(this.#position);
    if (!visit) return "verify";
    this.#watch.visited(this.#ledger.shard, visit.head, this.#position.seq);
    await this.#refusals.attempt(() => this.#compensate(visit.head));
    await this.#noteHead(visit.head);
    await this.#figures?.step();
    const unfit = await this.#checks.step(visit);
    if (unfit.length > 0) {
      const { shard } = this.#ledger;
      this.#parts.logger.error("servers must not be sold on any more", { shard, why: unfit });
      await this.#disarm();
      return "verify";
    }
    await this.#refusals.attempt(() => this.#sweep.step(this.#ledger.shard, this.#parts.deployment.id));
    await this.#refusals.attempt(() => this.#deleteOldLines());
    return "next";
  }

  async #applyEntries(entries: readonly LogEntry[]): Promise<StepResult> {
    const { signal, world, onApplied } = this.#parts;
    let applied: Counted | undefined;
    const isTaken = await this.#refusals.attempt(async () => applied = await this.#apply(entries));
    if (!isTaken) {
      await pause(world, refusedRetryMs, this.#ledger, signal);
      return "next";
    }
    if (!applied) {
      await this.#disarm("suspect"); // the log may be that of keys that were put back
      return "verify";
    }
    this.#refusals.over("ledger");
    if (applied.compensations > 0) this.#compensator.due();
    this.#position = applied.cursor;
    onApplied?.(this.#ledger.shard, this.#position.seq);
    return "next";
  }

  /** Undefined when the entries do not follow on the ledger: the log line says why. */
  async #apply(entries: readonly LogEntry[]): Promise<Counted | undefined> {
    const { logger } = this.#parts;
    const { shard } = this.#ledger;
    const observed = this.#watch.booking(shard, entries);
    const applied = await apply(this.#ledger, entries).catch((error) => {
      observed.failed(error);
      throw error;
    });
    observed.ended(applied);
    const trace = traceIds(observed.traceparent);
    if (applied.kind !== "applied") {
      logger.error("log cannot be booked", { shard, why: whyNotApplied(applied), ...trace });
      return undefined;
    }
    if (applied.deadLetters > 0) {
      logger.error("dead letters", { shard, deadLetters: applied.deadLetters, ...trace });
    }
    return applied;
  }

  /**
   * Empty batches, 256 lines each, while more is due; what they leave in the log is applied in between. Without requests
   * nothing else gives back reservations that have lapsed.
   */
  async #giveBackLapsed(): Promise<void> {
    const { store, world } = this.#parts;
    this.#isMoreDue = false;
    const isTaken = await this.#refusals.attempt(async () => {
      const untilMs = world.elapsedMs() + lapseForMs;
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
    const { given, refused } = await this.#compensator.step(head, this.#position.seq);
    if (given > 0) logger.warn("sold twice after the window, given back", { shard, lines: given });
    for (const reason of refused) {
      logger.error("sold twice after the window, not given back", { shard, reason });
    }
  }

  /** A commit of its own, so once a tick. What is applied the cursor knows. */
  async #noteHead(head: number): Promise<void> {
    const nowMs = this.#parts.world.elapsedMs();
    if (head <= Math.max(this.#noted.head, this.#position.seq)) return;
    if (nowMs - this.#noted.atMs < acknowledgeEveryMs) return;
    this.#noted = { head, atMs: nowMs };
    await this.#refusals.attempt(() => this.#ledger.noteHead(head));
  }

  async #deleteOldLines(): Promise<void> {
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

type Counted = Extract<Booked, { kind: "applied" }>;
