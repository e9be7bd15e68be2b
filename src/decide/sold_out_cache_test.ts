import assert from "node:assert/strict";
import { ManualWorld } from "../../tests/manual_world.ts";
import type { Adjust, Sale } from "../domain/command.ts";
import type { Outcome } from "../domain/outcome.ts";
import { soldOutBounds, SoldOutCache } from "./sold_out_cache.ts";

function sale(sku: string, amount = 1): Sale {
  const rest = { hasToken: false, holdMs: 0, actor: "", traceparent: "" };
  return { kind: "deduct", orderId: "o", userId: "u", lines: [{ sku, amount }], ...rest };
}

const taken = {
  kind: "accepted",
  seq: 9,
  newStock: [0],
  replayed: false,
  created: false,
  expiresAtMs: 0,
} as const satisfies Outcome;

const open = {
  paused: false,
  opensAtMs: null,
  closesAtMs: null,
  quota: null,
  tokenRequired: false,
  rulesVersion: 0,
} as const;

const first = () => true;
const insufficient = (sku: string, available = 0): Outcome => ({ kind: "insufficient", sku, available });

function setup(): { world: ManualWorld; cache: SoldOutCache } {
  const world = new ManualWorld();
  return { world, cache: new SoldOutCache() };
}

Deno.test("sold-out cache: refuses a declared first attempt only", () => {
  const { world, cache } = setup();
  cache.learn(sale("S"), insufficient("S"), world.elapsedMs());
  assert.deepEqual(cache.check(sale("S"), world.elapsedMs(), first), insufficient("S"));
  assert.equal(cache.check(sale("S"), world.elapsedMs(), () => false), undefined);
});

Deno.test("sold-out cache: the sale of the last unit is enough, but not when it was replayed", () => {
  const { world, cache } = setup();
  cache.learn(sale("S"), { ...taken, replayed: true }, world.elapsedMs());
  assert.equal(cache.check(sale("S"), world.elapsedMs(), first), undefined);
  cache.learn(sale("S"), taken, world.elapsedMs());
  assert.deepEqual(cache.check(sale("S"), world.elapsedMs(), first), insufficient("S"));
});

Deno.test("sold-out cache: lets through what fewer units would satisfy", () => {
  const { world, cache } = setup();
  cache.learn(sale("S", 5), insufficient("S", 2), world.elapsedMs());
  assert.equal(cache.check(sale("S", 2), world.elapsedMs(), first), undefined);
  assert.deepEqual(cache.check(sale("S", 3), world.elapsedMs(), first), insufficient("S", 2));
});

Deno.test("sold-out cache: forgets a second after the store was asked, not after it answered", async () => {
  const { world, cache } = setup();
  const askedAtMs = world.elapsedMs();
  await world.advance(900);
  cache.learn(sale("S"), insufficient("S"), askedAtMs);
  await world.advance(99);
  assert.ok(cache.check(sale("S"), world.elapsedMs(), first));
  await world.advance(1);
  assert.equal(cache.check(sale("S"), world.elapsedMs(), first), undefined);
});

Deno.test("sold-out cache: a restock through this process shows at once", () => {
  const { world, cache } = setup();
  cache.learn(sale("S"), insufficient("S"), world.elapsedMs());
  const restock: Adjust = {
    kind: "adjust",
    adjustmentId: "a",
    sku: "S",
    delta: 1,
    reason: "",
    reference: "",
    actor: "",
    traceparent: "",
  };
  cache.learn(restock, { ...taken, newStock: [1] }, 0);
  assert.equal(cache.check(sale("S"), world.elapsedMs(), first), undefined);
});

Deno.test("sold-out cache: a sale that leaves units clears the SKU, also when another process restocked it", () => {
  const { world, cache } = setup();
  cache.learn(sale("S"), insufficient("S"), world.elapsedMs());
  cache.learn(sale("S"), { ...taken, newStock: [5], replayed: true }, world.elapsedMs());
  assert.deepEqual(cache.check(sale("S"), world.elapsedMs(), first), insufficient("S"));
  cache.learn(sale("S"), { ...taken, newStock: [5] }, world.elapsedMs());
  assert.equal(cache.check(sale("S"), world.elapsedMs(), first), undefined);
});

