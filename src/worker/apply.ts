/**
 * Booking entries of the log, with the one failure that must stop a shard.
 *
 * @module
 */
import type { Applied, Difference, ShardLedger } from "../ledger/ledger.ts";
import type { LogEntry } from "../log/event.ts";

/** Store and ledger do not agree on what is left: nothing was booked, and the shard must not sell. */
export class LedgerMismatch extends Error {
  override name = "LedgerMismatch";
  constructor(readonly shard: number, readonly differences: readonly Difference[]) {
    super(`Cannot book entries of shard ${shard} as ${differences.length} SKUs differ from the ledger`);
  }
}

/** @throws {LedgerMismatch} */
export async function apply(
  ledger: ShardLedger,
  entries: readonly LogEntry[],
): Promise<Exclude<Applied, { kind: "mismatch" }>> {
  const applied = await ledger.apply(entries);
  if (applied.kind === "mismatch") throw new LedgerMismatch(ledger.shard, applied.differences);
  return applied;
}
