/**
 * What shards have forgotten: the ledger knows it, once it has all that a shard may have forgotten.
 *
 * @module
 */
import type { FoundAdjustment } from "../domain/adjustment.ts";
import type { Recalled, Return } from "../domain/command.ts";
import type { Decided, OrderOutcome, RememberedLine } from "../domain/outcome.ts";

/** What is older than the idempotency window. */
export interface OrderArchive {
  /** Every line of an order, in all shards, and how far the ledger is in each. */
  findOrder(
    orderId: string,
  ): Promise<
    { readonly lines: readonly RememberedLine[]; readonly appliedSeqs: ReadonlyMap<number, number> }
  >;
  /** Every line of a return, in all shards, oldest first. */
  findReturn(orderId: string, returnId: string): Promise<readonly RememberedLine[]>;
  /** The first change of a SKU under an adjustment id, and how far the ledger of the shard is. */
  findAdjustment(shard: number, adjustmentId: string, sku: string): Promise<FoundAdjustment>;
}

/** What a shard remembers of an order. */
export type ShardMemory = Extract<Decided, { kind: "order" }>;

/** The shard that owns a SKU. */
export type ShardOf = (sku: string) => number;

/**
 * Whether a shard that remembers nothing of an order may have known it: each forgets at a moment of its own. Lines
 * of an order are bought within half a window, so one that is younger than that says that none is forgotten.
 *
 * @param found by shard
 */
export function mayBeForgotten(found: readonly ShardMemory[], nowMs: number): boolean {
  const youngestMs = Math.max(0, ...found.flatMap(({ lines }) => lines).map(({ atMs }) => atMs));
  return found.some(({ lines, forgottenSeq, windowMs }) =>
    lines.length === 0 && forgottenSeq > 0 && nowMs - youngestMs > windowMs / 2
  );
}

/**
 * An order whose lines shards may have forgotten. `ledger_behind` while the ledger lacks numbers that they may have
 * forgotten.
 *
 * @param found by shard
 */
export async function completeOrder(
  found: readonly ShardMemory[],
  orderId: string,
  archive: OrderArchive,
  shardOf: ShardOf,
): Promise<OrderOutcome> {
  const { lines, appliedSeqs } = await archive.findOrder(orderId);
  const isBehind = found.some(({ lines, forgottenSeq }, shard) =>
    lines.length === 0 && (appliedSeqs.get(shard) ?? 0) < forgottenSeq
  );
  if (isBehind) return { kind: "ledger_behind" };
  // A shard that remembers the order knows it better than the ledger, which come after it.
  const forgotten = lines.filter(({ sku }) => found[shardOf(sku)]?.lines.length === 0);
  return { kind: "order_found", lines: [...found.flatMap(({ lines }) => lines), ...forgotten] };
}

/** What the ledger has of a return and its order, in one shard. */
export async function recall(
  { orderId, returnId }: Return,
  shard: number,
  archive: OrderArchive,
  shardOf: ShardOf,
): Promise<Recalled> {
  // In this order: a return that is applied between the two is found, and its units may still count as sold.
  const { lines, appliedSeqs } = await archive.findOrder(orderId);
  const returned = await archive.findReturn(orderId, returnId);
  // Only the shard's own lines: it stores what it gets, and lines of another shard would be found twice afterwards.
  const ours = (all: readonly RememberedLine[]) => all.filter(({ sku }) => shardOf(sku) === shard);
  return { appliedSeq: appliedSeqs.get(shard) ?? 0, sold: ours(lines), returned: ours(returned) };
}
