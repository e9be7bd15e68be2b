/**
 * Recovery when numbers are neither in the ledger nor in the log. Only an operator can accept the loss: `inventory
 * recover` and `inventory rebuild` write the accepted range into the ledger, and the shard's worker acts on it if it finds
 * exactly that range missing.
 *
 * @module
 */
import type { ShardView } from "../decide/shard_control.ts";
import type { Cursor, ShardLedger } from "../ledger/ledger.ts";
import type { Recovery } from "../ledger/recovery.ts";
import type { Gap } from "./catch_up.ts";
import { whyLedgerWentBack } from "./verify.ts";

/** The accepted loss, if it matches the missing numbers. */
export async function acceptedLoss(
  ledger: ShardLedger,
  { fromSeq, toSeq, source }: Pick<Recovery, "fromSeq" | "toSeq" | "source">,
): Promise<Recovery | undefined> {
  const recovery = await ledger.recovery();
  if (recovery?.source !== source || recovery.fromSeq !== fromSeq) return undefined;
  // A whole store has one head; a rebuild may find fewer numbers lost than were accepted.
  const isAccepted = source === "store" ? recovery.toSeq === toSeq : recovery.toSeq >= toSeq;
  return isAccepted ? recovery : undefined;
}

/** Why a whole store cannot be armed: it issued numbers that the ledger cannot get. */
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
    `'inventory recover' copies the store's values into the ledger`;
}

/** Why a store is not rebuilt from a ledger that went back, or that cannot apply the log's next event. */
export function whyLedgerBehind(cursor: Cursor, seq: number, gap: Gap | undefined, shard: number): string {
  const wentBack = cursor.seenApplied > cursor.seq
    ? `the ledger went back: it ends at ${cursor.seq}, and a store has an acknowledgement of ${cursor.seenApplied}`
    : undefined;
  return `Cannot arm shard ${shard} as ${wentBack ?? gap?.why}. ${missing(cursor.seq, seq)}; ` +
    `'inventory recover' continues without them: the units that they sold are for sale again`;
}

function missing(from: number, to: number): string {
  return `${to - from} numbers, ${from + 1} to ${to}, are neither in the ledger nor in the log`;
}
