/**
 * What an order costs, held against what Deno's server costs without a shop. With 64 connections an order takes the API
 * 1.6 to 2.3 replies of bare `Deno.serve` and Redis 1.0 to 1.7, on a busy machine too; without batches 5 and 6.
 */
import assert from "node:assert/strict";
import { runClosedLoop } from "./clients/closed_loop.ts";
import { plenty } from "./experiment.ts";
import { median } from "./measure.ts";
import { startHoldfast } from "./systems/holdfast.ts";
import { startBare } from "./systems/peers.ts";
import type { System } from "./systems/system.ts";

const rounds = 5;
const skus = 100;
const load = { connections: 64, orders: 8000, skus };

/** CPU of each process, µs an order. */
async function costOf(system: System, status: 200 | 409): Promise<Record<string, number>> {
  const { cpuMs: before } = await system.usage();
  await runClosedLoop({ url: system.url, ...load, status });
  const { cpuMs } = await system.usage();
  return Object.fromEntries(
    Object.entries(cpuMs).map(([name, ms]) => [name, (ms - (before[name] ?? 0)) * 1000 / load.orders]),
  );
}

/** CPU of API and Redis an order, in replies of bare `Deno.serve` in the same round. */
async function ratiosOf(shop: System, status: 200 | 409): Promise<{ api: number[]; redis: number[] }> {
  await using bare = await startBare();
  await costOf(shop, status); // compiles
  await costOf(bare, 200);
  const [api, redis]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const { API: floor = NaN } = await costOf(bare, 200);
    const order = await costOf(shop, status);
    api.push((order.API ?? NaN) / floor);
    redis.push((order.Redis ?? NaN) / floor);
  }
  return { api, redis };
}

function assertBelow(ratios: readonly number[], bound: number): void {
  assert.ok(median(ratios) < bound, `${ratios.map((ratio) => ratio.toFixed(2))} must be below ${bound}`);
}

Deno.test("cost: an order takes API and Redis few replies of bare Deno.serve", async () => {
  await using shop = await startHoldfast({ stock: plenty, skus, before: "" }, { hasWorker: false });
  const { api, redis } = await ratiosOf(shop, 200);
  assertBelow(api, 3);
  assertBelow(redis, 2.2);
});

Deno.test("cost: a first attempt at what is sold out takes the API hardly more than bare, and Redis nothing", async () => {
  await using shop = await startHoldfast({ stock: 1, skus, before: "" }, { hasWorker: false });
  await runClosedLoop({ url: shop.url, connections: 1, orders: skus, skus, status: 200 });
  const { api, redis } = await ratiosOf(shop, 409);
  assertBelow(api, 2.2);
  assertBelow(redis, 0.3);
});
