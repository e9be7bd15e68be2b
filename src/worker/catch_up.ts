/**
 * Applies the entries of the log that the ledger lacks, before a shard is armed.
 *
 * @module
 */
import type { ShardView } from "../decide/shard_control.ts";
import type { Cursor, Difference } from "../ledger/ledger.ts";
import type { LogEntry, Position } from "../domain/event.ts";
import type { EventLog } from "../log/event_log.ts";
import type { World } from "../runtime/world.ts";
import { apply, whyNotApplied } from "./apply.ts";
import { type ForkParts, hasNext } from "./fork.ts";
import { whileBeating } from "./lease_beat.ts";

export interface CatchUpParts extends ForkParts {
  readonly log: EventLog;
  readonly world: World;
  /** Ends reads of the log. */
  readonly signal: AbortSignal;
}

/** Entries of the log that cannot be applied. */
export interface Gap {
  readonly kind: "gap";
  /** Why, as the end of a sentence. */
  readonly why: string;
  /** Position of the last entry read; more may follow. */
  readonly last: Position;
  /** A client may have the answer of the event that cannot be applied: only an operator can leave it out. */
  readonly needsOperator?: true;
}

/**
 * Applies the entries of the log that the ledger lacks.
 *
 * An event that does not follow from the ledger's quantities is a difference between ledger and store only if the store's
 * own log has it. If the topic alone has it, it belongs to keys that were put back, and a ledger that had its predecessor
 * before did not apply it either: its number is missing.
 *
 * @param isForked the store went back: it cannot agree with the ledger, so a mismatch is a gap
 * @returns the entries that cannot be applied, or the SKUs that differ; undefined when everything is applied
 */
export async function applyRest(
  view: ShardView,
  isForked: boolean,
  parts: CatchUpParts,
): Promise<Gap | { readonly kind: "mismatch"; readonly differences: readonly Difference[] } | undefined> {
  const { ledger } = parts;
  for (let after = restStart(view, await ledger.cursor());;) {
    const entries = await readOn(after, parts);
    const last = entries.at(-1);
    if (!last) {
      const end = view.log?.last;
      if (!end || end.seq <= after.seq) return undefined;
      const why = end.epoch < after.epoch
        ? `its log ends under epoch ${end.epoch}, and the ledger continues under ${after.epoch}`
        : `the log's entries after ${after.seq} are gone`;
      return { kind: "gap", why, last: after };
    }
    let applied = await apply(ledger, entries);
    if (applied.kind === "gap") {
      // A batch with a gap is not applied. The entries before the gap are applied here: only the missing ones are lost.
      const { seq } = applied.found;
      const before = entries.filter(({ position }) => position.seq < seq);
      if (before.length > 0) await apply(ledger, before);
      applied = await apply(ledger, entries);
    }
    if (applied.kind === "mismatch" && !isForked) {
      const { seq } = await ledger.cursor();
      if (await hasNext(entries, { seq }, parts)) return applied;
      const why = `the store does not have event ${seq + 1} of the log, and the ledger cannot apply it`;
      return { kind: "gap", why, last: last.position, needsOperator: true };
    }
    if (applied.kind !== "applied") {
      const why = applied.kind === "mismatch" ? "the store went back" : whyNotApplied(applied);
      return { kind: "gap", why, last: last.position };
    }
    after = last.position;
  }
}

/**
 * Where the entries begin that the ledger lacks.
 *
 * Everything written under an epoch is applied before the next one is issued. Entries of older epochs beyond the cursor
 * were appended to the topic later, by a relay that had lost its lease. But a store with numbers beyond the cursor may
 * never have seen the next epoch: then its own epoch is used. A ledger that went back does not know the store's epoch: the
 * entries that it lacks begin under its own.
 */
export function restStart({ position }: Pick<ShardView, "position">, cursor: Cursor): Position {
  const isBeyond = position.seq > cursor.seq && position.epoch > 0;
  const epoch = isBeyond ? Math.min(position.epoch, cursor.issuedEpoch) : cursor.issuedEpoch;
  return { epoch: Math.max(cursor.epoch, epoch), seq: cursor.seq };
}

/** The highest number in the log, which exceeds `highest` only after a gap. */
export async function lastNumber(
  highest: number,
  gap: Gap | undefined,
  parts: CatchUpParts,
): Promise<number> {
  let last = highest;
  for (let after = gap?.last; after;) {
    last = Math.max(last, after.seq);
    after = (await readOn(after, parts)).at(-1)?.position;
    await parts.ledger.beat();
  }
  return last;
}

/**
 * Returns no entries at the end of the log.
 *
 * @throws the signal's reason when it is aborted: an aborted read returns no entries either, and a store that were
 *   rebuilt after it would lack the rest of the log
 */
async function readOn(after: Position, parts: CatchUpParts): Promise<LogEntry[]> {
  const { log, ledger, world, signal } = parts;
  const reading = log.read(ledger.shard, after, { entriesMax: 64, waitMs: 0, signal });
  const entries = await whileBeating(ledger, world, reading);
  if (entries.length === 0) signal.throwIfAborted();
  return entries;
}
