/**
 * Gives back what a line took a second time.
 *
 * An order that is sent again after the idempotency window is sold again: the store has forgotten it. The
 * ledger has not. The buyer was told "yours" for the same order twice, so one of the two sales is undone by an
 * adjustment; its id is made from shard and number, so it happens once however often this is tried.
 *
 * @module
 */
import type { StockStore } from "../inventory/store.ts";
import type { Compensation, ShardLedger } from "../ledger/ledger.ts";

const pageRows = 100;
/** Before the id of such an adjustment: no client can send an id with a control character. */
const ownIdPrefix = "\u0002";
/** No deadline: given back late is as good. The largest time that JavaScript knows. */
const noDeadlineMs = 8_640_000_000_000_000;

/** What came of it. */
export interface Compensated {
  /** Lines whose units are back. */
  readonly given: number;
  /** Why others are not, in words; they stay due, and are tried again when the shard is armed next. */
  readonly refused: readonly string[];
}

/** Gives back what is due in a shard, at most {@link pageRows} lines at a time. */
export async function compensate(ledger: ShardLedger, store: StockStore): Promise<Compensated> {
  const refused: string[] = [];
  let given = 0;
  for (;;) {
    const due = await ledger.compensations(pageRows);
    for (const compensation of due) {
      const outcome = await giveBack(ledger.shard, compensation, store);
      if (outcome === "accepted") {
        await ledger.closeCompensation(compensation);
        given++;
      } else {
        refused.push(`${compensation.amount} units of '${compensation.sku}': ${outcome}`);
      }
    }
    if (due.length < pageRows || refused.length > 0) return { given, refused };
  }
}

/** @returns the kind of the store's answer */
async function giveBack(
  shard: number,
  { seq, sku, amount }: Compensation,
  store: StockStore,
): Promise<string> {
  const result = await store.decide(shard, [{
    deadlineMs: noDeadlineMs,
    command: {
      kind: "adjust",
      adjustmentId: `${ownIdPrefix}returned-${shard}-${seq}`,
      sku,
      delta: amount,
      reason: "the order was accepted before, and its id was sent again after the idempotency window",
      reference: String(seq),
      fingerprint: String(amount),
      actor: "holdfast",
      traceparent: "",
    },
  }]);
  return result.kind === "decided" ? result.outcomes[0]?.kind ?? "nothing" : result.kind;
}
