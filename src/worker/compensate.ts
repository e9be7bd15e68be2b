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
/** No deadline: given back late is as good. The largest time that JavaScript knows. */
const noDeadlineMs = 8_640_000_000_000_000;

/** Gives back everything that is due in a shard. Returns how many lines. */
export async function compensate(ledger: ShardLedger, store: StockStore): Promise<number> {
  for (let done = 0;;) {
    const due = await ledger.compensations(pageRows);
    for (const compensation of due) {
      await giveBack(ledger.shard, compensation, store);
      await ledger.closeCompensation(compensation);
    }
    done += due.length;
    if (due.length < pageRows) return done;
  }
}

async function giveBack(shard: number, { seq, sku, amount }: Compensation, store: StockStore): Promise<void> {
  const result = await store.decide(shard, [{
    deadlineMs: noDeadlineMs,
    command: {
      kind: "adjust",
      adjustmentId: `returned-${shard}-${seq}`,
      sku,
      delta: amount,
      reason: "the order was accepted before, and its id was sent again after the idempotency window",
      reference: String(seq),
      fingerprint: String(amount),
      actor: "holdfast",
      traceparent: "",
    },
  }]);
  const outcome = result.kind === "decided" ? result.outcomes[0]?.kind : result.kind;
  if (outcome === "accepted") return;
  throw new Error(`Cannot give ${amount} units of '${sku}' back as the store answered: ${outcome}`);
}
