/**
 * The oracle on the store's own clock: the memory store is told what time it was when Lua decided. So times are compared
 * too, and reservations lapse, users may buy again and orders are forgotten in the very same batch.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Command } from "../../src/inventory/command.ts";
import { MemoryStore } from "../../src/inventory/memory/store.ts";
import type { BatchResult, DecisionLimits } from "../../src/inventory/store.ts";
import { say } from "../../src/lifecycle.ts";
import type { EventLog } from "../../src/log/log.ts";
import { realWorld, sleep } from "../../src/world.ts";
import { sharedRedis } from "../servers/shared.ts";
import { anyBatches, runSeed } from "./commands.ts";
import { armEmpty, inTime, readAll } from "./store_suite.ts";
import { makeRedisStore } from "./stores.ts";

/** Holds of one, two and four hours, which the other oracle outlives, become holds of 10, 20 and 40 ms. */
const holdDividedBy = 360_000;

/** The same commands made for time: few units a sale, so that many are accepted, short holds, and nothing paused. */
function brief(batch: readonly Command[]): Command[] {
  return batch.flatMap((command): Command[] => {
    switch (command.kind) {
      case "pause":
      case "rules":
        return [];
      case "extend":
        return [{ ...command, holdMs: command.holdMs / holdDividedBy }];
      case "deduct":
      case "order":
      case "reserve": {
        const lines = command.lines.slice(0, 1).map(({ sku }) => ({ sku, amount: 1 }));
        return [{ ...command, lines, holdMs: command.holdMs / holdDividedBy }];
      }
      default:
        return [command];
    }
  });
}

/** Time that passes before each batch, ms: none, less than a hold, more than a window. */
const anyPauses = fc.array(fc.constantFrom(0, 0, 2, 8, 15, 40), { minLength: 13, maxLength: 13 });

const limitsToTry: Omit<DecisionLimits, "backlogMax">[] = [
  { userLimitMs: 0, idempotencyWindowMs: 40 },
  { userLimitMs: 5, idempotencyWindowMs: 40 },
  { userLimitMs: 0, idempotencyWindowMs: 86_400_000 },
];

const outcomesOf = (result: BatchResult) => result.kind === "decided" ? result.outcomes : assert.fail();
const eventsOf = async (log: EventLog) => (await readAll(log)).flatMap((entry) => entry.events);

Deno.test("Lua decides as the memory store does, to the millisecond", async () => {
  const seed = runSeed();
  say(`seed ${seed}`);
  const kinds = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      anyBatches,
      anyPauses,
      fc.constantFrom(...limitsToTry),
      async (batches, pauses, some) => {
        const limits = { ...some, backlogMax: 1_000_000 };
        await using redis = await makeRedisStore(sharedRedis("redis").url, limits);
        await armEmpty(redis.control);
        let nowMs = await redis.rememberingSince();
        const memory = new MemoryStore({ ...realWorld, now: () => nowMs }, limits, 1);
        await armEmpty(memory);
        for (const [i, batch] of batches.entries()) {
          await sleep(realWorld, pauses[i] ?? 0);
          const commands = brief(batch).map(inTime);
          const decided = await redis.store.decide(0, commands);
          nowMs = decided.timeMs;
          assert.deepEqual(outcomesOf(decided), outcomesOf(await memory.decide(0, commands)));
          for (const { kind } of outcomesOf(decided)) kinds.add(kind);
        }
        const events = await eventsOf(redis.log);
        assert.deepEqual(events, await eventsOf(memory));
        for (const { kind } of events) kinds.add(kind);
        await memory.close();
      },
    ),
    // What takes real time is not made smaller: it would go another way each time.
    { seed, numRuns: 80, endOnFailure: true },
  );
  // Time must have passed for it to prove anything.
  for (const kind of ["expire", "reservation_expired", "rate_limited", "unknown_reservation"]) {
    assert.ok(kinds.has(kind), `no ${kind} in this run`);
  }
});
