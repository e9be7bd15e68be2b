/**
 * Which SKUs are worth a series of their own: those that sell most now, and those that are nearly gone. Everything else
 * is in the ledger; a series for each of a million SKUs would be the end of a metrics store.
 *
 * @module
 */
import type { World } from "../runtime/world.ts";
import { stockSkusMax } from "./instruments.ts";
import type { Reading } from "./meter.ts";

/** Of the places, this many are for what sells; those that are left over go to what is nearly gone. */
const hotMax = stockSkusMax / 2;
/** SKUs that are remembered; beyond them only one that is nearly gone is. 1 MB at most. */
const knownMax = 5000;
/** Sales are counted by windows of this length: the last whole one and the one that runs. */
const windowMs = 60_000;
/** Below it a SKU is nearly gone: where the alert StockLow begins. */
const lowBelow = 100;

interface Sku {
  readonly shard: number;
  available: number;
  sold: number;
  soldBefore: number;
}

/** The SKUs of the shards that this process keeps. */
export class StockBoard {
  readonly #world: World;
  readonly #skus = new Map<string, Sku>();
  #windowEndsMs: number;

  /** Empty at first. */
  constructor(world: World) {
    this.#world = world;
    this.#windowEndsMs = world.elapsedMs() + windowMs;
  }

  /** SKUs that are remembered. */
  get size(): number {
    return this.#skus.size;
  }

  /** A SKU has `available` units now; `sold` of them went in this step. */
  saw(shard: number, sku: string, available: number, sold: number): void {
    const known = this.#skus.get(sku);
    if (known) {
      known.available = available;
      known.sold += sold;
    } else if (this.#skus.size < knownMax || available < lowBelow && this.#forgetOne()) {
      this.#skus.set(sku, { shard, available, sold, soldBefore: 0 });
    }
  }

  /** A shard is kept by somebody else now. */
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
    // What is nearly gone before what is gone: nobody has to hurry for that.
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
      // What neither sold nor is nearly gone makes room for what does.
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
