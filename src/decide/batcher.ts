/**
 * The micro-batcher of one shard. Commands that arrive while a call is in flight leave together in the next call. There
 * is no timer: the first command of an idle batcher leaves at once, and under load a call leaves at the end of the turn
 * of the event loop, with all that the turn brought. A full call waits for no end of a turn, and while the next one is
 * full, more of them may be on their way.
 *
 *     submit ──▶ waiting ──▶ in flight ──▶ settled
 *                   │            │
 *                   └── deadline ┴──▶ settled; the call keeps its place until its answer comes or its
 *                                     connection closes, so timed-out calls do not pile up on a frozen server
 *
 * @module
 */
import type { Cancel, World } from "../runtime/world.ts";
import { type Command, weight } from "../domain/command.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { CommandTimings, StoreCall } from "./command_timings.ts";
import { isForAPerson, StoreError } from "../domain/errors.ts";
import { Pace } from "./pace.ts";
import { StoreClock } from "./store_clock.ts";
import {
  endExpired,
  mayGoAgain,
  oldestOpen,
  outcomeOf,
  type Settle,
  settle,
  takeBatch,
  type Waiting,
  withDeadlines,
} from "./waiting.ts";
import type { BatchResult, StockStore } from "./store.ts";

/** Bounds of a batcher. */
export interface BatcherOptions {
  /** Most lines in one call. */
  readonly batchMax: number;
  /** Until when a command may take effect, ms after it arrived. */
  readonly requestTimeoutMs: number;
  /** Calls on their way at once. */
  readonly callsMax: number;
  /** The same while the next call is full; default `callsMax`. */
  readonly fullCallsMax?: number;
  /** Called with an error that no store should throw. */
  readonly onBroken: (error: unknown) => void;
  /** Called after every call to the store. */
  readonly onCall?: (call: StoreCall) => void;
}

/**
 * Part of its time after which a command may expect its answer. Beyond it, it is refused at once: a client that hears so
 * in time asks again, and one that is queued hears it after REQUEST_TIMEOUT_MS.
 */
const waitShareMax = 0.5;

/** Counts the calls of all batchers. */
let calls = 0;

/** Batches the commands of one shard. */
export class Batcher {
  #queue: Waiting[] = [];
  readonly #calls = new Set<readonly Waiting[]>();
  #cancelSweep: Cancel | undefined;
  #sweepAtMs = Infinity;
  #scheduled = false;
  /** Commands of the last call. */
  #lastSize = 0;
  /** The call that asks for the time, while it is on its way: never more than one. */
  #probe: Promise<BatchResult> | undefined;
  #unarmed = false;
  readonly #pace = new Pace();
  /** The store's clock. */
  readonly clock = new StoreClock();

  /** Sends nothing and sets no timer before the first command. */
  constructor(
    readonly shard: number,
    readonly store: StockStore,
    readonly world: World,
    readonly options: BatcherOptions,
  ) {}

