/**
 * A sale in several acts, with faults between and during them, and one audit of all of it at the end.
 *
 * @module
 */
import assert from "node:assert/strict";
import { assertBooks, type Books, readBooks, stockOf, stockUp, unitsOf } from "../system/books.ts";
import { Crowd, type Heard } from "../system/load_clients.ts";
import { type Order, planOrders, runSeed, wanted } from "../system/plan.ts";
import type { Env, Service } from "../system/stack.ts";
import { waitFor } from "../../tools/servers/wait.ts";

/** The limit of one accepted deduct per user is not what these tests are about. */
export const SEASON_ENV: Env = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: "1000" };

/** What has hardly any units, and what has more than anybody wants: something can always be sold. */
const SKUS = { scarce: "scarce", plenty: "plenty" };
const REQUEST_TIMEOUT_MS = 1000;
const CONNECTIONS = 16;
const SOLD_DEADLINE_MS = 15_000;

/** Where the sale takes place. */
export interface SeasonOptions {
  readonly api: Service;
  readonly databaseUrl: string;
  /** Orders that the plan holds, for all acts. */
  readonly orders: number;
}

/** Orders that are sent act by act, and what was heard of each. */
export class Season {
  /** Of the plan; printed, as it repeats the run. */
  readonly seed: number = runSeed();
  readonly #options: SeasonOptions;
  readonly #plan: readonly Order[];
  readonly #initial: ReadonlyMap<string, number>;
  readonly #heard = new Map<string, Heard>();
  readonly #acts = new Set<Crowd>();
  #next = 0;

  private constructor(options: SeasonOptions) {
    this.#options = options;
    const skus = Object.values(SKUS);
    this.#plan = planOrders({ seed: this.seed, orders: options.orders, skus, users: options.orders });
    this.#initial = new Map([
      [SKUS.scarce, Math.floor(wanted(this.#plan, SKUS.scarce) / 10)],
      [SKUS.plenty, 10 * options.orders],
    ]);
  }

  /** Makes the plan and the stock. */
  static async open(options: SeasonOptions): Promise<Season> {
    const season = new Season(options);
    note(`seed ${season.seed}`);
    await stockUp(options.api, season.#initial);
    return season;
  }

  /** The next orders of the plan; nothing is sent yet. */
  act(count: number): Crowd {
    const orders = this.#plan.slice(this.#next, this.#next + count);
    assert.equal(orders.length, count, "the plan is too short for the acts of this test");
    this.#next += count;
    return this.#stage(orders, CONNECTIONS);
  }

  /** The same orders once more, one after the other; what was heard of them before counts no longer. */
  again(crowd: Crowd): Crowd {
    this.#acts.delete(crowd);
    return this.#stage(crowd.orders, 1);
  }

  /** Sends the next orders, until each has a definite answer. */
  async sell(count: number): Promise<Crowd> {
    const crowd = this.act(count);
    await crowd.rush();
    await crowd.settle();
    return crowd;
  }

  /** Sends one order until it is accepted. Returns how long that took, ms. */
  async untilSold(): Promise<number> {
    const order = this.#plan.slice(this.#next).find(({ sku }) => sku === SKUS.plenty);
    assert.ok(order, "the plan has no more orders");
    this.#next = this.#plan.indexOf(order) + 1;
    const startMs = performance.now();
    await waitFor(async () => {
      const { status, body } = await post(this.#options.api, order);
      if (status !== 200) throw new Error(`heard ${status}: ${JSON.stringify(body)}`);
      const { new_stock: newStock, seq } = body as { new_stock: number; seq: number };
      this.#heard.set(order.orderId, { kind: "accepted", newStock, seq, replayed: false });
      return true;
    }, { deadlineMs: SOLD_DEADLINE_MS, what: "a sale" }).catch((error) => {
      throw new Error(`${error.message}: ${error.cause}`, { cause: error });
    });
    return Math.round(performance.now() - startMs);
  }

  /** Waits until the ledger has all that was sold, and reads it. */
  async booked(deadlineMs?: number): Promise<Books> {
    const { api, databaseUrl } = this.#options;
    return await readBooks({ databaseUrl }, await stockOf(api, this.#initial.keys()), deadlineMs);
  }

  /** Units of each SKU, as the API says. */
  async left(): Promise<ReadonlyMap<string, number>> {
    return unitsOf(await stockOf(this.#options.api, this.#initial.keys()));
  }

  /** Asserts that every answer of every act, the stock and the books are one and the same. */
  async audit(): Promise<Books> {
    for (const { orders, heard } of this.#acts) {
      orders.forEach(({ orderId }, index) => {
        const last = heard[index];
        if (last) this.#heard.set(orderId, last);
      });
    }
    const books = await this.booked();
    const heard = this.#plan.map(({ orderId }) => this.#heard.get(orderId));
    const left = await this.left();
    assertBooks({ orders: this.#plan, heard, initial: this.#initial, left }, books);
    return books;
  }

  #stage(orders: readonly Order[], connections: number): Crowd {
    const urls = [this.#options.api.url];
    const crowd = new Crowd({ orders, urls, connections, requestTimeoutMs: REQUEST_TIMEOUT_MS });
    this.#acts.add(crowd);
    return crowd;
  }
}

/** Sends one order, whatever the answer. */
export function post(api: Service, { orderId, userId, sku, amount }: Order): ReturnType<Service["post"]> {
  return api.post("/api/v1/inventory/deduct", { order_id: orderId, user_id: userId, sku, amount });
}

/** Prints for whoever runs the tests. */
export function note(...words: unknown[]): void {
  // deno-lint-ignore no-console -- the seed repeats the run; times and counts are what people ask for
  console.log(...words);
}

/** Waits until the API has heard from a server that it must not sell. */
export async function untilUnarmed(api: Service): Promise<void> {
  await waitFor(async () => JSON.stringify((await api.get("/readyz")).body).includes("unarmed"), {
    deadlineMs: SOLD_DEADLINE_MS,
    what: "an API that hears 'unarmed'",
  });
}
