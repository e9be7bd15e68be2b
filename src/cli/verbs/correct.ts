/**
 * `correct`: copies the store's values into the ledger, by movements of kind `correction`.
 *
 * Units sold from a changed stock were accepted for buyers, so the stock before the first event that cannot be applied is
 * the valid one. A correction adds the difference to the movements; then the worker continues to apply. If the shelf has
 * fewer units than the store, an `adjust` afterwards records that.
 *
 * @module
 */
import type { Correction } from "../../ledger/corrections.ts";
import type { Queries } from "../../ledger/database.ts";
import type { ProofWalk } from "../../ledger/proof_walk.ts";
import { loadStatements } from "../../ledger/postgres/statements.ts";
import type { Position } from "../../domain/event.ts";
import { sleep } from "../../runtime/world.ts";
import { compareShard } from "./compare.ts";
import { exits, Failure } from "../context/failure.ts";
import { readPending } from "./pending.ts";
import type { CliContext } from "../context/context.ts";
import { chosenShards } from "./reconcile.ts";
import { table, type Terminal } from "../context/terminal.ts";
import { proveOne } from "./verify.ts";

export interface CorrectionReason {
  readonly reason: string;
  readonly reference: string;
}

/** SKUs corrected in one transaction: the cursor is locked while they are read. */
const skusMax = 1000;
/** Stock may have been changed more than once: the worker applies up to the next change. */
const roundsMax = 20;
const settleMs = 3000;
const pollMs = 100;

type Row = Correction & { readonly shard: number };

/** Asks first. Returns 1 when store and ledger still differ. */
export async function correct(
  context: CliContext,
  terminal: Terminal,
  only: number | undefined,
  reason: CorrectionReason,
): Promise<number> {
  const shards = chosenShards(context, only);
  await context.deployment();
  const corrected: Row[] = [];
  let left = 0;
  let isConfirmed = false;
  for (const shard of shards) {
    for (let round = 0; round < roundsMax; round++) {
      const { walk, skus } = await wrongSkus(context, terminal, shard);
      left = skus.length;
      if (skus.length === 0) break;
      if (!isConfirmed) {
        terminal.confirm(
          `This sets ${skus.slice(0, 10).join(", ")}${
            skus.length > 10 ? ", …" : ""
          } in the ledger to the store's ` +
            `values, by movements of kind correction. Movements are never deleted.`,
        );
        isConfirmed = true;
      }
      const made = await correctShard(context, shard, walk, skus.slice(0, skusMax), reason);
      corrected.push(...made.map((one) => ({ shard, ...one })));
      if (made.length === 0) break;
      await settled(context, shard);
    }
  }
  const rows = corrected.map(({ shard, sku, delta, reservedDelta, available, reserved }) => ({
    ...{ shard, sku, delta, reserved_delta: reservedDelta, available, reserved },
  }));
  const text = rows.length === 0
    ? "Nothing to correct: stock and movements agree with the store"
    : table(rows);
  terminal.result({ corrections: rows, left }, text);
  return left === 0 ? exits.ok : exits.failed;
}

/** SKUs whose stock row differs from the sum of their movements, or from the store. */
async function wrongSkus(
  context: CliContext,
  terminal: Terminal,
  shard: number,
): Promise<{ walk: ProofWalk; skus: string[] }> {
  const { walk, faults } = await proveOne(context, terminal, shard);
  if (!walk) {
    throw new Failure(
      `Cannot correct shard ${shard} as the ledger has too many faults: see 'inventory verify'`,
    );
  }
  const { differences } = await compareShard(context, terminal, shard, "stock");
  const lost = differences.find(({ what }) => what === "log");
  if (lost) throw new Failure(`Cannot correct shard ${shard} as ${lost.ledger}`);
  const wrong = [
    ...faults.filter(({ check }) => check === "stock").map(({ subject }) => subject),
    ...differences.filter(({ what }) => what === "stock").map(({ name }) => name),
  ];
  return { walk, skus: [...new Set(wrong)].sort() };
}

