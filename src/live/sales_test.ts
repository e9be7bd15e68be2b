import { deepEqual, equal, ok } from "node:assert/strict";
import { ManualWorld } from "../../tests/manual_world.ts";
import type { Sale } from "../domain/command.ts";
import type { Outcome } from "../domain/outcome.ts";
import { CommandTimings } from "../decide/command_timings.ts";
import { RecentSales } from "./sales.ts";

const accepted = { kind: "accepted", seq: 1, replayed: false, created: false, expiresAtMs: 0 } as const;

function soldOf(sku: string, outcome: Outcome, result: string, amount = 1): CommandTimings {
  const sale: Sale = {
    ...{ kind: "deduct", orderId: "o", userId: "u", lines: [{ sku, amount }], actor: "" },
    ...{ hasToken: false, holdMs: 0, traceparent: "" },
  };
  return Object.assign(new CommandTimings(sale), { outcome, result });
}

async function second(world: ManualWorld, sales: RecentSales): Promise<void> {
  await world.advance(1000);
  sales.turn();
}

Deno.test("rates are of the last second, whatever its length was", async () => {
  const world = new ManualWorld();
  const sales = new RecentSales(world);
  deepEqual(sales.rate(), { asked: 0, accepted: 0, refused: 0, failed: 0 });
  for (let i = 0; i < 6; i++) sales.sale(soldOf("A", { ...accepted, newStock: [9] }, "accepted"));
  sales.sale(soldOf("A", { kind: "insufficient", sku: "A", available: 0 }, "insufficient_stock"));
  sales.turnedAway();
  sales.sale(Object.assign(soldOf("A", { kind: "overloaded" }, "overloaded"), { failed: true }));
  await world.advance(2000);
  sales.turn();
  deepEqual(sales.rate(), { asked: 5, accepted: 3, refused: 1, failed: 1 });
  await second(world, sales);
  equal(sales.rate().asked, 0);
});

Deno.test("percentiles are between the bounds of their buckets, and forget after ten seconds", async () => {
  const world = new ManualWorld();
  const sales = new RecentSales(world);
  equal(sales.latency(), null);
  for (let ms = 1; ms <= 100; ms++) sales.answered(ms);
  sales.answered(9000);
  await second(world, sales);
  const { p50, p95, p99, max } = sales.latency() ?? { p50: 0, p95: 0, p99: 0, max: 0 };
  ok(p50 >= 49 && p50 <= 52, `${p50}`);
  ok(p95 >= 94 && p95 <= 97, `${p95}`);
  ok(p99 >= 98 && p99 <= 100, `${p99}`);
  equal(max, 9000);
  for (let s = 0; s < 9; s++) await second(world, sales);
  equal(sales.latency()?.max, 9000);
  await second(world, sales);
  equal(sales.latency(), null);
});

Deno.test("a SKU is listed by what went, with what is left; a repetition and a made-up name add nothing", async () => {
  const world = new ManualWorld();
  const sales = new RecentSales(world);
  sales.sale(soldOf("A", { ...accepted, newStock: [8] }, "accepted", 2));
  sales.sale(soldOf("A", { ...accepted, newStock: [8], replayed: true }, "replayed", 2));
  sales.sale(soldOf("B", { ...accepted, newStock: [3] }, "accepted", 5));
  sales.sale(soldOf("C", { kind: "insufficient", sku: "C", available: 4 }, "insufficient_stock", 5));
  sales.sale(soldOf("made up", { kind: "unknown_sku", sku: "made up" }, "unknown_sku"));
  await second(world, sales);
  sales.sale(soldOf("A", { ...accepted, newStock: [7] }, "accepted"));
  await second(world, sales);
  deepEqual(sales.topSkus(), [
    { sku: "B", units: 5, refused: 0, left: 3 },
    { sku: "A", units: 3, refused: 0, left: 7 },
    { sku: "C", units: 0, refused: 1, left: 4 },
  ]);
});

Deno.test("however many SKUs are sold, ten are listed and a thousand remembered", async () => {
  const world = new ManualWorld();
  const sales = new RecentSales(world);
  for (let i = 0; i < 1500; i++) {
    sales.sale(soldOf(`S${i}`, { ...accepted, newStock: [0] }, "accepted", i + 1));
  }
  await second(world, sales);
  const listed = sales.topSkus();
  equal(listed.length, 10);
  equal(listed[0]?.sku, "S999");
  equal(sales.rate().accepted, 1500);
});
