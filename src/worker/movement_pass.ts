/**
 * Sums the movements of every SKU and compares them with the table `stock`, in pages, while the worker applies events.
 *
 * The sums of at most 100,000 SKUs are in memory at once: a larger shard is read once for each such range. A range with
 * differences is read a second time, because a correction may have come between its page and the comparison.
 *
 * @module
 */
import type { Position } from "../domain/event.ts";
import type { ShardLedger } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";
import type { Compared, Found, Moment, Pass } from "./reconcile_pass.ts";
import { nothing, quantities } from "./stock_difference.ts";

export interface MovementPassParts {
  readonly ledger: Pick<ShardLedger, "stock" | "openings" | "sumMovements" | "nthSku">;
  readonly world: World;
  /** SKUs whose sums are in memory at once. */
  readonly rangeSkus?: number;
}

/** 10 MB. */
const rangeSkusMax = 100_000;
/** Numbers of one page: 5 to 30 ms for orders of one line; orders of 100 lines get fewer. */
const [pageNumbersMin, pageNumbersMax] = [100, 5000];
const pageSlowMs = 30;
const stockRows = 500;

/** No number: the opening balances are not read yet. */
const unread = -2;

interface Sum {
  available: number;
  reserved: number;
}

/** See {@link Pass}. */
export class MovementPass implements Pass {
  readonly #ledger: MovementPassParts["ledger"];
  readonly #world: World;
  readonly #rangeSkus: number;
  readonly #sums = new Map<string, Sum>();
  #pageNumbers = pageNumbersMax;
  /** SKU before the range; the last SKU of the range, empty = to the last; undefined = the range has not begun. */
  #from = "";
  #to: string | undefined;
  /** Movements are summed up to this number. */
  #seq = unread;
  /** Stock is compared up to this SKU. */
  #compared = "";
  #found = new Map<string, Omit<Found, "agreed">>();
  /** The differences of the first reading of the range; undefined while it is read for the first time. */
  #first: ReadonlyMap<string, Omit<Found, "agreed">> | undefined;
  #begun: Moment | undefined;
  #agreed: Moment | undefined;

  constructor({ ledger, world, rangeSkus = rangeSkusMax }: MovementPassParts) {
    this.#ledger = ledger;
    this.#world = world;
    this.#rangeSkus = rangeSkus;
  }

  async step(applied: Position): Promise<Compared | undefined> {
    if (this.#to === undefined) {
      this.#to = await this.#ledger.nthSku(this.#from, this.#rangeSkus) ?? "";
      this.#compared = this.#from;
      this.#begun ??= { seq: applied.seq, atMs: this.#world.now() };
    }
    if (this.#seq === unread) await this.#open();
    await this.#sumPage(applied.seq);
    if (this.#seq < applied.seq) return undefined;
    return await this.#compare() ? this.#endRange() : undefined;
  }

  async #open(): Promise<void> {
    const { seq, balances } = await this.#ledger.openings(this.#compared, this.#to ?? "");
    for (const { sku, available, reserved } of balances) this.#sums.set(sku, { available, reserved });
    this.#seq = seq;
  }

  async #sumPage(end: number): Promise<void> {
    if (this.#seq >= end) return;
    const toSeq = Math.min(end, this.#seq + this.#pageNumbers);
    const startMs = this.#world.elapsedMs();
    const range = { afterSeq: this.#seq, toSeq, afterSku: this.#compared, toSku: this.#to ?? "" };
    for (const { sku, available, reserved } of await this.#ledger.sumMovements(range)) {
      const sum = this.#sums.get(sku) ?? { available: 0, reserved: 0 };
      sum.available += available;
      sum.reserved += reserved;
      this.#sums.set(sku, sum);
    }
    this.#seq = toSeq;
    const isSlow = this.#world.elapsedMs() - startMs > pageSlowMs;
    const wanted = isSlow ? this.#pageNumbers / 2 : this.#pageNumbers * 2;
    this.#pageNumbers = Math.min(pageNumbersMax, Math.max(pageNumbersMin, Math.floor(wanted)));
  }

  /** Compares a page of stock with the sums at the cursor. Returns whether the range is compared. */
  async #compare(): Promise<boolean> {
    const rows = await this.#ledger.stock(this.#compared, stockRows);
    const inRange = this.#to === "" ? rows : rows.slice(0, rows.findIndex(({ sku }) => sku === this.#to) + 1);
    const isWhole = this.#to === "" ? rows.length < stockRows : inRange.length > 0;
    const page = inRange.length > 0 ? inRange : rows;
    for (const row of page) {
      const sum = this.#sums.get(row.sku);
      this.#sums.delete(row.sku);
      this.#note(row.sku, quantities(row), quantities(sum ?? { available: 0, reserved: 0 }));
      this.#compared = row.sku;
    }
    if (!isWhole && page.length > 0) return false;
    for (const [sku, sum] of this.#sums) this.#note(sku, nothing, quantities(sum));
    return true;
  }

  #note(name: string, stock: string, sum: string): void {
    if (stock === sum) return;
    this.#found.set(name, {
      name,
      what: "movements",
      ledger: `stock ${stock}`,
      store: `movements ${sum}`,
    });
  }

  #endRange(): Compared | undefined {
    const [first, found, to] = [this.#first, this.#found, this.#to];
    this.#sums.clear();
    this.#found = new Map();
    this.#seq = unread;
    if (first === undefined && found.size > 0) {
      [this.#first, this.#compared] = [found, this.#from];
      return undefined;
    }
    const from = this.#from;
    const confirmed = [...found.values()].filter(({ name }) => first?.has(name));
    const agreed = this.#agreed;
    const isOver = to === "";
    if (isOver) [this.#agreed, this.#begun] = [this.#begun, undefined];
    [this.#from, this.#to, this.#first] = [isOver ? "" : to ?? "", undefined, undefined];
    const isIn = (name: string) => name > from && (isOver || name <= (to ?? ""));
    return {
      found: confirmed.map((one) => ({ ...one, agreed })),
      has: (what, name) => what === "movements" && isIn(name),
      skus: 0,
      isOver,
    };
  }
}
