/**
 * The embedded default's promise: no answer before the ledger's commit of what it depends on.
 *
 * @module
 */
import type { BatchResult, Retime, StockStore, Timed } from "./store.ts";

/** How far the ledger is, and who waits for it. */
export class Watermark {
  readonly #reached: number[] = [];
  readonly #waiting: { shard: number; seq: number; resolve: () => void }[] = [];

  /** The last number that the ledger of a shard is known to have; -1 until it says so. */
  at(shard: number): number {
    return this.#reached[shard] ?? -1;
  }

  /** Answers that wait for a commit. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The ledger of a shard has committed everything up to `seq`. */
  advance(shard: number, seq: number): void {
    this.#reached[shard] = Math.max(seq, this.at(shard));
    for (let i = this.#waiting.length - 1; i >= 0; i--) {
      const waiter = this.#waiting[i];
      if (!waiter || waiter.shard !== shard || waiter.seq > seq) continue;
      this.#waiting.splice(i, 1);
      waiter.resolve();
    }
  }

  /** Resolves when the ledger has committed `seq`. A commit that fails ends the process instead. */
  reached(shard: number, seq: number): Promise<void> {
    if (this.at(shard) >= seq) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ shard, seq, resolve }));
  }
}

/**
 * Holds every answer back until the log's head at that moment is in the ledger: a refusal too, since it
 * may rest on a sale that a crash would undo.
 */
export class DurableStore implements StockStore {
  /** Waits for `watermark`, which the worker advances; {@link close} closes `store`. */
  constructor(readonly store: StockStore, readonly watermark: Watermark) {}

  /** Decides in the inner store, then waits; an unarmed shard's answer rests on nothing and does not. */
  async decide(shard: number, batch: readonly Timed[], retime?: Retime): Promise<BatchResult> {
    const result = await this.store.decide(shard, batch, retime);
    if (result.kind === "decided") await this.watermark.reached(shard, result.head);
    return result;
  }

  /** As the inner store has them. */
  guaranteesOff(shard: number): Promise<readonly string[]> {
    return this.store.guaranteesOff(shard);
  }

  /** Closes the inner store. Answers that wait for the ledger go on waiting. */
  close(): Promise<void> {
    return this.store.close();
  }
}
