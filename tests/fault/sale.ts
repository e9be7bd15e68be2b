/**
 * Buyers who go on buying while faults strike: one for each SKU at each API, so that it is known how long each SKU was
 * not sold, and an audit of all that they heard.
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
import type { Service } from "../system/stack.ts";

/** A sale every 20 ms tells a pause to that, and leaves the cores to the servers. */
const PAUSE_MS = 20;
const STOCK = 100_000;
const SETTLE_DEADLINE_MS = 60_000;
const APPLIED_DEADLINE_MS = 60_000;

/** What a sale is made at, and where it is applied. */
export interface SaleOptions {
  readonly apis: readonly Service[];
  readonly databaseUrl: string;
  /** Each has a buyer of its own at each API. */
  readonly skus: readonly string[];
}

/** What orders heard at first. */
export interface Counts {
  /** Orders that were sent. */
  readonly operations: number;
  readonly accepted: number;
  /** Their answer was `outcome_unknown`. */
  readonly unknown: number;
  /** 503, certainly without effect. */
  readonly unavailable: number;
}

/** What the audit found: each must be 0. */
export interface Differences {
  /** Accepted orders that the ledger lacks. */
  readonly lost: number;
  /** Lines of one order that the ledger has more than once. */
  readonly doubled: number;
  /** Units that were sold and are left as well. */
  readonly oversold: number;
  /** Units that are neither sold nor left. */
  readonly undersold: number;
}

/** Starts when it is opened. Disposing of it ends it. */
export class Sale implements AsyncDisposable {
  readonly #options: SaleOptions;
  readonly #initial: ReadonlyMap<string, number>;
  readonly #orders: Order[] = [];
  readonly #heard: Heard[] = [];
  readonly #soldAtMs = new Map<string, number[]>();
  /** How often each code of a 503 was heard at first. */
  readonly #unavailable: Record<string, number> = {};
  #accepted = 0;
  #isStopped = false;
  #buyers: Promise<unknown> = Promise.resolve();

  private constructor(options: SaleOptions) {
    this.#options = options;
    this.#initial = new Map(options.skus.map((sku) => [sku, STOCK]));
  }