  /** Commands that wait for a call. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Whether a command that came now would wait too long for its answer, at the speed of the last calls. */
  get isBehind(): boolean {
    if (!this.#isSaturated) return false;
    let before = this.#queue.length;
    for (const call of this.#calls) before += call.length;
    return this.#pace.waitMs(before) > waitShareMax * this.options.requestTimeoutMs;
  }

  /** Whether the store is what limits: commands wait for a call, or more calls than usual are on their way. */
  get #isSaturated(): boolean {
    return this.#queue.length > 0 || this.#calls.size > this.options.callsMax;
  }

  /** Whether the shard refused to sell when it was last asked. */
  get unarmed(): boolean {
    return this.#unarmed;
  }

  /** Decides one command, by a deadline that counts from `askedAtMs` (monotonic; default now). Never rejects. */
  submit(command: Command, timings?: CommandTimings, askedAtMs = this.world.elapsedMs()): Promise<Outcome> {
    return new Promise((settle) => this.enqueue(command, settle, askedAtMs, timings));
  }

  /** The same with a callback: a promise less for each order. */
  enqueue(command: Command, settle: Settle, askedAtMs: number, timings?: CommandTimings): void {
    const expiresAtMs = askedAtMs + this.options.requestTimeoutMs;
    const waiting = { command, deadlineMs: 0, expiresAtMs, weight: weight(command), timings, settle };
    if (this.clock.isKnown) return this.#push(waiting);
    void this.#learnClock().then((refusal) => refusal ? settle(refusal) : this.#push(waiting));
  }

  #push(waiting: Waiting): void {
    const { expiresAtMs, timings } = waiting;
    if (timings) timings.queuedAtMs = this.world.elapsedMs();
    const last = this.#queue.at(-1);
    this.#queue.push(waiting);
    // One that was asked before it came here has less time left than those that came meanwhile.
    if (last && last.expiresAtMs > expiresAtMs) this.#queue.sort((a, b) => a.expiresAtMs - b.expiresAtMs);
    this.#schedule();
    if (expiresAtMs < this.#sweepAtMs) this.#armSweep();
  }

  /**
   * Runs the real decision on a canary, after an empty batch, with which the store checks the rights of its user.
   * Undefined when the shard can sell, else what is missing.
   */
  async probe(canary: Command): Promise<string | undefined> {
    const outcome = await this.#learnClock() ?? await this.submit(canary);
    switch (outcome.kind) {
      case "unarmed":
        return outcome.reason === undefined ? outcome.kind : `${outcome.kind}: ${outcome.reason}`;
      case "overloaded":
      case "outcome_unknown":
      case "store_full":
        return outcome.kind;
      case "store_unavailable":
        return outcome.reason;
      default:
        return undefined;
    }
  }

  /** Stops the timer. Call it when nothing is waiting any more. */
  close(): void {
    this.#cancelSweep?.();
    this.#sweepAtMs = Infinity;
  }

  /** An empty batch returns the store's time, which deadlines need. */
  async #learnClock(): Promise<Outcome | undefined> {
    const sentAtMs = this.world.elapsedMs();
    const { promise, resolve } = Promise.withResolvers<"late">();
    const cancel = this.world.after(this.options.requestTimeoutMs, () => resolve("late"));
    try {
      this.#probe ??= this.#decide([]).finally(() => this.#probe = undefined);
      const result = await Promise.race([this.#probe, promise]);
      if (result === "late") return { kind: "store_unavailable", reason: "no answer in time" };
      this.#unarmed = result.kind === "unarmed";
      if (result.kind === "unarmed") return result;
      this.clock.learn(result.timeMs, { sentAtMs, answeredAtMs: this.world.elapsedMs() });
      return undefined;
    } catch (error) {
      return this.#outcomeOf(error);
    } finally {
      cancel();
    }
  }

  /** With deadlines by the clock of the server that decides: the store says when that is another one. */
  #decide(batch: readonly Waiting[]): Promise<BatchResult> {
    return this.store.decide(this.shard, withDeadlines(batch, this.clock), (timeMs) => {
      this.clock.replaced(timeMs, this.world.elapsedMs());
      return withDeadlines(batch, this.clock);
    });
  }

  #schedule(): void {
    if (this.#scheduled || !this.#mayCall()) return;
    this.#scheduled = true;
    const dispatch = () => {
      this.#scheduled = false;
      this.#dispatch();
    };
    // A call at the end of the turn has twice as many commands: 37 in place of 17 with 64 connections, at 0.6 to 0.9 ×
    // of the CPU of API and Redis. A command that is alone does not wait.
    const isAlone = this.#calls.size === 0 && this.#lastSize <= 1;
    if (isAlone || this.#isFull()) queueMicrotask(dispatch);
    else this.world.afterTurn(dispatch);
  }

  #mayCall(): boolean {
    const { callsMax, fullCallsMax = callsMax } = this.options;
    return this.#calls.size < (this.#isFull() ? fullCallsMax : callsMax);
  }

  /** Whether the next call has as much as a call may have; a heavy command counts as one here. */
  #isFull(): boolean {
    return this.#queue.length >= this.options.batchMax;
  }

