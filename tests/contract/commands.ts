/**
 * Random commands: few ids, so that replays, conflicts and sell-outs happen all the time, and among them
 * the ids that break parsers.
 */
import fc from "fast-check";
import type { Command, Line, Sale } from "../../src/inventory/command.ts";
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

const sku = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("S1", "S2", "S3") },
  { weight: 1, arbitrary: fc.constantFrom(awkwardIds[0] ?? "", awkwardIds[2] ?? "", "missing") },
);
const id = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 12 }).map((n) => `id-${n}`) },
  { weight: 1, arbitrary: fc.constantFrom(...awkwardIds) },
);
const user = fc.constantFrom("u1", "u2", awkwardIds[1] ?? "");
const amount = fc.constantFrom(1, 1, 1, 1, 2, 2, 3, 1_000_000);

/** Few enough that a reservation is met again and again. */
const busyId = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("id-1", "id-2", "id-3") },
  { weight: 1, arbitrary: id },
);

const lines: fc.Arbitrary<Line[]> = fc
  .uniqueArray(fc.tuple(sku, amount), { selector: ([s]) => s, minLength: 1, maxLength: 4 })
  .map((pairs) => pairs.map(([sku, amount]) => ({ sku, amount })));

const origin = { actor: "till", traceparent: "" } as const;

/** Long enough to outlive the run: what lapses is tested by time, not by chance. */
const holdMs = fc.constantFrom(3_600_000, 7_200_000, 14_400_000);

const sale: fc.Arbitrary<Sale> = fc
  .tuple(
    fc.constantFrom("order" as const, "reserve" as const, "reserve" as const),
    busyId,
    user,
    lines,
    holdMs,
    fc.boolean(),
  )
  .map(([kind, orderId, userId, lines, holdMs, hasToken]) => ({
    ...deduct(orderId, "", 1, userId),
    kind,
    lines,
    hasToken,
    holdMs: kind === "reserve" ? holdMs : 0,
  }));

const ofOrder: fc.Arbitrary<Command> = fc.oneof(
  fc.tuple(busyId, fc.option(lines)).map(([orderId, lines]): Command => ({
    kind: "confirm",
    orderId,
    lines,
    ...origin,
  })),
  busyId.map((orderId): Command => ({ kind: "cancel", orderId, ...origin })),
  fc.tuple(busyId, holdMs).map(([orderId, holdMs]): Command => ({
    kind: "extend",
    orderId,
    holdMs,
    ...origin,
  })),
  fc.tuple(busyId, busyId, lines).map(([orderId, returnId, lines]): Command => ({
    kind: "return",
    orderId,
    returnId,
    lines,
    reason: "broken",
    sold: null,
    ...origin,
  })),
);

const hourMs = 3_600_000;
const moment = fc.constantFrom(null, null, Date.now() - hourMs, Date.now() + hourMs);

const ofStock: fc.Arbitrary<Command> = fc.oneof(
  fc.tuple(id, sku, fc.constantFrom(-3, -1, 0, 1, 2, 10, 1_000_000_000_000)).map((args) => adjust(...args)),
  fc.tuple(id, sku, fc.constantFrom(0, 1, 5, 10), fc.constantFrom(null, 0, 1, 5, 10)).map(
    ([adjustmentId, sku, available, expected]): Command => ({
      kind: "set",
      adjustmentId,
      sku,
      available,
      expected,
      reason: "",
      reference: "",
      ...origin,
    }),
  ),
  fc.tuple(fc.constantFrom("pause" as const, "resume" as const), sku).map(([kind, sku]): Command => ({
    kind,
    sku,
    reason: "",
    ...origin,
  })),
  fc.tuple(sku, moment, moment, fc.constantFrom(null, null, 1, 3), fc.boolean()).map(
    ([sku, opensAtMs, closesAtMs, quota, tokenRequired]): Command => ({
      kind: "rules",
      sku,
      opensAtMs,
      closesAtMs,
      quota,
      tokenRequired,
      ...origin,
    }),
  ),
);

/** One random command. */
export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(id, sku, amount, user).map((args) => deduct(...args)) },
  { weight: 5, arbitrary: sale },
  { weight: 5, arbitrary: ofOrder },
  { weight: 5, arbitrary: ofStock },
  { weight: 1, arbitrary: sku.map((sku): Command => ({ kind: "stock", sku })) },
  { weight: 1, arbitrary: id.map((orderId): Command => ({ kind: "lookup", orderId })) },
);

/** Something to sell, so that a run does not begin with a hundred refusals. */
const opening: Command[] = ["S1", "S2", "S3"].map((sku) => adjust("opening", sku, 30));

/** Random batches of random commands. */
export const anyBatches: fc.Arbitrary<Command[][]> = fc.array(
  fc.array(anyCommand, { minLength: 1, maxLength: 20 }),
  { minLength: 1, maxLength: 12 },
).map((batches) => [opening, ...batches]);

/** The seed of this run: `TEST_SEED` repeats one. Printed, so that a failure can be seen again. */
export function runSeed(): number {
  const given = Deno.env.get("TEST_SEED");
  return given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
}