async function correctShard(
  context: CliContext,
  shard: number,
  walk: ProofWalk,
  skus: readonly string[],
  reason: CorrectionReason,
): Promise<readonly Correction[]> {
  let made: readonly Correction[] = [];
  await (await context.ledger()).correct(shard, async (at, queries) => {
    const [stock, sums, rows] = [
      await storeStock(context, shard, at, skus),
      await sumsAt(queries, shard, walk),
      await stockRows(queries, shard, at, skus),
    ];
    made = skus.flatMap((sku): Correction[] => {
      const inStore = stock.get(sku);
      if (!inStore) return []; // only the ledger has it: a rebuild copies it into the store
      const sum = sums(sku);
      const row = rows.get(sku);
      const delta = inStore.available - sum.available;
      const reservedDelta = inStore.reserved - sum.reserved;
      const isRight = delta === 0 && reservedDelta === 0 && row?.available === inStore.available &&
        row.reserved === inStore.reserved;
      return isRight ? [] : [{ sku, delta, reservedDelta, ...inStore }];
    });
    return made;
  }, { actor: context.actor, ...reason });
  return made;
}

interface StockSums {
  readonly available: number;
  readonly reserved: number;
}

/** The store's stock at the ledger's cursor. */
async function storeStock(
  context: CliContext,
  shard: number,
  at: Position,
  skus: readonly string[],
): Promise<Map<string, StockSums>> {
  const { head, values } = await (await context.reader()).read(shard, "stock", skus);
  const pending = await readPending(await context.log(), shard, at, head);
  if (pending.lost !== "") throw new Failure(`Cannot correct shard ${shard} as ${pending.lost}`);
  const sums = new Map<string, StockSums>();
  skus.forEach((sku, i) => {
    const [, available, reserved] = /^(\d+) (\d+)/.exec(values[i] ?? "") ?? [];
    const before = pending.skus.get(sku)?.before;
    if (before) sums.set(sku, before);
    else if (available !== undefined) {
      sums.set(sku, { available: Number(available), reserved: Number(reserved) });
    }
  });
  return sums;
}

async function sumsAt(queries: Queries, shard: number, walk: ProofWalk): Promise<(sku: string) => StockSums> {
  const { sum_later } = await loadStatements();
  const rows = await queries.query<StockSums & { sku: string }>(sum_later, [
    shard,
    walk.last.seq,
    walk.last.line,
  ]);
  const later = new Map(rows.map((row) => [row.sku, row]));
  return (sku) => {
    const [sum, more] = [walk.sumOf(sku), later.get(sku)];
    return {
      available: sum.available + (more?.available ?? 0),
      reserved: sum.reserved + (more?.reserved ?? 0),
    };
  };
}

async function stockRows(
  queries: Queries,
  shard: number,
  at: Position,
  skus: readonly string[],
): Promise<Map<string, StockSums>> {
  const { stock_at } = await loadStatements();
  const rows = await queries.query<StockSums & { sku: string }>(stock_at, [
    shard,
    JSON.stringify(skus),
    at.seq,
  ]);
  return new Map(rows.map((row) => [row.sku, row]));
}

/** Waits until the shard sells again, or its ledger stops advancing. */
async function settled(context: CliContext, shard: number): Promise<void> {
  const control = await context.control();
  const ledger = await context.ledger();
  const cursor = async () => (await ledger.progress()).find((one) => one.shard === shard)?.seq;
  let last = await cursor();
  let sinceMs = context.world.elapsedMs();
  while (context.world.elapsedMs() - sinceMs < settleMs) {
    if ((await control.inspect(shard)).armed) return;
    await sleep(context.world, pollMs);
    const now = await cursor();
    if (now !== last) sinceMs = context.world.elapsedMs();
    last = now;
  }
}