  #dispatch(): void {
    while (this.#queue.length > 0 && this.#mayCall()) {
      const { batch, rest } = takeBatch(this.#queue, this.options.batchMax);
      this.#queue = rest;
      void this.#call(batch);
    }
  }

  async #call(batch: readonly Waiting[]): Promise<void> {
    this.#calls.add(batch);
    this.#lastSize = batch.length;
    const call = this.#noteCall(batch);
    try {
      const result = await this.#decide(batch);
      this.#unarmed = result.kind === "unarmed";
      call.answeredAtMs = this.world.elapsedMs();
      this.options.onCall?.(call);
      this.clock.learn(result.timeMs, call);
      this.#pace.answered(batch.length, this.#isSaturated, call.answeredAtMs);
      const postponed: Waiting[] = [];
      batch.forEach((waiting, i) => {
        const outcome: Outcome | undefined = result.kind === "decided" ? result.outcomes[i] : result;
        if (outcome?.kind === "postponed" && mayGoAgain(waiting, call)) {
          waiting.weight = Math.max(waiting.weight, outcome.lines);
          postponed.push(waiting);
          return;
        }
        settle(
          waiting,
          outcome ?? { kind: "store_unavailable", reason: "reply is short" },
          call.answeredAtMs,
        );
      });
      this.#askAgain(postponed);
    } catch (error) {
      call.answeredAtMs = this.world.elapsedMs();
      call.error = error instanceof StoreError ? error.code : "broken";
      this.options.onCall?.(call);
      await this.#failed(batch, error);
    } finally {
      this.#calls.delete(batch);
      if (this.#queue.length > 0) this.#schedule();
    }
  }

  /** Puts what the store had no time for back into the queue, in the order of deadlines. */
  #askAgain(postponed: readonly Waiting[]): void {
    if (postponed.length === 0) return;
    this.#queue = [...postponed, ...this.#queue].sort((a, b) => a.expiresAtMs - b.expiresAtMs);
    this.#armSweep();
  }

  #noteCall(batch: readonly Waiting[]): StoreCall {
    const sentAtMs = this.world.elapsedMs();
    const call = { id: ++calls, shard: this.shard, size: batch.length, sentAtMs, answeredAtMs: 0, error: "" };
    for (const { timings } of batch) {
      if (timings) timings.call = call;
    }
    return call;
  }

  /** A command that no script can decide must not take its batch with it: each goes alone. */
  async #failed(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (batch.length > 1 && error instanceof StoreError && error.effect === "poison") {
      for (const waiting of batch) {
        if (waiting.settle) await this.#call([waiting]);
      }
      return;
    }
    const nowMs = this.world.elapsedMs();
    for (const waiting of batch) settle(waiting, this.#outcomeOf(error, waiting.deadlineMs), nowMs);
  }

  /** One timer a batcher, for the next deadline: in the queue and in a call deadlines rise. */
  #armSweep(): void {
    this.close();
    const next = oldestOpen(this.#calls, this.#queue);
    if (!next) return;
    this.#sweepAtMs = next.expiresAtMs;
    const ms = Math.max(1, next.expiresAtMs - this.world.elapsedMs());
    this.#cancelSweep = this.world.after(ms, () => {
      this.#queue = endExpired(this.#calls, this.#queue, this.world.elapsedMs());
      this.#armSweep();
    });
  }

  #outcomeOf(error: unknown, deadlineMs?: number): Outcome {
    if (!(error instanceof StoreError) || isForAPerson(error)) this.options.onBroken(error);
    return outcomeOf(error, deadlineMs);
  }
}
