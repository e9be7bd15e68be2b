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
import { timeless, timelessEvent } from "./oracle.ts";
import { makeMemoryStore, makeRedisStore } from "./stores.ts";
import { armEmpty, decide, readAll, type StoreUnderTest } from "./store_suite.ts";

interface Run {
  readonly outcomes: Outcome[][];
  readonly events: InventoryEvent[];
}

async function run(parts: StoreUnderTest, batches: Command[][]): Promise<Run> {
  await using _ = parts;
  await armEmpty(parts.control);
  const outcomes: Outcome[][] = [];
  for (const batch of batches) {
    // A second would expire within the run on one store and not on the other; ten minutes do on none.
    outcomes.push((await decide(parts.store, ...batch)).map(timeless));
  }
  const events = (await readAll(parts.log)).flatMap((entry) => entry.events);
  return { outcomes, events: events.map(timelessEvent) };
}

const mustMeet: Outcome["kind"][] = [
  "accepted",
  "settled",
  "extended",
  "conflict",
  "unknown_sku",
  "unknown_order",
  "unknown_reservation",
  "already_confirmed",
  "already_cancelled",
  "exceeds",
  "stale",
  "paused",
  "not_open",
  "sale_closed",
  "token_required",
  "insufficient",
  "rate_limited",
  "quota_exceeded",
  "stock_limit",
  "backlog_full",
  "stock",
  "order",
];

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
      { seed, numRuns: 300 },
    );
    // The run must have met every outcome that these commands can have, or it proved little.
    for (
      const kind of ["accepted", "conflict", ...mustMeet]
    ) {
      assert.ok(kinds.has(kind), `no ${kind} in this run`);
    }
  });
}
