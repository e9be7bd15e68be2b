/**
 * Detects whether the histories of store and ledger have forked.
 *
 * Keys restored from an older copy are still armed. The store then issues numbers a second time. Its log shows that:
 * events at or below the ledger's cursor have other contents than the applied ones.
 *
 * @module
 */
import { isSale } from "../domain/outcome.ts";
import type { ShardControl, ShardView } from "../decide/shard_control.ts";
import type { InventoryEvent, LogEntry } from "../domain/event.ts";
import type { Cursor, ShardLedger } from "../ledger/ledger.ts";

export interface ForkParts {
  readonly control: ShardControl;
  readonly ledger: ShardLedger;
}

/** Where {@link hasNext} looks. */
export interface NextParts {
  readonly control: Pick<ShardControl, "entries">;
  readonly ledger: Pick<ShardLedger, "shard">;
}

/** Events of the store that the ledger has with other contents. */
export interface Fork {
  /** Number of accepted events whose numbers are taken in the ledger. */
  readonly events: number;
  /** Lowest of their numbers; undefined when there are none. */
  readonly first: number | undefined;
  /** What they sold, as text: it is not in the ledger, and the rebuilt store does not have it. */
  readonly sold: string;
}

const none: Fork = { events: 0, first: undefined, sold: "" };
/** Order ids in the text. */
const namedMax = 20;
/** Entries a page: at most 64 batches of the store. */
const pageEntries = 64;

/**
 * Compares the entry at the cursor and those after the last acknowledgement. Compares the whole log if they differ, if the
 * store ends before the cursor, or if an acknowledgement found that the store went back. The log keeps at least 10,000
 * events below the cursor.
 */
export async function findFork(view: ShardView, cursor: Cursor, parts: ForkParts): Promise<Fork> {
  if (cursor.seq === 0 || view.log === null) return none;
  const isDoubtful = view.suspect || view.position.seq < cursor.seq ||
    await differs(view, cursor, parts);
  if (!isDoubtful) return none;
  const { control, ledger } = parts;
  let [events, first, units] = [0, undefined as number | undefined, 0];
  const orders = new Set<string>();
  for (let after = { epoch: 0, seq: 0 };;) {
    const entries = await control.entries(ledger.shard, after, pageEntries);
    const last = entries.at(-1);
    if (!last) return { events, first, sold: soldText(orders, units) };
    const numbers = await ledger.divergent(entries);
    events += numbers.length;
    const others = new Set(numbers);
    for (const event of entries.flatMap((entry) => entry.events)) {
      if (!others.has(event.seq) || !isSale(event)) continue;
      orders.add(event.id);
      units -= event.lines.reduce((sum, { delta }) => sum + delta, 0);
    }
    first ??= numbers[0];
    after = last.position;
  }
}

function soldText(orders: ReadonlySet<string>, units: number): string {
  if (orders.size === 0) return "";
  const some = [...orders].slice(0, namedMax).join(", ");
  return `${orders.size} orders of ${units} units: ${some}${orders.size > namedMax ? ", …" : ""}`;
}

/**
 * Whether the store's own log has the event after the cursor as it is in these entries. A topic may have another one: keys
 * that were put back give a number to another event, and the topic keeps it when the store is emptied.
 */
export async function hasNext(
  entries: readonly LogEntry[],
  cursor: Pick<Cursor, "seq">,
  { control, ledger }: NextParts,
): Promise<boolean> {
  const next = cursor.seq + 1;
  const find = (some: readonly LogEntry[]) =>
    some.flatMap(({ position: { epoch }, events }) => events.map((event) => ({ epoch, event })))
      .find(({ event }) => event.seq === next);
  const found = find(entries);
  if (!found) return false;
  const inStore = find(await control.entries(ledger.shard, { epoch: found.epoch, seq: cursor.seq }, 1));
  return inStore !== undefined && contentsOf(inStore.event) === contentsOf(found.event);
}

/** What a copy of an event in a topic keeps, and two events of one number do not share. */
function contentsOf({ kind, id, atMs, lines }: InventoryEvent): string {
  const stock = lines.map(({ sku, available, reserved }) => [sku, available, reserved]);
  return JSON.stringify([kind, id, atMs, stock]);
}

/**
 * Whether the log differs from the ledger in the entry at the cursor, or in one after the store's last acknowledgement.
 *
 * Keys that were put back issue numbers again only after an acknowledgement of their own. The entry at the cursor alone
 * does not show it: a worker may have applied a later event of theirs, if the quantities followed from the ledger.
 */
export async function differs(
  { position, applied }: Pick<ShardView, "position" | "applied">,
  { epoch, seq }: Pick<Cursor, "epoch" | "seq">,
  { control, ledger }: ForkParts,
): Promise<boolean> {
  if (seq === 0) return false;
  // An arming counts all earlier numbers as acknowledged: those that follow are of the store's epoch.
  let after = applied < seq - 1 ? { epoch: position.epoch, seq: applied } : { epoch, seq: seq - 1 };
  while (after.seq < seq) {
    // An entry has at least one number.
    const entries = await control.entries(ledger.shard, after, Math.min(pageEntries, seq - after.seq));
    if ((await ledger.divergent(entries)).length > 0) return true;
    const last = entries.at(-1)?.position;
    if (!last) return false;
    after = last;
  }
  return false;
}
