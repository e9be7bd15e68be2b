/**
 * `import --from-seed`: carries stock and remembered orders of the design document's service over.
 *
 * Each SKU is made with what is left plus what its remembered orders took; then each order is deducted again under
 * its own id. So a client that retries an old order here gets its first answer, and the ledger holds it as a sale.
 * All of it has ids of its own, so importing again adds only what is new.
 *
 * @module
 */
import type { ReadStock, Sale, SetStock } from "../../domain/command.ts";
import type { Decided } from "../../domain/outcome.ts";
import { roundMax, Submitter } from "../context/submitter.ts";
import { exits } from "../context/failure.ts";
import type { CliContext } from "../context/context.ts";
import { readSeed, type Seed, type SeedOrder } from "./seed_keys.ts";
import type { Terminal } from "../context/terminal.ts";

const namedMax = 20;

/** Imports. Returns 1 when something was left behind or the stock of a SKU is not the old one's. */
export async function importSeed(context: CliContext, terminal: Terminal, url: string): Promise<number> {
  const seed = await readSeed(await context.otherRedis(url));
  const submitter = new Submitter(await context.store(), context.world, context.config.shards);
  const progress = terminal.progress("from seed", seed.stock.size + seed.orders.length);
  const problems = seed.left.map(({ key, why }) => `${key}: ${why}`);
  const counts = { skus: 0, skus_before: 0, orders: 0, orders_before: 0 };
  let done = 0;
  const decide = async <C extends SetStock | Sale>(
    commands: readonly C[],
    skuOf: (command: C) => string,
    seen: (command: C, outcome: Decided | undefined) => void,
  ) => {
    for (let i = 0; i < commands.length; i += roundMax) {
      const round = commands.slice(i, i + roundMax);
      const outcomes = await submitter.decideAll(round, skuOf);
      round.forEach((command, at) => seen(command, outcomes[at]));
      done += round.length;
      progress.show(done);
    }
  };

  await decide(creations(seed, context.actor), ({ sku }) => sku, ({ sku }, outcome) => {
    if (outcome?.kind === "accepted" && !outcome.replayed) counts.skus++;
    // It was made before; whether its figure is right is seen at the end.
    else if (["accepted", "conflict", "stale"].includes(outcome?.kind ?? "")) counts.skus_before++;
    else problems.push(`inventory:${sku}: refused: ${outcome?.kind ?? "no answer"}`);
  });
  const sales = seed.orders.map((order) => saleOf(order, context.actor));
  await decide(sales, ({ lines }) => lines[0]?.sku ?? "", ({ orderId }, outcome) => {
    if (outcome?.kind !== "accepted") {
      problems.push(`inventory:log:${orderId}: refused: ${outcome?.kind ?? "no answer"}`);
    } else if (outcome.replayed) counts.orders_before++;
    else counts.orders++;
  });
  progress.end();
  problems.push(...await differences(submitter, seed));
  const text =
    `${counts.skus} SKUs and ${counts.orders} orders carried over; ${counts.skus_before} SKUs and ` +
    `${counts.orders_before} orders were here before; ${problems.length} problems`;
  terminal.result({ ...counts, problems }, text);
  for (const problem of problems.slice(0, namedMax)) terminal.note(problem);
  if (problems.length > namedMax) terminal.note(`and ${problems.length - namedMax} more: see --json`);
  return problems.length > 0 ? exits.failed : exits.ok;
}

/** One a SKU: what is left and what the remembered orders took. */
function creations({ stock, orders }: Seed, actor: string): SetStock[] {
  const sold = new Map<string, number>();
  for (const { sku, amount } of orders) sold.set(sku, (sold.get(sku) ?? 0) + amount);
  return [...stock].map(([sku, left]) => {
    const available = left + (sold.get(sku) ?? 0);
    return {
      kind: "set",
      sku,
      available,
      expected: null,
      adjustmentId: "from-seed",
      reason: "carried over from the design document's service",
      reference: `inventory:${sku}`,
      actor,
      traceparent: "",
    };
  });
}

/** Exactly what `POST /api/v1/inventory/deduct` would make of it, so that a retry there is a replay. */
function saleOf({ orderId, userId, sku, amount }: SeedOrder, actor: string): Sale {
  return {
    kind: "deduct",
    orderId,
    userId,
    lines: [{ sku, amount }],
    firstAttempt: false,
    hasToken: true,
    holdMs: 0,
    isHistory: true, // how fast a user bought then must not refuse it now
    actor,
    traceparent: "",
  };
}

/** SKUs that are not what they are there, in words. */
async function differences(submitter: Submitter, { stock }: Seed): Promise<string[]> {
  const found: string[] = [];
  const skus = [...stock.keys()];
  for (let i = 0; i < skus.length; i += roundMax) {
    const reads = skus.slice(i, i + roundMax).map((sku): ReadStock => ({ kind: "stock", sku }));
    const outcomes = await submitter.decideAll(reads, ({ sku }) => sku);
    reads.forEach(({ sku }, at) => {
      const outcome = outcomes[at];
      const here = outcome?.kind === "stock" ? outcome.available : undefined;
      if (here === stock.get(sku)) return;
      found.push(
        `inventory:${sku}: ${stock.get(sku)} there, ${
          here ?? "unknown"
        } here: sold here since, or sold there ` +
          `without a log entry that is left; 'inventory set' changes it`,
      );
    });
  }
  return found;
}
