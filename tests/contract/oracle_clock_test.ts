/**
 * The oracle on a clock that both stores share and the test moves, back too. So times are compared, and reservations
 * lapse, users may buy again and orders are forgotten in the very same batch. Settings change under way.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Command } from "../../src/domain/command.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import type { BatchResult } from "../../src/decide/store.ts";
import { say } from "../../src/runtime/lifecycle.ts";
import type { Position } from "../../src/domain/event.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { anyBatches, runSeed, withNumbers } from "./commands.ts";
import { makeSteppedMemory, makeSteppedRedis } from "./stepped_clock.ts";
import { inTime, readAll } from "./store_suite.ts";
import { shrunkCaseFirst } from "../random.ts";

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
        return [{ ...command, holdMs: Math.ceil(command.holdMs / holdDividedBy) }];
      case "deduct":
      case "order":
      case "reserve":
      case "prepare": {
        const lines = command.lines.slice(0, 1).map(({ sku }) => ({ sku, amount: 1 }));
        return [{ ...command, lines, holdMs: Math.ceil(command.holdMs / holdDividedBy) }];
      }
      default:
        return [command];
    }
  });
}

/** What happens before each batch: how the clock moves, ms, whether the worker has applied all, and its settings. */
const anySteps = fc.array(
  fc.record({
    ms: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(0, 0, 2, 8, 15, 40) },
      { weight: 1, arbitrary: fc.constantFrom(-5, -60, -3_600_000, 100, 3_600_000) },
    ),
    isApplied: fc.boolean(),
    limits: fc.option(fc.nat({ max: 2 }), { freq: 4 }),
  }),
  { minLength: 13, maxLength: 13 },
);

const backlogMax = 1_000_000;
const limitsToTry: readonly DecisionLimits[] = [
  { userLimitMs: 0, idempotencyWindowMs: 40, backlogMax },
  { userLimitMs: 5, idempotencyWindowMs: 40, backlogMax },
  { userLimitMs: 0, idempotencyWindowMs: 86_400_000, backlogMax },
];

/** Where the clock starts: far from now, so that nothing hangs on the machine's own. */
const startMs = Date.UTC(2026, 0, 1);

const outcomesOf = (result: BatchResult) => result.kind === "decided" ? result.outcomes : assert.fail();
const eventsAfter = async (log: EventLog, position: Position) =>
  (await readAll(log, position)).flatMap((entry) => entry.events);

// Time must have passed for it to prove anything.
const mustMeet = [
  "expire",
  "commit",
  "abort",
  "reservation_expired",
  "rate_limited",
  "unknown_reservation",
  "forgotten",
  "ledger_behind",
];
const RUNS = 120;
/** One round meets all of them in 9 of 10 seeds. */
const ROUNDS_MAX = 20;

Deno.test("Lua decides as the memory store does, to the millisecond, on a clock that goes both ways", async () => {
  const seed = runSeed();
  say(`seed ${seed}`);
  const met = new Set<string>();
  const missing = () => mustMeet.filter((kind) => !met.has(kind));
  for (let round = 0; round < ROUNDS_MAX && missing().length > 0; round++) await compare(seed + round, met);
  assert.deepEqual(missing(), [], "kinds that no run has met");
});

/** Runs random commands on both stores, and adds the kinds of their outcomes and events to `met`. */
async function compare(seed: number, met: Set<string>): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      anyBatches,
      anySteps,
      fc.constantFrom(...limitsToTry),
      async (batches, steps, first) => {
        await using redis = await makeSteppedRedis(sharedRedis("redis").url, first, startMs);
        await using memory = await makeSteppedMemory(first, startMs);
        const [nowMs, limits] = [{ value: startMs }, { value: first }];
        for (const [i, batch] of batches.entries()) {
          const step = steps[i] ?? { ms: 0, isApplied: false, limits: null };
          nowMs.value += step.ms;
          limits.value = limitsToTry[step.limits ?? -1] ?? limits.value;
          const results = [];
          for (const { store, log, control, setTime, acknowledge } of [redis, memory]) {
            await setTime(nowMs.value);
            if (step.isApplied) await acknowledge(limits.value);
            const { position } = await control.inspect(0);
            const commands = (await withNumbers(store, brief(batch))).map(inTime);
            const outcomes = outcomesOf(await store.decide(0, commands));
            results.push({ outcomes, events: await eventsAfter(log, position) });
          }
          const [fromLua, fromMemory] = results;
          assert.deepEqual(fromLua, fromMemory);
          for (const { kind } of [...fromLua?.outcomes ?? [], ...fromLua?.events ?? []]) met.add(kind);
        }
      },
    ),
    { seed, numRuns: RUNS, reporter: shrunkCaseFirst },
  );
}
