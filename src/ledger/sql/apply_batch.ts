/**
 * The transaction of one batch. The cursor moves in it together with the rows: a crash before the commit repeats the
 * batch, a crash after it skips the batch. There is no third case, so no acknowledgement is needed.
 *
 * @module
 */
import { comparePositions, type LogEntry, type Position } from "../../domain/event.ts";
import type { Transaction } from "../database.ts";
import type { Applied } from "../ledger.ts";
import type { Numbered } from "../movements.ts";
import { type ApplyResult, BatchApplier } from "./apply.ts";
import type { Lease } from "./backend.ts";
import { findDivergent } from "./divergence.ts";
import { prepare, type Prepared } from "./prepared.ts";
import type { Statements } from "./statements.ts";

/** The shard that a batch belongs to. */
export interface Place {
  readonly sql: Statements;
  readonly shard: number;
  readonly lease: Pick<Lease, "oneStatement">;
  /** Locks the row of the cursor, and returns it. */
  readonly lockCursor: (tx: Transaction) => Promise<Position>;
}

/** What to apply. */
export interface Batch {
  readonly entries: readonly LogEntry[];
  readonly prepared: Prepared;
  /** `by halves`: after the database has refused the data. */
  readonly how: "at once" | "by halves";
}

/**
 * Applies the common batch: it follows the cursor that it was prepared for. Its statements are sent behind the lock of
 * the cursor, without a round trip for it. When the cursor is another one, nothing of it stays.
 *
 * @returns undefined when the batch must be planned by the cursor
 */
export async function applyInOneTrip(
  tx: Transaction,
  { sql, shard, lockCursor }: Place,
  prepared: Prepared,
): Promise<Applied | undefined> {
  const { plan, cursor } = prepared;
  if (plan.kind !== "apply" || plan.skipped.length > 0 || plan.events.length === 0) return undefined;
  const batch = new BatchApplier(tx, sql, shard, plan.events, prepared);
  const [locked, ran] = await Promise.allSettled([lockCursor(tx), batch.applyAtOnce()]);
  if (locked.status === "rejected") throw locked.reason;
  if (comparePositions(locked.value, cursor) !== 0) {
    await tx.rollback();
    return undefined;
  }
  if (ran.status === "rejected") throw ran.reason;
  return await ended(tx, plan.events, ran.value);
}

/** Applies a batch by the cursor that it finds: what is applied already is compared and skipped. */
export async function applyByCursor(
  tx: Transaction,
  { sql, shard, lease, lockCursor }: Place,
  { entries, prepared, how }: Batch,
): Promise<Applied> {
  const cursor = await lockCursor(tx);
  const isAsPrepared = comparePositions(cursor, prepared.cursor) === 0;
  const current = isAsPrepared ? prepared : prepare(entries, cursor, lease);
  const { plan } = current;
  if (plan.kind !== "apply") return { kind: plan.kind, cursor, found: plan.found };
  const [other] = await findDivergent(tx, sql, shard, plan.skipped);
  if (other !== undefined) {
    return { kind: "diverged", cursor, found: { epoch: entries[0]?.position.epoch ?? 0, seq: other } };
  }
  if (plan.events.length === 0) {
    return { kind: "applied", cursor, events: 0, deadLetters: 0, compensations: 0 };
  }
  const batch = new BatchApplier(tx, sql, shard, plan.events, current);
  return await ended(
    tx,
    plan.events,
    await (how === "at once" ? batch.applyAtOnce() : batch.applyByHalves()),
  );
}

/** The result of a batch; with differences its transaction is rolled back. */
async function ended(
  tx: Transaction,
  events: readonly Numbered[],
  { differences, ...counts }: ApplyResult,
): Promise<Applied> {
  if (differences.length > 0) {
    await tx.rollback();
    return { kind: "mismatch", differences };
  }
  const { epoch = 0, seq = 0 } = events.at(-1) ?? {};
  return { kind: "applied", cursor: { epoch, seq }, events: events.length, ...counts };
}
