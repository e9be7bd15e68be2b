/**
 * Reads from the ledger the metrics that the log does not contain: between two batches, every 10 s.
 *
 * @module
 */
import type { ShardLedger } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";
import type { WorkerObserver } from "./observer.ts";

/** The export interval of metrics. */
const readEveryMs = 10_000;
/** The threshold of the alert StockLow. */
const lowStockBelow = 100;
/** Limits the number of time series. */
const lowStockMax = 100;

export type MetricsLedger = Pick<ShardLedger, "shard" | "countDeadLetters" | "lowStock">;

/** Reports the ledger metrics of one shard to an observer. */
export class LedgerMetrics {
  readonly #ledger: MetricsLedger;
  readonly #world: World;
  readonly #observer: WorkerObserver;
  #dueMs: number;
  #isStockRead = false;

  constructor(ledger: MetricsLedger, world: World, observer: WorkerObserver) {
    this.#ledger = ledger;
    this.#world = world;
    this.#observer = observer;
    this.#dueMs = world.elapsedMs();
  }

  async step(): Promise<void> {
    const nowMs = this.#world.elapsedMs();
    if (nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + readEveryMs;
    // Once per lease: later changes are in the log, and the query scans every SKU (a million: 0.1 s).
    const lowStock = this.#isStockRead ? null : await this.#ledger.lowStock(lowStockBelow, lowStockMax);
    this.#isStockRead = true;
    const deadLetters = await this.#ledger.countDeadLetters();
    this.#observer.ledgerMetrics(this.#ledger.shard, { deadLetters, lowStock });
  }
}
