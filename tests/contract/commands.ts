/**
 * Random commands: few ids, so that replays, conflicts and sell-outs happen all the time, and among them
 * the ids that break parsers.
 */
import fc from "fast-check";
import type { Command, Deduct } from "../../src/inventory/command.ts";
import { adjust, deduct } from "./store_suite.ts";

/** Ids that look like keys, Lua, SQL, JSON or formats, all of them legal. */
export const awkwardIds: readonly string[] = [
  "{inventory:0}:stock",
  "'; drop table movements; --",
  '"]]--redis.call("FLUSHALL")',
  "%d%s%n\\u0000",
  "日本語-🎟️",
  "null",
  "__proto__",
  "1e999",
  " / ",
];

const sku = fc.constantFrom("S1", "S2", "S3", awkwardIds[0] ?? "", awkwardIds[2] ?? "", "missing");
const id = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 12 }).map((n) => `id-${n}`) },
  { weight: 1, arbitrary: fc.constantFrom(...awkwardIds) },
);
const user = fc.constantFrom("u1", "u2", awkwardIds[1] ?? "");
const amount = fc.constantFrom(1, 1, 1, 2, 3, 1_000_000);

const basket: fc.Arbitrary<Deduct> = fc
  .tuple(
    id,
    user,
    fc.uniqueArray(fc.tuple(sku, amount), { selector: ([s]) => s, minLength: 2, maxLength: 4 }),
  )
  .map(([orderId, userId, lines]) => ({
    ...deduct(orderId, "", 1, userId),
    lines: lines.map(([sku, amount]) => ({ sku, amount })),
    fingerprint: JSON.stringify([userId, lines]),
  }));

/** One random command. */
export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(id, sku, amount, user).map((args) => deduct(...args)) },
  { weight: 2, arbitrary: basket },
  {
    weight: 3,
    arbitrary: fc
      .tuple(id, sku, fc.constantFrom(-3, -1, 0, 1, 2, 10, 1_000_000_000_000))
      .map((args) => adjust(...args)),
  },
  { weight: 1, arbitrary: sku.map((sku): Command => ({ kind: "stock", sku })) },
  { weight: 1, arbitrary: id.map((orderId): Command => ({ kind: "lookup", orderId })) },
);

/** Random batches of random commands. */
export const anyBatches: fc.Arbitrary<Command[][]> = fc.array(
  fc.array(anyCommand, { minLength: 1, maxLength: 20 }),
  { minLength: 1, maxLength: 12 },
);

/** The seed of this run: `TEST_SEED` repeats one. Printed, so that a failure can be seen again. */
export function runSeed(): number {
  const given = Deno.env.get("TEST_SEED");
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
}
