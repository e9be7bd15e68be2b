/**
 * Arming: a store that lost data cannot sell, because only the worker can give it the right to, and only
 * after it has verified it against the ledger.
 *
 * A store's own identity (`instance`) changes at every restart, promotion and restore, and with it the
 * right to sell is gone. Then, here:
 *
 *   1. refuse the wrong server, and somebody else's store; go on with one that is still armed;
 *   2. book what the log still has: a topic also has what the store lost;
 *   3. if its numbers reach as far as any ever seen, compare the stock; else rebuild it from the ledger
 *      (a store that is whole but whose log is not is refused: only a person can know what was sold);
 *   4. commit the next epoch in the ledger, and arm the store if it is still exactly what was seen.
 *
 * @module
 */
import { refusalsOf } from "../finding.ts";
import type { ShardControl, ShardView } from "../inventory/shard_control.ts";
import type { Cursor, Difference } from "../ledger/ledger.ts";
import type { LogEntry, Position } from "../log/event.ts";
import type { EventLog } from "../log/log.ts";
import { apply, whyNotBooked } from "./apply.ts";
import { type FitnessParts, look } from "./fitness.ts";
import { rebuild, type RebuildParts } from "./rebuild.ts";

/** What verification needs. */
export interface ArmingParts extends RebuildParts, FitnessParts {
  /** Has the entries that the books may still lack. */
  readonly log: EventLog;
  /** Ends reads of the log. */
  readonly signal: AbortSignal;
}

/** What came of it. */
export type Verdict =
  | {
    readonly kind: "armed";
    readonly epoch: number;
    /** Why the store was filled from the ledger; empty when it was intact. */
    readonly rebuilt: string;
    /** Numbers lost with the log. */
    readonly lost: number;
  }
  /** The shard must not sell, and only a person can change that. */
  | {
    readonly kind: "refused";
    readonly reason: string;
    /** Units by which store and ledger differ; 0 when they do not, or were not compared. */
    readonly driftUnits: number;
  }
  /** Something changed while it was verified: verify again. */
  | { readonly kind: "changed" };

/** Verifies a shard and lets it sell, or says why not. */
export async function arm(parts: ArmingParts): Promise<Verdict> {
  const { control, ledger, deployment } = parts;
  const { shard } = ledger;
  const refusals = refusalsOf(await look(parts), parts.durability);
  if (refusals.length > 0) {
    // It may have been armed before somebody changed a setting. A server without the script was not armed by this program.
    await control.disarm(shard, deployment.id).catch(() => {});
    return refused(refusals.join("; "));
  }

  const view = await control.inspect(shard);
  const foreign = whyForeign(view, parts);
  if (foreign) return refused(foreign);

  const before = await ledger.cursor();
  const wentBack = whyLedgerWentBack(view, before);
  if (wentBack) {
    await control.disarm(shard, deployment.id);
    return refused(`Cannot arm shard ${shard} as the ledger went back: ${wentBack}`);
  }
  if (view.armed) {
    // Verified by the worker before this one, and still the same server: it sells, and its log goes on.
    const { epoch } = view.position;
    if (epoch === before.issuedEpoch) return { kind: "armed", epoch, rebuilt: "", lost: 0 };
    // A master that was left behind, or two workers at once. What still sells cannot be verified: stop it first.
    await control.disarm(shard, deployment.id);
    return { kind: "changed" };
  }

  const gap = await bookTheRest(view, parts);
  const cursor = await ledger.cursor();

  const highest = Math.max(cursor.seq, cursor.notedHead, gap?.last.seq ?? 0);
  const loss = whyRebuild(view, highest);
  // The store has the sales and only its log has lost them: filling it from the ledger would sell them again.
  if (!loss && cursor.seq < view.position.seq) {
    return refused(`Cannot arm shard ${shard} as ${gap?.why ?? `the log ends before ${view.position.seq}`}`);
  }
  const rebuilt = loss ? await rebuild(view, await lastNumber(highest, gap, parts), parts) : undefined;
  if (!rebuilt) {
    const differences = await compareStock(view, parts);
    if (differences.length > 0) return refused(describe(differences, shard), driftOf(differences));
  }

  const epoch = await ledger.issueEpoch(
    cursor.issuedEpoch,
    Math.max(view.position.epoch, gap?.last.epoch ?? 0),
  );
  if (epoch === undefined) return { kind: "changed" };
  const seq = rebuilt?.seq ?? cursor.seq;
  if (seq > cursor.seq) await ledger.jump({ epoch, seq });
  const armed = await control.arm(shard, {
    seen: { instance: view.instance, position: rebuilt ? { epoch: 0, seq } : view.position },
    epoch,
    deployment: deployment.id,
    shards: deployment.shards,
    applied: seq,
    token: rebuilt?.token ?? "",
  });
  if (!armed) return { kind: "changed" };
  return { kind: "armed", epoch, rebuilt: loss ?? "", lost: rebuilt?.lost ?? 0 };
}

function refused(reason: string, driftUnits = 0): Verdict {
  return { kind: "refused", reason, driftUnits };
}

/** PostgreSQL was restored from an older copy, or failed over to a standby that lost commits. */
function whyLedgerWentBack({ position, applied }: ShardView, cursor: Cursor): string | undefined {
  if (position.epoch === 0) return undefined;
  if (applied > cursor.seq) {
    return `it ends at ${cursor.seq}, and the store was told that ${applied} is booked`;
  }
  if (position.epoch > cursor.issuedEpoch) {
    return `it issued epoch ${cursor.issuedEpoch} last, and the store was armed under ${position.epoch}`;
  }
  return undefined;
}

