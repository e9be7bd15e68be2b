/**
 * Compares the stock and the rules of every SKU, a slice at a time, while the shard sells.
 *
 * A slice is read from the store in one script, with the last number issued. When the ledger has applied that number, it
 * is asked for the same SKUs as they were just after it, so both sides are exact at any rate of sales. Names that differ
 * are read and compared a second time.
 *
 * @module
 */
import type { Position } from "../domain/event.ts";
import type { ShardControl } from "../decide/shard_control.ts";
import type { ShardReader } from "../decide/shard_reader.ts";
import type { ShardLedger } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";
import type { Compared, Found, Moment, Pass } from "./reconcile_pass.ts";
import { stockDifference, type Unequal } from "./stock_difference.ts";

export interface StockPassParts {
  readonly control: Pick<ShardControl, "inspect">;
  readonly reader: ShardReader;
  readonly ledger: Pick<ShardLedger, "shard" | "stock" | "stockAt" | "countSkus">;
  readonly world: World;
}

/** SKUs that one script reads: 0.3 ms of Redis. */
export const sliceSkus = 500;

/** A slice that was read from the store. */
interface Slice {
  readonly names: readonly string[];
  readonly values: readonly (string | null)[];
  readonly head: number;
  readonly atMs: number;
  /** All names of the slice of which these are read a second time. */
  readonly all: readonly string[] | undefined;
}

/** Where the SKUs up to `upTo` agreed. */
interface Agreed extends Moment {
  readonly upTo: string;
}

/** See {@link Pass}. The SKUs of the ledger by name, then those that only the store has. */
export class StockPass implements Pass {
  readonly #parts: StockPassParts;
  #slice: Slice | undefined;
  /** The last SKU of the slice, in the order of the ledger. */
  #after = "";
  /** Cursor of the store's names, once all of the ledger's were compared. */
  #scan: string | undefined;
  #scanned: string[] = [];
  /** SKUs of the ledger compared by this pass. */
  #compared = 0;
  #isLast = false;
  #isLedgerRead = false;
  /** By slices of the previous pass, and of this one. */
  #before: readonly Agreed[] = [];
  #now: Agreed[] = [];
  /** Compared next, without a place in the pass. */
  #extra: readonly string[] = [];
  #isExtra = false;
  /** Number of SKUs in the ledger when this pass began. */
  skus = 0;

  /** @param known when all SKUs of the shard agreed last; undefined when this is not known */
  constructor(parts: StockPassParts, readonly known: Moment | undefined) {
    this.#parts = parts;
  }

  /** Whether a slice waits for the ledger. */
  get isWaiting(): boolean {
    return this.#slice !== undefined;
  }

  /** The next step ends the pass, unless the store has more SKUs. */
  get isEnding(): boolean {
    return this.#isLedgerRead && this.#scan === undefined;
  }

  /** The next step compares these SKUs. */
  compareNext(skus: readonly string[]): void {
    this.#extra = skus;
  }

  async step(applied: Position): Promise<Compared | undefined> {
    const slice = this.#slice;
    if (slice === undefined) {
      const names = await this.#nextNames();
      if (names.length > 0) await this.#read(names);
      return names.length > 0 ? undefined : this.#settled([], new Map());
    }
    if (applied.seq < slice.head) return undefined;
    const { ledger } = this.#parts;
    const rows = new Map((await ledger.stockAt(slice.names, slice.head)).map((row) => [row.sku, row]));
    const unequal = new Map<string, Unequal>();
    slice.names.forEach((sku, i) => {
      const found = stockDifference(rows.get(sku), slice.values[i] ?? null);
      if (found) unequal.set(sku, found);
    });
    if (unequal.size > 0 && slice.all === undefined) {
      await this.#read([...unequal.keys()], slice.names);
      return undefined;
    }
    this.#slice = undefined;
    return this.#settled(slice.all ?? slice.names, unequal, slice);
  }

  async #read(names: readonly string[], all?: readonly string[]): Promise<void> {
    const { reader, ledger, world } = this.#parts;
    const atMs = world.now();
    const { head, values } = await reader.read(ledger.shard, "stock", names);
    this.#slice = { names, values, head, atMs, all };
  }

  /** The next slice; empty after the last one. */
  async #nextNames(): Promise<readonly string[]> {
    if (this.#extra.length > 0) {
      this.#isExtra = true;
      const extra = this.#extra;
      this.#extra = [];
      return extra;
    }
    const { ledger } = this.#parts;
    if (this.#scan === undefined) {
      if (this.#after === "") this.skus = await ledger.countSkus();
      const rows = await ledger.stock(this.#after, sliceSkus);
      this.#compared += rows.length;
      this.#after = rows.at(-1)?.sku ?? this.#after;
      this.#isLedgerRead = rows.length < sliceSkus;
      if (rows.length > 0) return rows.map(({ sku }) => sku);
      if (!await this.#storeHasMore()) return [];
      this.#scan = "";
    }
    return await this.#nextOfStore();
  }

  /** SKUs are never deleted, so a store with as many SKUs as the ledger has the same ones if all of those agree. */
  async #storeHasMore(): Promise<boolean> {
    const { control, ledger: { shard } } = this.#parts;
    return (await control.inspect(shard)).skus > this.#compared;
  }

  async #nextOfStore(): Promise<readonly string[]> {
    const { reader, ledger: { shard } } = this.#parts;
    while (this.#scanned.length === 0) {
      if (this.#isLast) return [];
      const page = await reader.names(shard, "stock", this.#scan ?? "");
      this.#scanned = page.names;
      this.#scan = page.next ?? "";
      this.#isLast = page.next === null;
    }
    return this.#scanned.splice(0, sliceSkus);
  }

  #settled(names: readonly string[], unequal: ReadonlyMap<string, Unequal>, slice?: Slice): Compared {
    const compared = new Set(names);
    const found = Array.from(
      unequal,
      ([name, one]): Found => ({ name, ...one, agreed: this.#agreed(name) }),
    );
    const [isExtra, isOver] = [this.#isExtra, slice === undefined];
    this.#isExtra = false;
    if (slice && !isExtra && this.#scan === undefined) {
      this.#now.push({ upTo: this.#after, seq: slice.head, atMs: slice.atMs });
    }
    if (isOver) this.#begin();
    const has = (what: string, name: string) => (what === "stock" || what === "rules") && compared.has(name);
    return { found, has, skus: isExtra ? 0 : names.length, isOver };
  }

  #begin(): void {
    [this.#before, this.#now] = [this.#now, []];
    [this.#after, this.#compared, this.#scan, this.#scanned] = ["", 0, undefined, []];
    [this.#isLast, this.#isLedgerRead] = [false, false];
  }

  #agreed(sku: string): Moment | undefined {
    const slice = this.#before.find(({ upTo }) => sku <= upTo);
    return slice ? { seq: slice.seq, atMs: slice.atMs } : this.known;
  }
}
