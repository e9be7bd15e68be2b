/**
 * Who wants to buy what: random, and the same again for the same seed.
 *
 * @module
 */
import { Router } from "../../src/decide/router.ts";

/** One order of one line. */
export interface Order {
  readonly orderId: string;
  readonly userId: string;
  readonly sku: string;
  readonly amount: number;
}

/** What the orders are drawn from. */
export interface PlanOptions {
  readonly seed: number;
  readonly orders: number;
  readonly skus: readonly string[];
  /** How many people buy; with USER_LIMIT_MS some of them come back too early. */
  readonly users: number;
}

/** Units of one order. */
const AMOUNT_MAX = 3;

/** Draws orders with ids of their own. */
export function planOrders({ seed, orders, skus, users }: PlanOptions): Order[] {
  const random = seededRandom(seed);
  const draw = (count: number) => Math.floor(random() * count);
  return Array.from({ length: orders }, (_, index) => ({
    orderId: `order-${seed}-${index}`,
    userId: `user-${draw(users)}`,
    sku: skus[draw(skus.length)] ?? "",
    amount: 1 + draw(AMOUNT_MAX),
  }));
}

/** Units that all orders together want of a SKU. */
export function wanted(orders: readonly Order[], sku: string): number {
  return orders.filter((order) => order.sku === sku).reduce((sum, order) => sum + order.amount, 0);
}

/** SKUs of which each shard has one. */
export function oneSkuAShard(shards: number): string[] {
  const router = new Router(shards);
  const skus: string[] = [];
  for (let i = 0; skus.filter((sku) => sku !== undefined).length < shards; i++) {
    skus[router.route(`sku-${i}`)] ??= `sku-${i}`;
  }
  return skus;
}

/** The seed of this run, which TEST_SEED repeats. */
export function runSeed(): number {
  const given = Deno.env.get("TEST_SEED");
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
}

/** A linear congruential generator modulo 2^32 with Knuth's constants (MMIX's are too wide for a double). */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32; // the high bits decide; the low ones of such a generator are poor
  };
}