/** A wrong address in a setting must not overwrite somebody's stock. */
function whyForeign(view: ShardView, { deployment, ledger }: ArmingParts): string | undefined {
  const cannot = `Cannot arm shard ${ledger.shard} as its store`;
  if (view.deployment !== null && view.deployment !== deployment.id) {
    return `${cannot} belongs to another deployment: ${view.deployment} there, ${deployment.id} here`;
  }
  if (view.deployment === null && !view.empty) {
    return `${cannot} holds keys of unknown origin: none of them says which deployment it belongs to`;
  }
  if (view.deployment !== null && view.shards !== deployment.shards) {
    return `${cannot} was made for SHARDS=${view.shards}: current value is ${deployment.shards}`;
  }
  return undefined;
}

/** What the log has beyond the books and cannot be booked. */
interface Gap {
  readonly why: string;
  /** Where the entries end that were read; there may be more. */
  readonly last: Position;
}

/** Books what the log has and the ledger has not. Returns what cannot be booked, if there is anything. */
async function bookTheRest(view: ShardView, parts: ArmingParts): Promise<Gap | undefined> {
  const { ledger } = parts;
  for (let after = whereTheRestBegins(view, await ledger.cursor());;) {
    const entries = await readOn(after, parts);
    const last = entries.at(-1);
    if (!last) {
      const ends = view.log && after.seq < view.log.last.seq;
      return ends ? { why: `the log's entries after ${after.seq} are gone`, last: after } : undefined;
    }
    const applied = await apply(ledger, entries);
    if (applied.kind !== "applied") return { why: whyNotBooked(applied), last: last.position };
    after = last.position;
  }
}

/**
 * Everything that was written under an epoch is booked before the next one is issued. What a topic has of older epochs
 * beyond the books, a relay that was left behind has appended since. But a store that has numbers beyond them may be one
 * that never saw the next epoch: its own counts.
 */
function whereTheRestBegins({ position }: ShardView, cursor: Cursor): Position {
  const epoch = position.seq > cursor.seq ? position.epoch : cursor.issuedEpoch;
  return { epoch: Math.max(cursor.epoch, epoch), seq: cursor.seq };
}

/** The highest number that the log has, which is more than `highest` only behind a gap. */
async function lastNumber(highest: number, gap: Gap | undefined, parts: ArmingParts): Promise<number> {
  let last = highest;
  for (let after = gap?.last; after;) {
    last = Math.max(last, after.seq);
    after = (await readOn(after, parts)).at(-1)?.position;
    await parts.ledger.beat();
  }
  return last;
}

/** An answer without entries says that the log ends here. */
function readOn(after: Position, { log, ledger, signal }: ArmingParts): Promise<LogEntry[]> {
  return log.read(ledger.shard, after, { entriesMax: 64, waitMs: 0, signal });
}

/** `highest`: the highest number known to have been issued. */
function whyRebuild(view: ShardView, highest: number): string | undefined {
  if (view.deployment === null) return highest > 0 ? "the store is empty" : undefined;
  if (view.position.epoch === 0) return "an earlier restore did not end";
  if (view.position.seq < highest) {
    return `the store went back: it ends at ${view.position.seq} of ${highest}`;
  }
  return undefined;
}

/** Unarmed and with everything booked, store and ledger must agree on every SKU. */
async function compareStock(view: ShardView, { control, ledger }: ArmingParts): Promise<Difference[]> {
  const books = new Map<string, { available: number; reserved: number }>();
  const pageRows = 5000;
  for (let after = "";;) {
    const rows = await ledger.stock(after, pageRows);
    for (const { sku, available, reserved } of rows) books.set(sku, { available, reserved });
    await ledger.beat();
    const last = rows.at(-1);
    if (!last || rows.length < pageRows) break;
    after = last.sku;
  }
  const differences: Difference[] = [];
  // A scan may show a SKU twice, so what was seen is kept until the end.
  const seen = new Set<string>();
  for (let cursor: string | null = view.empty ? null : "0"; cursor !== null;) {
    const page: Awaited<ReturnType<ShardControl["stock"]>> = await control.stock(ledger.shard, cursor);
    for (const { sku, available, reserved } of page.rows) {
      if (seen.has(sku)) continue;
      seen.add(sku);
      const book = books.get(sku);
      if (book?.available === available && book.reserved === reserved) continue;
      differences.push({ sku, ledger: book, store: { available, reserved } });
    }
    cursor = page.next;
    await ledger.beat();
  }
  for (const [sku, book] of books) {
    if (!seen.has(sku)) differences.push({ sku, ledger: book, store: undefined });
  }
  return differences;
}

/** By how many units store and ledger differ: at least 1, as a SKU that only one of them knows is a difference too. */
export function driftOf(differences: readonly Difference[]): number {
  const units = (side: Difference["ledger"]) => side ? side.available + side.reserved : 0;
  return differences.reduce(
    (sum, { ledger, store }) => sum + Math.max(1, Math.abs(units(ledger) - units(store))),
    0,
  );
}

/** The first few differences in words. */
export function describe(differences: readonly Difference[], shard: number): string {
  const figures = (side: Difference["ledger"]) => side ? `${side.available}+${side.reserved}` : "unknown";
  const some = differences.slice(0, 3).map(({ sku, ledger, store }) =>
    `'${sku}' is ${figures(ledger)} in the ledger and ${figures(store)} in the store`
  );
  return `Cannot arm shard ${shard} as ${differences.length} SKUs differ: ${some.join(", ")}`;
}
