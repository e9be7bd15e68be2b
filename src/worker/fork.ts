/**
 * Finds out whether a store and the ledger still have one history.
 *
 * Keys that are put back to an older state bring their right to sell with them. The store then issues numbers a second
 * time. Its log shows it: events at or below the ledger's cursor have other contents than what was applied.
 *
 * @module
 */
import type { ShardControl, ShardView } from "../decide/shard_control.ts";
import type { Cursor, ShardLedger } from "../ledger/ledger.ts";

/** The two sides. */
export interface ForkParts {
  /** The store's side. */
  readonly control: ShardControl;
  /** The lease on the shard's books; kept alive between pages. */
  readonly ledger: ShardLedger;
}

/** Events of the store that the ledger has with other contents. */
export interface Fork {
  /** How many. They were accepted, and their numbers are taken. */
  readonly events: number;
  /** Lowest of their numbers; undefined without any. */
  readonly first: number | undefined;
}

const none: Fork = { events: 0, first: undefined };
/** Entries a page: at most 64 batches of the store. */
const pageEntries = 64;

/**
 * Looks at the entry at the cursor, and at the whole log when something is wrong there, when the store ends before the
 * cursor, or when a visit found that it went back. The log keeps at least 10,000 events below the cursor.
 */
export async function findFork(view: ShardView, cursor: Cursor, parts: ForkParts): Promise<Fork> {
  if (cursor.seq === 0 || view.log === null) return none;
  const isDoubtful = view.suspect || view.position.seq < cursor.seq || await differsAt(cursor, parts);
  if (!isDoubtful) return none;
  const { control, ledger } = parts;
  let [events, first] = [0, undefined as number | undefined];
  for (let after = { epoch: 0, seq: 0 };;) {
    const entries = await control.entries(ledger.shard, after, pageEntries);
    const last = entries.at(-1);
    if (!last) return { events, first };
    const numbers = await ledger.divergent(entries);
    events += numbers.length;
    first ??= numbers[0];
    after = last.position;
  }
}

/** Two histories that differ before the cursor differ there too: time and figures are part of an event. */
export async function differsAt(
  { epoch, seq }: Pick<Cursor, "epoch" | "seq">,
  { control, ledger }: ForkParts,
): Promise<boolean> {
  if (seq === 0) return false;
  const entries = await control.entries(ledger.shard, { epoch, seq: seq - 1 }, 1);
  return (await ledger.divergent(entries)).length > 0;
}
