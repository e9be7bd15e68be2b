/**
 * Going on when numbers are neither in the ledger nor in the log. Only a person can accept that: `inventory recover`
 * and `inventory rebuild` write what was accepted into the ledger, and the shard's worker acts on it if it finds exactly
 * that.
 *
 * @module
 */
import type { ShardView } from "../decide/shard_control.ts";
import type { Cursor, ShardLedger } from "../ledger/ledger.ts";
import type { Recovery } from "../ledger/recovery.ts";
import type { Gap } from "./catch_up.ts";
import { whyLedgerWentBack } from "./verify.ts";

/** What a person accepted, if it is what is found now. */
export async function acceptedLoss(
  ledger: ShardLedger,
  { fromSeq, toSeq, source }: Pick<Recovery, "fromSeq" | "toSeq" | "source">,
): Promise<Recovery | undefined> {
  const recovery = await ledger.recovery();
  if (recovery?.source !== source || recovery.fromSeq !== fromSeq) return undefined;
  // Of the store's figures there is one head; a rebuild may find fewer numbers lost than were accepted.
  const isAccepted = source === "store" ? recovery.toSeq === toSeq : recovery.toSeq >= toSeq;
  return isAccepted ? recovery : undefined;
}

/** Why a whole store cannot be armed: it has numbers that the ledger cannot get. */
export function whyNumbersMissing(
  view: ShardView,
  cursor: Cursor,
  gap: Gap | undefined,
  shard: number,
): string {
  const { position: { seq } } = view;
  const wentBack = whyLedgerWentBack(view, cursor);
  const why = wentBack ? `the ledger went back: ${wentBack}` : gap?.why ?? `the log ends before ${seq}`;
  return `Cannot arm shard ${shard} as ${why}. ${missing(cursor.seq, seq)}; ` +
    `'inventory recover' takes the store's figures into the ledger`;
}

/** Why a store is not filled from books that went back. */
export function whyBooksWentBack(cursor: Cursor, seq: number, shard: number): string {
  return `Cannot arm shard ${shard} as the ledger went back: it ends at ${cursor.seq}, and a store said that ` +
    `${cursor.seenApplied} is booked. ${missing(cursor.seq, seq)}; ` +
    `'inventory recover' goes on without them: what they sold is for sale again`;
}

function missing(from: number, to: number): string {
  return `${to - from} numbers, ${from + 1} to ${to}, are neither in the ledger nor in the log`;
}
