/**
 * Buyers who do not wait for answers: so many orders a second arrive, however slow the answers are.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectionLost, HttpConnection } from "../system/http_connection.ts";
import type { Heard } from "../system/load_clients.ts";
import type { Order } from "../system/plan.ts";

/** Where the buyers buy. */
export interface BuyersOptions {
  readonly url: string;
  readonly sku: string;
  /** Connections at most; an order for which none is free is not sent. */
  readonly connectionsMax: number;
}

/** What became of one order. */
export interface Bought {
  readonly sentMs: number;
  readonly ms: number;
  readonly status: number;
  readonly retryAfter: string;
}

const TICK_MS = 2;
const ANSWER_DEADLINE_MS = 20_000;
const PATH = "/api/v1/inventory/deduct";

/** Orders of one SKU. Disposing of it closes its connections. */
export class Buyers implements Disposable {
  readonly orders: Order[] = [];
  readonly heard: Heard[] = [];
  readonly #options: BuyersOptions;
  readonly #free: HttpConnection[] = [];
  readonly #all = new Set<HttpConnection>();
  #opening = 0;

  constructor(options: BuyersOptions) {
    this.#options = options;
  }

  /** So many orders a second for so long, whatever becomes of them. Resolves when each is answered. */
  async offer(perSecond: number, forMs: number): Promise<{ bought: Bought[]; unsent: number }> {
    const startMs = performance.now();
    const running: Promise<Bought>[] = [];
    let unsent = 0;
    for (let due = 0; performance.now() - startMs < forMs;) {
      const now = Math.floor((performance.now() - startMs) * perSecond / 1000);
      for (; due < now; due++) {
        if (this.#free.length > 0 || this.#all.size + this.#opening < this.#options.connectionsMax) {
          running.push(this.#order());
        } else unsent++;
      }
      await sleep(TICK_MS);
    }
    return { bought: await Promise.all(running), unsent };
  }

  /** As many orders as are answered, by so many buyers who wait for each answer. */
  async ask(buyers: number, forMs: number): Promise<Bought[]> {
    const startMs = performance.now();
    const bought: Bought[] = [];
    await Promise.all(Array.from({ length: buyers }, async () => {
      while (performance.now() - startMs < forMs) bought.push(await this.#order());
    }));
    return bought;
  }

  /** Closes all connections. */
  [Symbol.dispose](): void {
    for (const connection of this.#all) connection.close();
  }

  async #order(): Promise<Bought> {
    const { sku, url } = this.#options;
    const index = this.orders.length;
    const order = { orderId: `buyers-${index}`, userId: `user-${index}`, sku, amount: 1 };
    this.orders.push(order);
    const body = { order_id: order.orderId, user_id: order.userId, sku, amount: 1 };
    const sentMs = performance.now();
    let connection: HttpConnection | undefined;
    try {
      const used = connection = this.#free.pop() ?? await this.#open(url);
      const { status, replayed, body: said, retryAfter } = await used.post(PATH, body);
      this.heard[index] = status === 200
        ? { kind: "accepted", newStock: Number(said.new_stock), seq: Number(said.seq), replayed }
        : {
          kind: said.code === "outcome_unknown" ? "unknown" : "refused",
          code: String(said.code),
          available: 0,
        };
      return { sentMs, ms: performance.now() - sentMs, status, retryAfter };
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      this.heard[index] = { kind: "unknown", code: "connection_lost" };
      return { sentMs, ms: performance.now() - sentMs, status: 0, retryAfter: "" };
    } finally {
      if (connection?.open) this.#free.push(connection);
      else if (connection) this.#all.delete(connection);
    }
  }

  async #open(url: string): Promise<HttpConnection> {
    this.#opening++;
    try {
      const connection = await HttpConnection.open(url, ANSWER_DEADLINE_MS);
      this.#all.add(connection);
      return connection;
    } finally {
      this.#opening--;
    }
  }
}

/** The value below which a share of the values is. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
