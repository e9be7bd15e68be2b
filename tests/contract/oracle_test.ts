/**
 * The memory store is the oracle: the same random commands give the same answers and the same events
 * from Lua, and replaying those events into the ledger gives the same stock.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Command } from "../../src/domain/command.ts";
import type { Outcome } from "../../src/domain/outcome.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import { say } from "../../src/runtime/lifecycle.ts";
import type { InventoryEvent } from "../../src/domain/event.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { anyBatches, currentVersion, runSeed, withNumbers } from "./commands.ts";
import { timeless, timelessEvent } from "./oracle.ts";
import { cancel, confirm, reserve } from "./order_commands.ts";
import { makeMemoryStore, makeRedisStore } from "./stores.ts";
import {
  adjust,
  armAgain,
  armEmpty,
  decide,
  deployment,
  inTime,
  readAll,
  type StoreUnderTest,
} from "./store_suite.ts";
import { shrunkCaseFirst } from "../random.ts";

interface Run {
  readonly outcomes: Outcome[][];
  readonly events: InventoryEvent[];
}

/** What goes wrong with a batch: nothing, or it arrives late, twice, or while the shard is not armed. */
type Fault = "none" | "late" | "answer_lost" | "unarmed";

const anyFaults: fc.Arbitrary<Fault[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.constant<Fault>("none") },
    { weight: 3, arbitrary: fc.constantFrom<Fault>("late", "answer_lost", "unarmed") },
  ),
  { minLength: 13, maxLength: 13 },
);

async function run(parts: StoreUnderTest, batches: Command[][], faults: readonly Fault[]): Promise<Run> {
  await using _ = parts;
  const { store, control } = parts;
  await armEmpty(control);
  const outcomes: Outcome[][] = [];
  let epoch = 1;
  for (const [i, planned] of batches.entries()) {
    const batch = await withNumbers(store, await withVersions(store, planned));
    const fault = faults[i] ?? "none";
    if (fault === "late") {
      const late = await store.decide(0, batch.map((command) => ({ command, deadlineMs: 1 })));
      outcomes.push(late.kind === "decided" ? [...late.outcomes] : [late]);
    }
    if (fault === "unarmed") {
      await control.disarm(0, deployment);
      outcomes.push([{ kind: (await store.decide(0, batch.map(inTime))).kind } as Outcome]);
      await armAgain(control, ++epoch);
    }
    if (fault === "answer_lost") await decide(store, ...batch);
    // A second would expire within the run on one store and not on the other; ten minutes do on none.
    outcomes.push((await decide(store, ...batch)).map(timeless));
  }
  const events = (await readAll(parts.log)).flatMap((entry) => entry.events);
  return { outcomes, events: events.map(timelessEvent) };
}

/** Rules that expect the current version expect the one that a read before the batch finds. */
async function withVersions(store: StoreUnderTest["store"], batch: Command[]): Promise<Command[]> {
  return await Promise.all(batch.map(async (command) => {
    if (command.kind !== "rules" || command.expected !== currentVersion) return command;
    const [found] = await decide(store, { kind: "stock", sku: command.sku });
    return { ...command, expected: found?.kind === "stock" ? found.rulesVersion : null };
  }));
}

const mustMeet: Outcome["kind"][] = [
  "late",
  "unarmed",
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
  "pending",
  "stale",
  "stale_rules",
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

/** Runs first: of 600 whole runs, 2 did not meet `already_confirmed`. */
const example: [Command[][], Fault[], Partial<DecisionLimits>] = [
  [[adjust("a", "s", 2), reserve("o", { s: 1 }), confirm("o"), cancel("o")]],
  [],
  {},
];

/** A round that has not met every outcome is followed by another one. */
const ROUNDS_MAX = 20;
const limitsToTry: Partial<DecisionLimits>[] = [{}, { userLimitMs: 600_000 }, { backlogMax: 5 }];

for (const flavour of ["redis", "valkey"] as const) {
  Deno.test(`${flavour}: Lua answers and writes as the memory store does`, async () => {
    const seed = runSeed();
    say(`seed ${seed}`);
    const kinds = new Set<string>();
    const property = fc.asyncProperty(
      anyBatches,
      anyFaults,
      fc.constantFrom(...limitsToTry),
      async (batches, faults, limits) => {
        const expected = await run(await makeMemoryStore(limits), batches, faults);
        const actual = await run(await makeRedisStore(sharedRedis(flavour).url, limits), batches, faults);
        assert.deepEqual(actual, expected);
        for (const { kind } of expected.outcomes.flat()) kinds.add(kind);
      },
    );
    const options = { numRuns: 300, examples: [example], reporter: shrunkCaseFirst };
    // The run must have met every outcome that these commands can have, or it proved little.
    const missing = () => mustMeet.filter((kind) => !kinds.has(kind));
    for (let round = 0; round < ROUNDS_MAX && missing().length > 0; round++) {
      await fc.assert(property, { ...options, seed: seed + round });
    }
    assert.deepEqual(missing(), [], "kinds that no run has met");
  });
}
