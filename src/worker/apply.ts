/**
 * Applies log entries to the ledger, up to the first event by which store and ledger differ.
 *
 * @module
 */
import type { Applied, ShardLedger } from "../ledger/ledger.ts";
import type { LogEntry } from "../domain/event.ts";

/** Why entries were not applied. */
export function whyNotApplied(result: Exclude<Applied, { kind: "applied" }>): string {
  switch (result.kind) {
    case "gap":
      return `the log continues at ${result.found.seq} after ${result.cursor.seq}`;
    case "stale_epoch":
      return `the log continues under epoch ${result.found.epoch} after ${result.cursor.epoch}`;
    case "diverged":
      return `the log has event ${result.found.seq} with other contents than the ledger`;
    case "mismatch":
      return `${result.differences.length} SKUs differ from the ledger`;
  }
}

/**
 * Applies entries. On a mismatch, everything before the first differing event is applied: the cursor then stands where
 * the store's stock began to differ, and a correction after it explains the difference.
 */
export async function apply(ledger: ShardLedger, entries: readonly LogEntry[]): Promise<Applied> {
  const applied = await ledger.apply(entries);
  if (applied.kind !== "mismatch") return applied;
  const { seq } = await ledger.cursor();
  const left = entries.flatMap(({ position: { epoch }, events }) =>
    events.filter((event) => event.seq > seq).map((event) => ({ epoch, event }))
  );
  if (left.length <= 1) return applied;
  const middle = left.length >> 1;
  for (const part of [left.slice(0, middle), left.slice(middle)]) {
    const result = await apply(
      ledger,
      part.map(({ epoch, event }) => ({ position: { epoch, seq: event.seq }, events: [event] })),
    );
    if (result.kind === "mismatch") return result;
  }
  // One half must differ as the whole did, unless a correction was applied between two transactions.
  return await ledger.apply(entries);
}