Deno.test("sold-out cache: serves reads of what is sold out, as they were", async () => {
  const { world, cache } = setup();
  const stock: Outcome = { kind: "stock", sku: "S", available: 0, reserved: 2, seq: 9, ...open };
  cache.learn({ kind: "stock", sku: "S" }, stock, world.elapsedMs());
  assert.deepEqual(cache.check({ kind: "stock", sku: "S" }, world.elapsedMs(), first), stock);
  await world.advance(500);
  cache.learn(sale("S"), insufficient("S"), world.elapsedMs());
  assert.equal(cache.check({ kind: "stock", sku: "S" }, world.elapsedMs(), first), undefined);
});

Deno.test("sold-out cache: a read that finds units clears the SKU", () => {
  const { world, cache } = setup();
  cache.learn(sale("S"), insufficient("S"), world.elapsedMs());
  const stock: Outcome = { kind: "stock", sku: "S", available: 3, reserved: 0, seq: 9, ...open };
  cache.learn({ kind: "stock", sku: "S" }, stock, world.elapsedMs());
  assert.equal(cache.check(sale("S"), world.elapsedMs(), first), undefined);
});

Deno.test("sold-out cache: holds a thousand SKUs and lets the oldest go", () => {
  const { world, cache } = setup();
  for (let i = 0; i <= soldOutBounds.skusMax; i++) {
    cache.learn(sale(`S${i}`), insufficient(`S${i}`), world.elapsedMs());
  }
  assert.equal(cache.check(sale("S0"), world.elapsedMs(), first), undefined);
  assert.ok(cache.check(sale("S1"), world.elapsedMs(), first));
  assert.ok(cache.check(sale(`S${soldOutBounds.skusMax}`), world.elapsedMs(), first));
});

Deno.test("sold-out cache: asks whether a sale is a first attempt only when its SKU is sold out", () => {
  const { world, cache } = setup();
  const unasked = () => {
    throw new Error("Cannot read a header that no answer depends on");
  };
  assert.equal(cache.check(sale("S"), world.elapsedMs(), unasked), undefined);
  assert.equal(cache.check({ kind: "lookup", orderId: "o" }, world.elapsedMs(), unasked), undefined);
  const stock: Outcome = { kind: "stock", sku: "S", available: 0, reserved: 0, seq: 9, ...open };
  cache.learn({ kind: "stock", sku: "S" }, stock, world.elapsedMs());
  assert.deepEqual(cache.check({ kind: "stock", sku: "S" }, world.elapsedMs(), unasked), stock);
});

Deno.test("sold-out cache: counts what it answered, and what the store had to answer as sold out", () => {
  const { world, cache } = setup();
  const counts = () => [cache.hits, cache.misses];
  const readStock = (available: number) =>
    cache.learn(
      { kind: "stock", sku: "T" },
      { kind: "stock", sku: "T", available, reserved: 0, seq: 9, ...open },
      0,
    );
  cache.check(sale("S"), world.elapsedMs(), first);
  cache.learn(sale("S"), { ...taken, newStock: [0] }, world.elapsedMs());
  assert.deepEqual(counts(), [0, 0], "a sale is neither");
  cache.check(sale("S"), world.elapsedMs(), first);
  assert.deepEqual(counts(), [1, 0]);
  cache.check(sale("S"), world.elapsedMs(), () => false);
  cache.learn(sale("S"), insufficient("S"), world.elapsedMs());
  assert.deepEqual(counts(), [1, 1], "a client that declares no first attempts");
  const correction: Adjust = {
    ...{ kind: "adjust", adjustmentId: "a", sku: "S", delta: -1, reason: "", reference: "" },
    ...{ actor: "", traceparent: "" },
  };
  cache.learn(correction, insufficient("S"), world.elapsedMs());
  assert.deepEqual(counts(), [1, 1], "no sale");
  readStock(0);
  assert.deepEqual(counts(), [1, 2], "a read");
  readStock(1);
  assert.deepEqual(counts(), [1, 2], "a read of what is not sold out");
});
