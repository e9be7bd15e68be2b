/**
 * What a basket of several shards is answered with, and what an order shows of it.
 *
 * @module
 */
import type { Line, Sale } from "../domain/command.ts";
import { isPrepared, type Outcome, type RememberedLine } from "../domain/outcome.ts";
import type { ShardMemory } from "./archive.ts";
import type { BasketDecisions } from "./basket_decisions.ts";

/** A basket, or a part of one, that was accepted. */
export type Accepted = Extract<Outcome, { kind: "accepted" }>;

/**
 * The outcome of a basket that the ledger knows from before; undefined when its lines are new. An order has one basket of
 * several shards, so all of its lines of that kind are compared.
 */
export function repeated(sale: Sale, known: readonly RememberedLine[]): Outcome | undefined {
  const decided = known.flatMap(decide(soldAttempts(known)));
  const bySku = new Map(decided.map((line) => [line.sku, line]));
  const other = sale.lines.find(({ sku }) => (bySku.get(sku)?.kind ?? "prepare") !== "prepare");
  if (other) return { kind: "conflict", sku: other.sku };
  const basket = [...bySku.values()].filter(({ kind }) => kind === "prepare");
  const [first] = basket;
  if (!first) return undefined;
  const differs = differing(sale, first.userId, basket);
  if (differs !== undefined) return { kind: "conflict", sku: differs };
  const past = sale.lines.map(({ sku }) => bySku.get(sku));
  const newStock = past.map((line) => line?.newStock ?? 0);
  return { ...answer(sale, [{ places: [...newStock.keys()], newStock }], past[0]?.seq ?? 0), replayed: true };
}

/** The attempts of which a shard has sold a line: they are committed, whatever the ledger has. */
function soldAttempts(lines: readonly RememberedLine[]): ReadonlySet<string> {
  const sold = lines.filter(({ attempt, state }) => attempt !== "" && state === "accepted");
  return new Set(sold.map(({ attempt }) => attempt));
}

/** A prepared line of a committed basket is sold, that of any other attempt is nothing yet. */
function decide(sold: ReadonlySet<string>): (line: RememberedLine) => RememberedLine[] {
  return (line) => {
    if (!isPrepared(line)) return [line];
    return sold.has(line.attempt) ? [{ ...line, state: "accepted" }] : [];
  };
}

/**
 * What shards remember of an order, with the decision on prepared lines.
 *
 * @param found by shard
 */
export async function decidedMemory(
  found: readonly ShardMemory[],
  orderId: string,
  decisions: BasketDecisions | null,
): Promise<readonly ShardMemory[]> {
  if (!found.some(({ lines }) => lines.some(isPrepared))) return found;
  const basket = await decisions?.find(orderId);
  const seqs = new Map(
    basket?.kind === "committed" ? basket.parts.map(({ shard, seq }) => [shard, seq]) : [],
  );
  const decideOne = decide(soldAttempts(found.flatMap(({ lines }) => lines)));
  return found.map((memory, shard) => ({
    ...memory,
    lines: memory.lines.flatMap((line): RememberedLine[] => {
      return line.seq === seqs.get(shard) ? [{ ...line, state: "accepted" }] : decideOne(line);
    }),
  }));
}

/** The first SKU in which a basket differs from an earlier one; undefined when they are the same. */
export function differing(sale: Sale, userId: string, lines: readonly Line[]): string | undefined {
  const amounts = new Map(lines.map(({ sku, amount }) => [sku, amount]));
  const other = sale.lines.find(({ sku, amount }) => amounts.get(sku) !== amount);
  if (other) return other.sku;
  return sale.userId !== userId || lines.length !== sale.lines.length ? sale.lines[0]?.sku ?? "" : undefined;
}

/** The outcome of a basket that is sold. `seq` is the number in the shard of its first line. */
export function answer(
  sale: Sale,
  parts: readonly { readonly places: readonly number[]; readonly newStock: readonly number[] }[],
  seq: number,
): Accepted {
  const newStock = sale.lines.map(() => 0);
  for (const part of parts) part.places.forEach((place, i) => newStock[place] = part.newStock[i] ?? 0);
  return { kind: "accepted", seq, newStock, replayed: false, created: false, expiresAtMs: 0 };
}
