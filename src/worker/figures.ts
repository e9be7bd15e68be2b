/**
 * Asks the ledger for what a report needs and the log does not tell, between two batches and only now and then.
 *
 * @module
 */
import type { ShardLedger } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";
import type { WorkerObserver } from "./observer.ts";

/** Reports are sent every 10 s. */
const askEveryMs = 10_000;
/** Below it a SKU is nearly gone: where the alert StockLow begins. */
const lowStockBelow = 100;
/** As many are exported in all. */
const lowStockMax = 100;

/** What is asked of a shard's books. */
export type FigureBooks = Pick<ShardLedger, "shard" | "countDeadLetters" | "lowStock">;

/** Tells a watch the figures of one shard. */
export class Figures {
  readonly #ledger: FigureBooks;
  readonly #world: World;
  readonly #watch: WorkerObserver;
  #dueMs: number;
  #askedForStock = false;

  /** The first question is due at once. */
  constructor(ledger: FigureBooks, world: World, watch: WorkerObserver) {
    this.#ledger = ledger;
    this.#world = world;
    this.#watch = watch;
    this.#dueMs = world.elapsedMs();
  }

  /** Asks when it is time. */
  async step(): Promise<void> {
    const nowMs = this.#world.elapsedMs();
    if (nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + askEveryMs;
    // Once a lease: the log tells what changes afterwards, and this looks at every SKU (a million: 0.1 s).
    const lowStock = this.#askedForStock ? null : await this.#ledger.lowStock(lowStockBelow, lowStockMax);
    this.#askedForStock = true;
    const deadLetters = await this.#ledger.countDeadLetters();
    this.#watch.figures(this.#ledger.shard, { deadLetters, lowStock });
  }
}
