/**
 * Fills a shard's store from the ledger: after a loss, and at every start of the embedded default.
 *
 * @module
 */
import type { ShardControl, ShardView } from "../decide/shard_control.ts";
import type { LinePage } from "../domain/rows.ts";
import type { Deployment, ShardLedger } from "../ledger/ledger.ts";
import type { QuotaCursor, QuotaPage } from "../ledger/pages.ts";
import type { World } from "../runtime/world.ts";

/** SKUs or lines a chunk: a script of 1000 rows blocks Redis for a few ms. */
const chunkRows = 1000;

const beforeAll: QuotaCursor = { sku: "", seq: 0, line: 0 };

export interface RebuildParts {
  /** The store, which is emptied and filled. Lines older than its idempotency window are left out. */
  readonly control: ShardControl;
  readonly ledger: ShardLedger;
  readonly deployment: Deployment;
  readonly world: World;
}

export interface Rebuilt {
  /** Proves to {@link ShardControl.arm} that nothing was written since. */
  readonly token: string;
  /** Chunks written under it: a store with fewer is an older copy. */
  readonly chunks: number;
  /** The last number that counts as issued. */
  readonly seq: number;
  /** Numbers skipped: events that were only in the lost part of the log. */
  readonly lost: number;
  readonly skus: number;
  readonly lines: number;
}

/**
 * Empties the shard and writes stock and remembered lines into it. It stays unarmed.
 *
 * Numbers continue after the highest ever seen, so a number that was issued and lost is never issued again.
 *
 * @param highest number in the ledger, among its recorded heads, and in the log
 */
export async function rebuild(seen: ShardView, highest: number, parts: RebuildParts): Promise<Rebuilt> {
  const { control, ledger, deployment, world } = parts;
  const { shard } = ledger;
  const token = world.uuid();
  const cursor = await ledger.cursor();
  const seq = Math.max(highest, seen.position.seq);
  const start = { ...deployment, deployment: deployment.id, seq, applied: cursor.seq };
  await control.beginRestore(shard, token, seen, start);
  let chunks = 0;
  const written = (rows: readonly unknown[]) => void (chunks += Math.min(rows.length, 1));

  let skus = 0;
  for (let after = "";;) {
    const rows = await ledger.stock(after, chunkRows);
    await control.restoreStock(shard, token, rows);
    written(rows);
    await ledger.beat();
    skus += rows.length;
    const last = rows.at(-1);
    if (!last || rows.length < chunkRows) break;
    after = last.sku;
  }

  for (let after: QuotaCursor | undefined = beforeAll; after;) {
    const { rows, next: end }: QuotaPage = await ledger.quotas(after, chunkRows);
    await control.restoreQuotas(shard, token, rows);
    written(rows);
    await ledger.beat();
    after = end;
  }

  let lines = 0;
  // By the earlier clock: one that is ahead would leave out lines of the window, and their orders would be sold again.
  const since = Math.min(world.now(), seen.nowMs) - control.limits.idempotencyWindowMs;
  let next: Promise<LinePage> | undefined = ledger.lines(since, { seq: 0, line: 0 }, chunkRows);
  while (next) {
    const { rows, next: after }: LinePage = await next;
    // PostgreSQL reads the next page while Redis writes this one; the query keeps the lease alive.
    next = after && ledger.lines(since, after, chunkRows);
    next?.catch(() => {}); // awaited in the next round, unless the write fails first
    await control.restoreLines(shard, token, rows);
    written(rows);
    lines += rows.length;
  }
  const aside = await ledger.heldAside();
  for (let first = 0; first < aside.length; first += chunkRows) {
    const rows = aside.slice(first, first + chunkRows);
    await control.restoreLines(shard, token, rows);
    written(rows);
    await ledger.beat();
  }
  lines += aside.length;
  return { token, chunks, seq, lost: seq - cursor.seq, skus, lines };
}
