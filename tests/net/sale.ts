/**
 * Buyers who go on buying while links are cut: one for each SKU, so that it is known how long each shard sold
 * nothing, and an audit of all that they heard at the end.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { waitFor } from "../../tools/servers/wait.ts";
import {
  assertLedger,
  type LedgerTables,
  readLedger,
  stockOf,
  stockUp,
  unitsOf,
} from "../system/ledger_audit.ts";
import type { Heard } from "../system/load_clients.ts";
import type { Order } from "../system/plan.ts";
import { HistoryRecorder } from "../system/recorder.ts";
import type { Service } from "../system/stack.ts";

/** A sale every 20 ms tells a pause to that, and leaves the cores to the servers. */
const PAUSE_MS = 20;
const STOCK = 100_000;
const SETTLE_DEADLINE_MS = 30_000;
const APPLIED_DEADLINE_MS = 30_000;

/** What a sale is made at, and where it is applied. */
export interface SaleOptions {
  readonly api: Service;
  readonly databaseUrl: string;
  /** Each has a buyer of its own. */
  readonly skus: readonly string[];
}

/** Starts when it is opened. Disposing of it ends it. */
export class Sale implements AsyncDisposable {
  readonly #options: SaleOptions;
  readonly #initial: ReadonlyMap<string, number>;
  readonly #orders: Order[] = [];
  readonly #heard: Heard[] = [];
  readonly #soldAtMs = new Map<string, number[]>();
  #history = new HistoryRecorder();
  #stopped = false;
  #buyers: Promise<unknown> = Promise.resolve();

  private constructor(options: SaleOptions) {
    this.#options = options;
    this.#initial = new Map(options.skus.map((sku) => [sku, STOCK]));
  }

  /** Makes the stock and begins to buy. */
  static async open(options: SaleOptions): Promise<Sale> {
    const sale = new Sale(options);
    sale.#history = await stockUp(options.api, sale.#initial);
    sale.#buyers = Promise.all(options.skus.map((sku) => sale.#buy(sku)));
    for (const sku of options.skus) await sale.sells(sku, SETTLE_DEADLINE_MS);
    return sale;
  }

  /** Orders that were accepted so far. */
  get accepted(): number {
    return this.#heard.filter(({ kind }) => kind === "accepted").length;
  }

  /** How often orders heard each code of a 503. */
  get unknown(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const heard of this.#heard) {
      if (heard.kind === "unknown") counts[heard.code] = (counts[heard.code] ?? 0) + 1;
    }
    return counts;
  }

  /** Waits for another sale of a SKU, by an order that is sent from now on. Returns when it was heard, ms. */
  async sells(sku: string, deadlineMs: number): Promise<number> {
    const fromMs = performance.now() + PAUSE_MS;
    const after = () => this.#soldAtMs.get(sku)?.find((atMs) => atMs > fromMs);
    await waitFor(() => after() !== undefined, { deadlineMs, what: `a sale of ${sku}` }).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(this.unknown)}`, { cause: error });
    });
    return after() ?? NaN;
  }

  /** The longest time without a sale of a SKU since `fromMs`, ms. */
  pauseMs(sku: string, fromMs: number): number {
    const times = (this.#soldAtMs.get(sku) ?? []).filter((atMs) => atMs > fromMs);
    const ends = [fromMs, ...times, ...this.#stopped ? [] : [performance.now()]];
    return Math.round(Math.max(...ends.slice(1).map((atMs, i) => atMs - (ends[i] ?? 0))));
  }

  /** The longest of any SKU, seconds: for the person who runs the tests. */
  pauses(fromMs: number): string {
    return this.#options.skus.map((sku) => `${(this.pauseMs(sku, fromMs) / 1000).toFixed(1)} s`).join(", ");
  }

  /** Ends it, asks what became of every order without an answer, and asserts that all quantities are the same. */
  async audit(): Promise<LedgerTables> {
    await this.stop();
    const { api, databaseUrl, skus } = this.#options;
    const open = this.#heard.flatMap(({ kind }, index) => (kind === "unknown" ? [index] : []));
    for (const index of open) {
      const order = this.#orders[index];
      if (!order) continue;
      await waitFor(async () => (this.#heard[index] = await this.#send(api, order)).kind !== "unknown", {
        deadlineMs: SETTLE_DEADLINE_MS,
        what: `an answer to ${order.orderId}`,
      });
    }
    const stock = await stockOf(api, skus);
    const tables = await readLedger({ databaseUrl }, stock, APPLIED_DEADLINE_MS);
    const [orders, heard, initial, left] = [this.#orders, this.#heard, this.#initial, unitsOf(stock)];
    assertLedger({ orders, heard, initial, left, history: this.#history }, tables);
    return tables;
  }

  /** No more orders. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#buyers;
  }

  /** Ends it, however it went. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#buyers.catch(() => {});
  }

  async #buy(sku: string): Promise<void> {
    const times: number[] = [];
    this.#soldAtMs.set(sku, times);
    for (let i = 0; !this.#stopped; i++) {
      const order = { orderId: `${sku}-${i}`, userId: `user-${sku}-${i}`, sku, amount: 1 };
      const index = this.#orders.push(order) - 1;
      this.#heard[index] = { kind: "unknown", code: "on its way" };
      const heard = this.#heard[index] = await this.#send(this.#options.api, order);
      if (heard.kind === "accepted") times.push(performance.now());
      await sleep(PAUSE_MS);
    }
  }

  async #send(api: Service, order: Order): Promise<Heard> {
    const { orderId, userId, sku, amount } = order;
    const { status, replayed, body } = await this.#history.deduct(
      order,
      () => api.post("/api/v1/inventory/deduct", { order_id: orderId, user_id: userId, sku, amount }),
    );
    if (status === 200) {
      return { kind: "accepted", newStock: Number(body.new_stock), seq: Number(body.seq), replayed };
    }
    if (status === 503) return { kind: "unknown", code: String(body.code) };
    return { kind: "refused", code: String(body.code), available: Number(body.available) };
  }
}
