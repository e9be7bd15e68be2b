/**
 * Chooses the SKUs with a series of their own: those that sell most at present, and those that are nearly sold out. All
 * SKUs are in the ledger; a metrics store cannot hold a series for each of a million SKUs.
 *
 * @module
 */
import type { World } from "../runtime/world.ts";
import { stockSkusMax } from "./instruments.ts";
import type { Reading } from "./meter.ts";

/** Series for SKUs that sell most; the others are for SKUs that are nearly sold out. */
const hotMax = stockSkusMax / 2;
/** Maximum number of remembered SKUs; beyond it, only nearly sold-out ones are added. 1 MB at most. */
const knownMax = 5000;
/** Sales are counted by windows of this length: the last whole one and the one that runs. */
const windowMs = 60_000;
/** Below it, a SKU is nearly sold out: the threshold of the alert StockLow. */
const lowBelow = 100;

interface Sku {
  readonly shard: number;
  available: number;
  sold: number;
  soldBefore: number;
}

export class StockBoard {
  readonly #world: World;
  readonly #skus = new Map<string, Sku>();
  #windowEndsMs: number;

  constructor(world: World) {
    this.#world = world;
    this.#windowEndsMs = world.elapsedMs() + windowMs;
  }

  /** Number of remembered SKUs. */
  get size(): number {
    return this.#skus.size;
  }

  /** A SKU has `available` units now; `sold` units were sold in this step. */
  saw(shard: number, sku: string, available: number, sold: number): void {
    const known = this.#skus.get(sku);
    if (known) {
      known.available = available;
      known.sold += sold;
    } else if (this.#skus.size < knownMax || available < lowBelow && this.#forgetOne()) {
      this.#skus.set(sku, { shard, available, sold, soldBefore: 0 });
    }
  }

  /** The lease of a shard has ended. */
  forget(shard: number): void {
    for (const [sku, known] of this.#skus) if (known.shard === shard) this.#skus.delete(sku);
  }

  /** At most {@link stockSkusMax}. */
  readings(): Reading[] {
    this.#turn();
    const hot = [...this.#skus].filter(([, sku]) => heat(sku) > 0).toSorted(([, a], [, b]) =>
      heat(b) - heat(a)
    )
      .slice(0, hotMax);
    const shown = new Map(hot);
    // SKUs that are nearly sold out before those that are sold out.
    const low = [...this.#skus].filter(([sku, { available }]) => available < lowBelow && !shown.has(sku))
      .toSorted(([, a], [, b]) =>
        Number(a.available === 0) - Number(b.available === 0) || a.available - b.available
      );
    for (const [sku, known] of low.slice(0, stockSkusMax - shown.size)) shown.set(sku, known);
    return [...shown].map(([sku, { shard, available }]) => ({ value: available, labels: { sku, shard } }));
  }

  #turn(): void {
    const nowMs = this.#world.elapsedMs();
    if (nowMs < this.#windowEndsMs) return;
    this.#windowEndsMs = nowMs + windowMs;
    for (const [name, sku] of this.#skus) {
      // A SKU that neither sold nor is nearly sold out is replaced.
      if (heat(sku) === 0 && sku.available >= lowBelow) this.#skus.delete(name);
      sku.soldBefore = sku.sold;
      sku.sold = 0;
    }
  }

  /** Whether there is room for another. */
  #forgetOne(): boolean {
    for (const [name, sku] of this.#skus) {
      if (sku.available < lowBelow) continue;
      this.#skus.delete(name);
      return true;
    }
    return false;
  }
}

function heat({ sold, soldBefore }: Sku): number {
  return sold + soldBefore;
}
