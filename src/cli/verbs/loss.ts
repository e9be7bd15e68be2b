/**
 * Numbers that are neither in the ledger nor in the log, and the question whether to continue without them.
 *
 * @module
 */
import { loadStatements } from "../../ledger/postgres/statements.ts";
import type { Cursor, StockAt } from "../../ledger/ledger.ts";
import { restStart } from "../../worker/catch_up.ts";
import { Failure } from "../context/failure.ts";
import { readLogEnd } from "./log_end.ts";
import type { CliContext } from "../context/context.ts";
import type { Terminal } from "../context/terminal.ts";

/** The lost numbers of a shard. */
export interface Loss {
  readonly shard: number;
  /** Last number that is in the ledger, or will be when its worker has read the log. */
  readonly fromSeq: number;
  /** Last number known to have been issued. */
  readonly toSeq: number;
  readonly lost: number;
  /** Whether the store still has their effects. */
  readonly isStoreWhole: boolean;
}

/** Reads every number in the log beyond the ledger. Writes nothing. */
export async function findLoss(context: CliContext, shard: number): Promise<Loss> {
  const [queries, sql] = [await context.database(), await loadStatements()];
  const [cursor] = await queries.query<Cursor>(sql.read_cursor, [shard]);
  if (!cursor) throw new Failure(`Cannot inspect shard ${shard} as the ledger has no such shard`);
  const [control, log] = [await context.control(), await context.log()];
  const view = await control.inspect(shard);
  const stockAt = (skus: readonly string[], seq: number) =>
    queries.query<StockAt>(sql.stock_at, [shard, JSON.stringify(skus), seq]);
  const parts = { log, control, stockAt, shard };
  const { fromSeq, last } = await readLogEnd(parts, restStart(view, cursor));
  const { seq } = await log.tail(shard);
  const known = Math.max(cursor.recordedHead, last, seq);
  const isStoreWhole = view.position.epoch > 0 && view.position.seq >= known;
  const toSeq = Math.max(fromSeq, view.position.seq, known);
  return { shard, fromSeq, toSeq, lost: toSeq - fromSeq, isStoreWhole };
}

/** Disarms a shard that has lost numbers, so that the number cannot change after it was counted. */
export async function stopAndFindLoss(context: CliContext, shard: number): Promise<Loss> {
  const found = await findLoss(context, shard);
  if (found.lost === 0) return found;
  await (await context.control()).disarm(shard, (await context.deployment()).id);
  return await findLoss(context, shard);
}

/**
 * Asks whether to continue without lost numbers. `--yes` is not enough: the operator must have seen the number.
 *
 * @param accepted value of `--lost`; undefined when left out
 * @throws {Failure} when the answer is no, or another number was accepted
 */
export function confirmLoss(
  terminal: Terminal,
  losses: readonly Loss[],
  consequence: string,
  accepted: number | undefined,
): void {
  const lost = losses.reduce((sum, one) => sum + one.lost, 0);
  const parts = losses.filter((one) => one.lost > 0).map(({ shard, fromSeq, toSeq }) =>
    `shard ${shard}: numbers ${fromSeq + 1} to ${toSeq}`
  );
  const what = `${lost} numbers are neither in the ledger nor in the log (${
    parts.join("; ")
  }). ${consequence}`;
  if (accepted === lost) return terminal.note(what);
  if (accepted !== undefined) {
    throw new Failure(`Cannot continue as --lost ${accepted} was accepted. ${what}`);
  }
  if (terminal.isUnattended) {
    throw new Failure(
      `Cannot continue without confirmation: pass --lost ${lost} to accept it. ${what}`,
      "usage",
    );
  }
  terminal.confirm(what);
}

/** Writes the accepted loss for the shard's worker. */
export async function acceptLoss(
  context: CliContext,
  { shard, fromSeq, toSeq }: Loss,
  source: "store" | "ledger",
  reason: string,
): Promise<void> {
  await (await context.ledger()).acceptLoss(shard, { fromSeq, toSeq, source, reason, actor: context.actor });
}

/** The number of numbers recorded as lost since an epoch. */
export async function countLost(context: CliContext, shard: number, sinceEpoch: number): Promise<number> {
  const [row] = await (await context.database()).query<{ lost: number }>(
    (await loadStatements()).count_lost,
    [shard, sinceEpoch],
  );
  return row?.lost ?? 0;
}
