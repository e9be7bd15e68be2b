/**
 * The micro-batcher of one shard.
 *
 * Commands that arrive while a call is on its way leave together in the next one. There is no timer and
 * no waiting when idle: the first command of an idle lane leaves in the same turn of the event loop.
 *
 *     submit ──▶ waiting ──▶ in flight ──▶ settled
 *                   │            │
 *                   └── deadline ┴──▶ settled; the call keeps its place until its answer comes or its
 *                                     connection closes, so timed-out calls do not pile up on a frozen server
 *
 * @module
 */
import type { Cancel, World } from "../world.ts";
import { type Command, weight } from "./command.ts";
import type { Outcome } from "./outcome.ts";
import { type BatchResult, type StockStore, StoreError, type Timed } from "./store.ts";

/** Bounds of a lane. */
export interface LaneOptions {
  /** Most lines in one call. */
  readonly batchMax: number;
  /** Until when a command may take effect, ms after it arrived. */
  readonly requestTimeoutMs: number;
  /** Calls on their way at once. */
  readonly callsMax: number;
  /** Told about an error that no store should throw. */
  readonly onBroken: (error: unknown) => void;
}

interface Waiting extends Timed {
  /** The same deadline on this process's monotonic clock. */
  readonly expiresAtMs: number;
  readonly weight: number;
  settle: ((outcome: Outcome) => void) | undefined;
}

/** Batches the commands of one shard. */
export class Lane {
  #queue: Waiting[] = [];
  readonly #calls = new Set<readonly Waiting[]>();
  #cancelSweep: Cancel | undefined;
  #scheduled = false;
  /** The call that asks for the time, while it is on its way: never more than one. */
  #probe: Promise<BatchResult> | undefined;
  /** Store's clock minus this process's monotonic clock, ms; undefined until the first answer. */
  #clockOffsetMs: number | undefined;

  /** Sends nothing and sets no timer before the first command. */
  constructor(
    readonly shard: number,
    readonly store: StockStore,
    readonly world: World,
    readonly options: LaneOptions,
  ) {}

  /** Commands that wait for a call. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Decides one command. Settles at the latest at its deadline; never rejects. */
  async submit(command: Command): Promise<Outcome> {
    if (this.#clockOffsetMs === undefined) {
      const failure = await this.#learnClock();
      if (failure) return failure;
    }
    const nowMs = this.world.elapsedMs();
    const expiresAtMs = nowMs + this.options.requestTimeoutMs;
    // A reply's time is read before the reply arrives, so the estimate is early: the safe side.
    const deadlineMs = Math.floor(expiresAtMs + (this.#clockOffsetMs ?? 0));
    return new Promise((settle) => {
      this.#queue.push({ command, deadlineMs, expiresAtMs, weight: weight(command), settle });
      this.#schedule();
      this.#armSweep();
    });
  }

  /** Runs the real decision on a canary. Undefined when the shard can sell, else what is missing. */
  async probe(canary: Command): Promise<string | undefined> {
    const outcome = await this.submit(canary);
    switch (outcome.kind) {
      case "unarmed":
      case "overloaded":
      case "outcome_unknown":
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
    this.#cancelSweep = undefined;
  }

  /** An empty batch tells the store's time, without which no deadline can be set. */
  async #learnClock(): Promise<Outcome | undefined> {
    this.#probe ??= this.store.decide(this.shard, []).finally(() => this.#probe = undefined);
    const { promise, resolve } = Promise.withResolvers<"late">();
    const cancel = this.world.after(this.options.requestTimeoutMs, () => resolve("late"));
    try {
      const result = await Promise.race([this.#probe, promise]);
      if (result === "late") return { kind: "store_unavailable", reason: "no answer in time" };
      if (result.timeMs === 0) return { kind: "unarmed" };
      this.#setClock(result);
      return undefined;
    } catch (error) {
      return this.#outcomeOf(error);
    } finally {
      cancel();
    }
  }

  #setClock(result: BatchResult): void {
    if (result.timeMs > 0) this.#clockOffsetMs = result.timeMs - this.world.elapsedMs();
  }

  #schedule(): void {
    if (this.#scheduled || this.#calls.size >= this.options.callsMax) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    while (this.#queue.length > 0 && this.#calls.size < this.options.callsMax) {
      const batch = this.#takeBatch();
      if (batch.length > 0) void this.#call(batch);
    }
  }

  #takeBatch(): Waiting[] {
    let room = this.options.batchMax;
    let count = 0;
    for (const { weight } of this.#queue) {
      if (count > 0 && weight > room) break;
      room -= weight;
      count++;
      if (room <= 0) break;
    }
    const batch = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    return batch.filter((waiting) => waiting.settle);
  }

  async #call(batch: readonly Waiting[]): Promise<void> {
    this.#calls.add(batch);
    try {
      const result = await this.store.decide(this.shard, batch);
      this.#setClock(result);
      batch.forEach((waiting, i) => {
        const outcome: Outcome | undefined = result.kind === "decided" ? result.outcomes[i] : result;
        settle(waiting, outcome ?? { kind: "store_unavailable", reason: "reply is short" });
      });
    } catch (error) {
      await this.#failed(batch, error);
    } finally {
      this.#calls.delete(batch);
      if (this.#queue.length > 0) this.#schedule();
    }
  }

  /** A command that no script can decide must not take its batch with it: each goes alone. */
  async #failed(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (batch.length > 1 && error instanceof StoreError && error.effect === "poison") {
      for (const waiting of batch) {
        if (waiting.settle) await this.#call([waiting]);
      }
      return;
    }
    for (const waiting of batch) settle(waiting, this.#outcomeOf(error, waiting.deadlineMs));
  }

  /** One timer a lane, for whatever expires next: deadlines rise in the order of arrival. */
  #armSweep(): void {
    if (this.#cancelSweep) return;
    const next = this.#oldest();
    if (!next) return;
    const ms = Math.max(1, next.expiresAtMs - this.world.elapsedMs());
    this.#cancelSweep = this.world.after(ms, () => {
      this.#cancelSweep = undefined;
      this.#sweep();
      this.#armSweep();
    });
  }

  #oldest(): Waiting | undefined {
    for (const call of this.#calls) {
      const open = call.find((waiting) => waiting.settle);
      if (open) return open;
    }
    return this.#queue[0];
  }

  #sweep(): void {
    const nowMs = this.world.elapsedMs();
    for (const call of this.#calls) {
      for (const waiting of call) {
        if (waiting.expiresAtMs > nowMs) continue;
        settle(waiting, { kind: "outcome_unknown", deadlineMs: waiting.deadlineMs });
      }
    }
    // What never left took no effect, and now never will.
    const expired = this.#queue.findIndex((waiting) => waiting.expiresAtMs > nowMs);
    const gone = expired < 0 ? this.#queue : this.#queue.slice(0, expired);
    if (gone.length === 0) return;
    for (const waiting of gone) settle(waiting, { kind: "overloaded" });
    this.#queue = this.#queue.slice(gone.length);
  }

  #outcomeOf(error: unknown, deadlineMs?: number): Outcome {
    if (!(error instanceof StoreError)) this.options.onBroken(error);
    const certain = error instanceof StoreError && error.effect !== "unknown";
    if (!certain && deadlineMs !== undefined) return { kind: "outcome_unknown", deadlineMs };
    return { kind: "store_unavailable", reason: error instanceof StoreError ? error.code : "broken" };
  }
}

function settle(waiting: Waiting, outcome: Outcome): void {
  waiting.settle?.(outcome);
  waiting.settle = undefined;
}
