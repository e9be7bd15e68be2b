/**
 * What a client sees does not depend on where SKUs lie: random commands have the same answers from one shard and from
 * three. Only numbers of events differ, which count by shard.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Command } from "../../src/domain/command.ts";
import type { OrderOutcome, Outcome } from "../../src/domain/outcome.ts";
import { say } from "../../src/runtime/lifecycle.ts";
import { type AppUnderTest, backends, startApp } from "./armed_app.ts";
import { anyBatches, runSeed } from "./commands.ts";
import { timeless } from "./oracle.ts";
import { cancel, confirm, extend, reserve } from "./order_commands.ts";
import { adjust, deduct } from "./store_suite.ts";
import { shrunkCaseFirst } from "../random.ts";

/** Sales and returns of one line, as more of them may lie apart, which only several shards refuse. */
function oneLine(command: Command): Command {
  switch (command.kind) {
    case "deduct":
    case "order":
    case "reserve":
    case "return":
      return { ...command, lines: command.lines.slice(0, 1) };
    case "rules":
      // A version is the number of an event, which counts by shard: 0 is the only one that both sides share.
      return { ...command, expected: command.expected === null ? null : 0 };
    default:
      return command;
  }
}

/** Asks the inventory; a return through the API, which asks the ledger and other shards about the order. */
async function ask({ app, inventory }: AppUnderTest, command: Command): Promise<unknown> {
  if (command.kind === "lookup") return shardless(await inventory.findOrder(command.orderId));
  if (command.kind !== "return") return shardless(await inventory.submit(command));
  const { orderId, returnId, lines, reason } = command;
  const response = await app.fetch(
    new Request(`http://127.0.0.1:8080/api/v1/orders/${encodeURIComponent(orderId)}/return`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ return_id: returnId, lines, reason }),
    }),
  );
  return { ...await response.json(), seq: 0, kind: "return" };
}

/** An outcome without what counts by shard, and lines in one order. */
function shardless(outcome: Outcome | OrderOutcome): unknown {
  switch (outcome.kind) {
    case "order_found":
      return outcome.lines.map((line) => ({ ...line, atMs: 0, expiresAtMs: 0, seq: 0, settledSeq: 0 }))
        .sort((a, b) => a.sku < b.sku ? -1 : 1);
    case "settled":
      return { ...outcome, seq: 0, lines: outcome.lines.toSorted((a, b) => a.sku < b.sku ? -1 : 1) };
    case "stock":
      return { ...outcome, seq: 0, rulesVersion: Math.sign(outcome.rulesVersion) };
    case "stale_rules":
      return { ...outcome, version: Math.sign(outcome.version) };
    default:
      return "seq" in outcome ? { ...timeless(outcome), seq: 0 } : timeless(outcome);
  }
}

/** The service itself prepares and decides baskets. */
const isOfClients = ({ kind }: Command) => kind !== "prepare" && kind !== "commit" && kind !== "abort";

const kindOf = (answer: unknown) => answer instanceof Array ? "order" : (answer as Outcome).kind;

const mustMeet: readonly Outcome["kind"][] = [
  "settled",
  "extended",
  "conflict",
  "exceeds",
  "already_confirmed",
  "already_cancelled",
  "unknown_reservation",
];

/** Runs before the random ones, because each of them may miss one of {@link mustMeet}. */
const example: Command[][] = [[
  adjust("a", "s", 10),
  reserve("confirmed", { s: 2 }),
  extend("confirmed", 60_000),
  confirm("confirmed", { s: 3 }),
  confirm("confirmed"),
  cancel("confirmed"),
  deduct("sold", "s", 1),
  deduct("sold", "s", 2),
  reserve("cancelled", { s: 2 }),
  cancel("cancelled"),
  confirm("cancelled"),
  cancel("unknown"),
]];

for (const backend of backends.filter(({ shards }) => shards > 1)) {
  const numRuns = backend.name.startsWith("Redis") ? 60 : 150;
  Deno.test(`${backend.name}: answers as one shard does`, async () => {
    const seed = runSeed();
    say(`seed ${seed}`);
    const kinds = new Set<string>();
    const property = fc.asyncProperty(anyBatches, async (batches) => {
      await using one = await startApp({ USER_LIMIT_MS: "0" });
      await using several = await startApp({ USER_LIMIT_MS: "0" }, backend);
      for (const command of batches.flat().filter(isOfClients).map(oneLine)) {
        const [expected, actual] = [await ask(one, command), await ask(several, command)];
        assert.deepEqual(actual, expected, JSON.stringify(command));
        kinds.add(kindOf(expected));
      }
    });
    await fc.assert(property, { seed, numRuns, examples: [[example]], reporter: shrunkCaseFirst });
    for (const kind of mustMeet) assert.ok(kinds.has(kind), `no ${kind} in this run`);
  });
}
