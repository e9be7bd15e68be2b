/**
 * Applying entries of the log, with the one failure that must stop a shard.
 *
 * @module
 */
import type { Applied, Difference, ShardLedger } from "../ledger/ledger.ts";
import type { LogEntry } from "../domain/event.ts";

/** Store and ledger do not agree on what is left: nothing was applied, and the shard must not sell. */
export class LedgerMismatch extends Error {
  /** What logs show; callers test with `instanceof`. */
  override name = "LedgerMismatch";
  /** The message counts the differences; `describe` in `compare_stock.ts` puts them into words. */
  constructor(readonly shard: number, readonly differences: readonly Difference[]) {
    super(`Cannot book entries of shard ${shard} as ${differences.length} SKUs differ from the ledger`);
  }
}

/** Entries that are in the ledger, or that do not go on where the ledger end. */
export type Booked = Exclude<Applied, { kind: "mismatch" }>;

/** Why entries could not be applied, as text. */
export function whyNotApplied({ kind, cursor, found }: Exclude<Booked, { kind: "applied" }>): string {
  switch (kind) {
    case "gap":
      return `the log goes on at ${found.seq} after ${cursor.seq}`;
    case "stale_epoch":
      return `the log goes on under epoch ${found.epoch} after ${cursor.epoch}`;
    case "diverged":
      return `the log has event ${found.seq} with other contents than the ledger`;
  }
}

/**
 * Applies entries. That they do not follow on the ledger is an answer; a difference is thrown, when everything before the
 * first event with one is applied: then the ledger ends where the store's figures began to differ, and a correction
 * behind its last number explains it.
 *
 * @throws {LedgerMismatch} when store and ledger differ: the event and what follows it were not applied
 */
export async function apply(ledger: ShardLedger, entries: readonly LogEntry[]): Promise<Booked> {
  const applied = await ledger.apply(entries);
  if (applied.kind !== "mismatch") return applied;
  const { seq } = await ledger.cursor();
  const left = entries.flatMap(({ position: { epoch }, events }) =>
    events.filter((event) => event.seq > seq).map((event) => ({ epoch, event }))
  );
  if (left.length <= 1) throw new LedgerMismatch(ledger.shard, applied.differences);
  const middle = left.length >> 1;
  for (const part of [left.slice(0, middle), left.slice(middle)]) {
    await apply(
      ledger,
      part.map(({ epoch, event }) => ({ position: { epoch, seq: event.seq }, events: [event] })),
    );
  }
  // One half must differ as the whole did, unless somebody corrected the ledger between two transactions.
  return await ledger.apply(entries) as Booked;
}
