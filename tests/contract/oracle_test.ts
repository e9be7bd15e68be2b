/**
 * The memory store is the oracle: the same random commands give the same answers and the same events
 * from Lua, and replaying those events into the ledger gives the same stock.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Command } from "../../src/inventory/command.ts";
import type { Outcome } from "../../src/inventory/outcome.ts";
import type { DecisionLimits } from "../../src/inventory/store.ts";
import { say } from "../../src/lifecycle.ts";
import type { InventoryEvent } from "../../src/log/event.ts";
import { sharedRedis } from "../servers/shared.ts";
import { anyBatches, runSeed } from "./commands.ts";
import { makeMemoryStore, makeRedisStore } from "./stores.ts";
import { armEmpty, decide, readAll, type StoreUnderTest } from "./store_suite.ts";

interface Run {
  readonly outcomes: Outcome[][];
  readonly events: InventoryEvent[];
}

/** Clocks differ between stores, so times are left out. */
function timeless<T extends Outcome>(outcome: T): T {
  if (outcome.kind !== "order") return outcome;
  return { ...outcome, lines: outcome.lines.map((line) => ({ ...line, atMs: 0 })) };
}

async function run(parts: StoreUnderTest, batches: Command[][]): Promise<Run> {
  await using _ = parts;
  await armEmpty(parts.control);
  const outcomes: Outcome[][] = [];
  for (const batch of batches) {
    // A second would expire within the run on one store and not on the other; ten minutes do on none.
    outcomes.push((await decide(parts.store, ...batch)).map(timeless).map(withoutWait));
  }
  const events = (await readAll(parts.log)).flatMap((entry) => entry.events);
  return { outcomes, events: events.map((event) => ({ ...event, atMs: 0 })) };
}

function withoutWait(outcome: Outcome): Outcome {
  return outcome.kind === "rate_limited" ? { ...outcome, retryAfterMs: 0 } : outcome;
}

const limitsToTry: Partial<DecisionLimits>[] = [{}, { userLimitMs: 600_000 }, { backlogMax: 5 }];

for (const flavour of ["redis", "valkey"] as const) {
  Deno.test(`${flavour}: Lua answers and writes as the memory store does`, async () => {
    const seed = runSeed();
    say(`seed ${seed}`);
    const kinds = new Set<string>();
    await fc.assert(
      fc.asyncProperty(anyBatches, fc.constantFrom(...limitsToTry), async (batches, limits) => {
        const expected = await run(await makeMemoryStore(limits), batches);
        const actual = await run(await makeRedisStore(sharedRedis(flavour).url, limits), batches);
        assert.deepEqual(actual, expected);
        for (const { kind } of expected.outcomes.flat()) kinds.add(kind);
      }),
      { seed, numRuns: 120 },
    );
    // The run must have met every outcome that these commands can have, or it proved little.
    for (
      const kind of ["accepted", "conflict", "unknown_sku", "insufficient", "rate_limited", "stock_limit"]
    ) {
      assert.ok(kinds.has(kind), `no ${kind} in this run`);
    }
    assert.ok(kinds.has("backlog_full") && kinds.has("stock") && kinds.has("order"));
  });
}
