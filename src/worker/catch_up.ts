/**
 * Applies what the log has and the ledger has not, before a shard is armed.
 *
 * @module
 */
import type { ShardView } from "../decide/shard_control.ts";
import type { Cursor, ShardLedger } from "../ledger/ledger.ts";
import type { LogEntry, Position } from "../domain/event.ts";
import type { EventLog } from "../log/event_log.ts";
import type { World } from "../runtime/world.ts";
import { apply, LedgerMismatch, whyNotApplied } from "./apply.ts";
import { whileBeating } from "./lease_beat.ts";

/** What catching up needs. */
export interface CatchUpParts {
  /** The lease on the shard's books. */
  readonly ledger: ShardLedger;
  /** Has the entries that the ledger may still lack. */
  readonly log: EventLog;
  /** Keeps the lease while a long topic is read. */
  readonly world: World;
  /** Ends reads of the log. */
  readonly signal: AbortSignal;
}

/** What the log has beyond the ledger and cannot be applied. */
export interface Gap {
  /** Why, as the end of a sentence. */
  readonly why: string;
  /** Where the entries end that were read; there may be more. */
  readonly last: Position;
}

/**
 * Applies what the log has and the ledger has not. Returns what cannot be applied, if there is anything.
 *
 * @param isForked the store went back: a difference ends it, and is no error
 */
export async function bookTheRest(
  view: ShardView,
  isForked: boolean,
  parts: CatchUpParts,
): Promise<Gap | undefined> {
  const { ledger } = parts;
  for (let after = whereTheRestBegins(view, await ledger.cursor());;) {
    const entries = await readOn(after, parts);
    const last = entries.at(-1);
    if (!last) {
      const end = view.log?.last;
      if (!end || end.seq <= after.seq) return undefined;
      const why = end.epoch < after.epoch
        ? `its log ends under epoch ${end.epoch}, and the ledger goes on under ${after.epoch}`
        : `the log's entries after ${after.seq} are gone`;
      return { why, last: after };
    }
    const book = (some: readonly LogEntry[]) =>
      apply(ledger, some).catch((error) => {
        // A store that went back cannot agree; what it sold since and the ledger cannot take is lost.
        if (isForked && error instanceof LedgerMismatch) return undefined;
        throw error;
      });
    let applied = await book(entries);
    if (applied?.kind === "gap") {
      // A batch with a gap books nothing. What comes before the gap is applied here: only what it lacks is lost.
      const { seq } = applied.found;
      const before = entries.filter(({ position }) => position.seq < seq);
      if (before.length > 0) await book(before);
      applied = await book(entries);
    }
    if (applied?.kind !== "applied") {
      return { why: applied ? whyNotApplied(applied) : "the store went back", last: last.position };
    }
    after = last.position;
  }
}

/**
 * Everything that was written under an epoch is applied before the next one is issued. What a topic has of older epochs
 * beyond the ledger, a relay that was left behind has appended since. But a store that has numbers beyond them may be one
 * that never saw the next epoch: its own counts. Books that went back do not know the store's epoch: what they lack
 * begins under their own.
 */
export function whereTheRestBegins({ position }: Pick<ShardView, "position">, cursor: Cursor): Position {
  const isBeyond = position.seq > cursor.seq && position.epoch > 0;
  const epoch = isBeyond ? Math.min(position.epoch, cursor.issuedEpoch) : cursor.issuedEpoch;
  return { epoch: Math.max(cursor.epoch, epoch), seq: cursor.seq };
}

/** The highest number that the log has, which is more than `highest` only behind a gap. */
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
 * An answer without entries says that the log ends here.
 *
 * @throws the signal's reason when it was aborted: an aborted read returns no entries either, and a store that
 *   is rebuilt on that answer lacks what the log still has
 */
async function readOn(after: Position, parts: CatchUpParts): Promise<LogEntry[]> {
  const { log, ledger, world, signal } = parts;
  const reading = log.read(ledger.shard, after, { entriesMax: 64, waitMs: 0, signal });
  const entries = await whileBeating(ledger, world, reading);
  if (entries.length === 0) signal.throwIfAborted();
  return entries;
}
