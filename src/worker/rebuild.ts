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

/** SKUs or lines a chunk: a script of 1000 rows holds Redis for a few ms. */
const chunkRows = 1000;

/** Before every SKU. */
const beforeAll: QuotaCursor = { sku: "", seq: 0, line: 0 };

/** What a rebuild needs. */
export interface RebuildParts {
  /** The store's side, which is emptied and filled. Lines older than its window are not remembered. */
  readonly control: ShardControl;
  /** The lease on the shard's books; kept alive between chunks. */
  readonly ledger: ShardLedger;
  /** Whose stock it is: goes into the store with it. */
  readonly deployment: Deployment;
  /** Makes the token; its clock says which lines are too old. */
  readonly world: World;
}

/** What a rebuild did. */
export interface Rebuilt {
  /** Proves to {@link ShardControl.arm} that nothing came between. */
  readonly token: string;
  /** The last number that counts as issued. */
  readonly seq: number;
  /** Numbers passed over: events that the lost part of the log alone knew. */
  readonly lost: number;
  /** SKUs written. */
  readonly skus: number;
  /** Remembered lines written. */
  readonly lines: number;
}

/**
 * Empties the shard and writes stock and remembered lines into it. It is left unarmed.
 *
 * Numbers go on from the highest ever seen, so one that was issued and lost is never issued again.
 *
 * @param highest of the ledger, of the heads that were noted in them, and of the log
 */
export async function rebuild(seen: ShardView, highest: number, parts: RebuildParts): Promise<Rebuilt> {
  const { control, ledger, deployment, world } = parts;
  const { shard } = ledger;
  const token = world.uuid();
  const cursor = await ledger.cursor();
  const seq = Math.max(highest, seen.position.seq);
  const start = { ...deployment, deployment: deployment.id, seq, booked: cursor.seq };
  await control.beginRestore(shard, token, seen, start);

  let skus = 0;
  for (let after = "";;) {
    const rows = await ledger.stock(after, chunkRows);
    await control.restoreStock(shard, token, rows);
    await ledger.beat();
    skus += rows.length;
    const last = rows.at(-1);
    if (!last || rows.length < chunkRows) break;
    after = last.sku;
  }

  for (let after: QuotaCursor | undefined = beforeAll; after;) {
    const { rows, next: end }: QuotaPage = await ledger.quotas(after, chunkRows);
    await control.restoreQuotas(shard, token, rows);
    await ledger.beat();
    after = end;
  }

  let lines = 0;
  const since = world.now() - control.limits.idempotencyWindowMs;
  let next: Promise<LinePage> | undefined = ledger.lines(since, { seq: 0, line: 0 }, chunkRows);
  while (next) {
    const { rows, next: after }: LinePage = await next;
    // PostgreSQL reads the next page while Redis writes this one; asking for it keeps the lease alive.
    next = after && ledger.lines(since, after, chunkRows);
    next?.catch(() => {}); // awaited in the next round, unless the write fails first
    await control.restoreLines(shard, token, rows);
    lines += rows.length;
  }
  return { token, seq, lost: seq - cursor.seq, skus, lines };
}