  /** Makes the stock and begins to buy. */
  static async open(options: SaleOptions): Promise<Sale> {
    const sale = new Sale(options);
    const [api] = options.apis;
    if (!api) throw new RangeError("Cannot sell without an API");
    await stockUp(api, sale.#initial);
    sale.resume();
    await sale.allSell(SETTLE_DEADLINE_MS);
    return sale;
  }

  /** So far. */
  get counts(): Counts {
    const unknown = this.#unavailable.outcome_unknown ?? 0;
    return {
      operations: this.#heard.length,
      accepted: this.#accepted,
      unknown,
      unavailable: Object.values(this.#unavailable).reduce((sum, count) => sum + count, 0) - unknown,
    };
  }

  /** How often orders heard each code of a 503. */
  get unavailable(): Readonly<Record<string, number>> {
    return { ...this.#unavailable };
  }

  /** Buys, also after {@link audit}. */
  resume(): void {
    this.#isStopped = false;
    this.#buyers = Promise.all(
      this.#options.apis.flatMap((api) => this.#options.skus.map((sku) => this.#buy(api, sku))),
    );
  }

  /** Waits until every SKU is sold, by orders that are sent from now on. */
  async allSell(deadlineMs: number): Promise<void> {
    await Promise.all(this.#options.skus.map((sku) => this.sells(sku, deadlineMs)));
  }

  /** Waits for another sale of a SKU, by an order that is sent from now on. Returns when it was heard, ms. */
  async sells(sku: string, deadlineMs: number): Promise<number> {
    const fromMs = performance.now() + PAUSE_MS;
    const after = () => this.#soldAtMs.get(sku)?.find((atMs) => atMs > fromMs);
    await waitFor(() => after() !== undefined, { deadlineMs, what: `a sale of ${sku}` }).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(this.unavailable)}`, { cause: error });
    });
    return after() ?? NaN;
  }

  /** The longest time without a sale of a SKU since `fromMs`, ms. */
  pauseMs(sku: string, fromMs: number): number {
    const times = (this.#soldAtMs.get(sku) ?? []).filter((atMs) => atMs > fromMs);
    const ends = [fromMs, ...times, ...this.#isStopped ? [] : [performance.now()]];
    return Math.round(Math.max(...ends.slice(1).map((atMs, i) => atMs - (ends[i] ?? 0))));
  }

  /** The longest of any SKU, ms. */
  longestPauseMs(fromMs: number): number {
    return Math.max(...this.#options.skus.map((sku) => this.pauseMs(sku, fromMs)));
  }

  /** The longest of each SKU, seconds: for the person who runs the tests. */
  pauses(fromMs: number): string {
    return this.#options.skus.map((sku) => `${(this.pauseMs(sku, fromMs) / 1000).toFixed(1)} s`).join(", ");
  }

  /** Stops it, asks what became of every order without an answer, and asserts that all quantities are the same. */
  async audit(): Promise<LedgerTables> {
    await this.stop();
    const { apis: [api], databaseUrl, skus } = this.#options;
    if (!api) throw new RangeError("Cannot sell without an API");
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
    this.differences = differencesOf({ orders, heard, initial, left }, tables);
    assertLedger({ orders, heard, initial, left, history: api.history }, tables);
    return tables;
  }

  /** What the last audit found. */
  differences: Differences | undefined;

  /** No more orders. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#buyers;
  }

  /** Ends it, however it went. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    await this.#buyers.catch(() => {});
  }

  async #buy(api: Service, sku: string): Promise<void> {
    const times = this.#soldAtMs.get(sku) ?? [];
    this.#soldAtMs.set(sku, times);
    while (!this.#isStopped) {
      const index = this.#orders.length;
      const order = { orderId: `${sku}-${index}`, userId: `user-${sku}-${index}`, sku, amount: 1 };
      this.#orders.push(order);
      this.#heard[index] = { kind: "unknown", code: "on its way" };
      const heard = this.#heard[index] = await this.#send(api, order);
      if (heard.kind === "accepted") {
        this.#accepted++;
        times.push(performance.now());
      } else if (heard.kind === "unknown") {
        this.#unavailable[heard.code] = (this.#unavailable[heard.code] ?? 0) + 1;
      }
      await sleep(PAUSE_MS);
    }
  }

  async #send(api: Service, order: Order): Promise<Heard> {
    const { orderId, userId, sku, amount } = order;
    const asked = { order_id: orderId, user_id: userId, sku, amount };
    const { status, replayed, body } = await api.post("/api/v1/inventory/deduct", asked);
    if (status === 200) {
      return { kind: "accepted", newStock: Number(body.new_stock), seq: Number(body.seq), replayed };
    }
    if (status === 503) return { kind: "unknown", code: String(body.code) };
    return { kind: "refused", code: String(body.code), available: Number(body.available) };
  }
}

/** A sale that is over, as its buyers and the API saw it. */
interface Over {
  readonly orders: readonly Order[];
  readonly heard: readonly (Heard | undefined)[];
  readonly initial: ReadonlyMap<string, number>;
  readonly left: ReadonlyMap<string, number>;
}

/** Counts what the ledger lacks or has too much. */
export function differencesOf({ orders, heard, initial, left }: Over, tables: LedgerTables): Differences {
  const accepted = orders.filter((_, index) => heard[index]?.kind === "accepted");
  const ids = new Set(tables.lines.map(({ order_id }) => order_id));
  let [oversold, undersold] = [0, 0];
  for (const [sku, units] of initial) {
    const sold = accepted.filter((order) => order.sku === sku).reduce((sum, { amount }) => sum + amount, 0);
    const missing = units - (left.get(sku) ?? 0) - sold;
    if (missing < 0) oversold -= missing;
    else undersold += missing;
  }
  return {
    lost: accepted.filter(({ orderId }) => !ids.has(orderId)).length,
    doubled: tables.lines.length - ids.size,
    oversold,
    undersold,
  };
}
