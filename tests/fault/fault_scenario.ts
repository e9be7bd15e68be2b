/**
 * A sale in several acts, with faults between and during them, and one audit of all of it at the end.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  assertLedger,
  type LedgerTables,
  readLedger,
  stockOf,
  stockUp,
  unitsOf,
} from "../system/ledger_audit.ts";
import { type Heard, LoadClients } from "../system/load_clients.ts";
import { type Order, planOrders, runSeed, wanted } from "../system/plan.ts";
import type { Env, Service } from "../system/stack.ts";
import { waitFor } from "../../tools/servers/wait.ts";

/** The limit of one accepted deduct per user is not what these tests are about. */
export const SCENARIO_ENV: Env = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: "1000" };

/** What has hardly any units, and what has more than all buyers want: something can always be sold. */
const SKUS = { scarce: "scarce", plenty: "plenty" };
const CONNECTIONS = 16;
const SOLD_DEADLINE_MS = 60_000;

/** Where the sale takes place. */
export interface ScenarioOptions {
  readonly api: Service;
  readonly databaseUrl: string;
  /** Orders that the plan holds, for all acts. */
  readonly orders: number;
}

/** Orders that are sent act by act, and what was heard of each. */
export class FaultScenario {
  /** Of the plan; printed, as it repeats the run. */
  readonly seed: number = runSeed();
  readonly #options: ScenarioOptions;
  readonly #plan: readonly Order[];
  readonly #initial: ReadonlyMap<string, number>;
  readonly #heard = new Map<string, Heard>();
  readonly #acts = new Set<LoadClients>();
  #next = 0;

  private constructor(options: ScenarioOptions) {
    this.#options = options;
    const skus = Object.values(SKUS);
    this.#plan = planOrders({ seed: this.seed, orders: options.orders, skus, users: options.orders });
    this.#initial = new Map([
      [SKUS.scarce, Math.floor(wanted(this.#plan, SKUS.scarce) / 10)],
      [SKUS.plenty, 10 * options.orders],
    ]);
  }

  /** Makes the plan and the stock. */
  static async open(options: ScenarioOptions): Promise<FaultScenario> {
    const scenario = new FaultScenario(options);
    note(`seed ${scenario.seed}`);
    await stockUp(options.api, scenario.#initial);
    return scenario;
  }

  /** The next orders of the plan; nothing is sent yet. */
  act(count: number): LoadClients {
    const orders = this.#plan.slice(this.#next, this.#next + count);
    assert.equal(orders.length, count, "the plan is too short for the acts of this test");
    this.#next += count;
    return this.#stage(orders, CONNECTIONS);
  }

  /** The same orders once more, one after the other; what was heard of them before counts no longer. */
  again(clients: LoadClients): LoadClients {
    this.#acts.delete(clients);
    return this.#stage(clients.orders, 1);
  }

  /** Sends the next orders, until each has a definite answer. */
  async sell(count: number): Promise<LoadClients> {
    const clients = this.act(count);
    await clients.rush();
    await clients.settle();
    return clients;
  }

  /** Sends one order until it is accepted. Returns how long that took, ms. */
  async untilSold(): Promise<number> {
    const order = this.#plan.slice(this.#next).find(({ sku }) => sku === SKUS.plenty);
    assert.ok(order, "the plan has no more orders");
    this.#next = this.#plan.indexOf(order) + 1;
    const startMs = performance.now();
    await waitFor(async () => {
      const { status, replayed, body } = await post(this.#options.api, order);
      if (status !== 200) throw new Error(`heard ${status}: ${JSON.stringify(body)}`);
      const { new_stock: newStock, seq } = body as { new_stock: number; seq: number };
      this.#heard.set(order.orderId, { kind: "accepted", newStock, seq, replayed });
      return true;
    }, { deadlineMs: SOLD_DEADLINE_MS, what: "a sale" }).catch((error) => {
      throw new Error(`${error.message}: ${error.cause}`, { cause: error });
    });
    return Math.round(performance.now() - startMs);
  }

  /** Waits until the ledger has all that was sold, and reads it. */
  async applied(deadlineMs?: number): Promise<LedgerTables> {
    const { api, databaseUrl } = this.#options;
    return await readLedger({ databaseUrl }, await stockOf(api, this.#initial.keys()), deadlineMs);
  }

  /** Units of each SKU, as the API says. */
  async left(): Promise<ReadonlyMap<string, number>> {
    return unitsOf(await stockOf(this.#options.api, this.#initial.keys()));
  }

  /** Asserts that every answer of every act, the stock and the ledger are one and the same. */
  async audit(): Promise<LedgerTables> {
    for (const { orders, heard } of this.#acts) {
      orders.forEach(({ orderId }, index) => {
        const last = heard[index];
        if (last) this.#heard.set(orderId, last);
      });
    }
    const tables = await this.applied();
    const heard = this.#plan.map(({ orderId }) => this.#heard.get(orderId));
    const left = await this.left();
    const { history } = this.#options.api;
    assertLedger({ orders: this.#plan, heard, initial: this.#initial, left, history }, tables);
    return tables;
  }

  #stage(orders: readonly Order[], connections: number): LoadClients {
    const urls = [this.#options.api.url];
    const clients = new LoadClients({
      ...{ orders, urls, connections },
      requestTimeoutMs: Number(this.#options.api.env.REQUEST_TIMEOUT_MS),
    });
    this.#acts.add(clients);
    return clients;
  }
}

/** Sends one order, whatever the answer. */
export function post(api: Service, { orderId, userId, sku, amount }: Order): ReturnType<Service["post"]> {
  return api.post("/api/v1/inventory/deduct", { order_id: orderId, user_id: userId, sku, amount });
}

/** Prints for the person who runs the tests. */
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
