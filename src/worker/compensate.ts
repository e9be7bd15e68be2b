/**
 * Returns the units of lines that were sold a second time.
 *
 * An order that is sent again after the idempotency window is sold again: the store has forgotten it, the ledger has not.
 * The buyer has two acceptances of one order, so one of the sales is undone by an adjustment, whose id is made from shard
 * and number. What a basket of several shards has prepared again is aborted instead: the ledger has no line for it, so it is
 * never committed. The transaction that applies the adjustment or the abort closes the compensation. Open compensations are
 * read only when everything is applied that the store had written until then: an adjustment in the log is applied first and
 * is not made again, even after the store has forgotten its id.
 *
 * @module
 */
import type { StockStore } from "../decide/store.ts";
import { compensationId } from "../ledger/compensation_id.ts";
import type { Compensation } from "../domain/rows.ts";
import type { ShardLedger } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";

const pageRows = 100;
/** A refusal may have ended, and an operator may have closed a dead letter with units to return. */
const checkEveryMs = 10_000;
/** No deadline: a late return is as good. The largest time of JavaScript. */
const noDeadlineMs = 8_640_000_000_000_000;

export interface Compensated {
  /** Number of lines whose units were returned. */
  readonly returned: number;
  /** Reasons of the others, which are tried again 10 s later. */
  readonly refused: readonly string[];
}

const nothing: Compensated = { returned: 0, refused: [] };

/** Returns the units that are due in a shard, while its log is applied. */
export class Compensator {
  readonly #ledger: ShardLedger;
  readonly #store: StockStore;
  readonly #world: World;
  #isDue = true;
  /** Must be applied before open compensations are read. */
  #until: number | undefined;
  #checkedMs: number;

  constructor(ledger: ShardLedger, store: StockStore, world: World) {
    this.#ledger = ledger;
    this.#store = store;
    this.#world = world;
    this.#checkedMs = world.elapsedMs();
  }

  /** There is a new compensation. */
  due(): void {
    this.#isDue = true;
  }

  /**
   * Closes open compensations, when a check is due and the ledger has caught up.
   *
   * @param head last number that the store had issued at this acknowledgement
   * @param applied last number in the ledger
   */
  async step(head: number, applied: number): Promise<Compensated> {
    if (this.#world.elapsedMs() - this.#checkedMs >= checkEveryMs) this.#isDue = true;
    if (!this.#isDue) return nothing;
    this.#until ??= head;
    if (applied < this.#until) return nothing;
    this.#isDue = false;
    this.#until = undefined;
    this.#checkedMs = this.#world.elapsedMs();
    return await compensate(this.#ledger, this.#store);
  }
}

async function compensate(ledger: ShardLedger, store: StockStore): Promise<Compensated> {
  const refused: string[] = [];
  let returned = 0;
  /** By number: an abort ends all lines that were prepared with it. */
  const aborts = new Map<number, string>();
  for (let after: Pick<Compensation, "seq" | "sku"> | undefined = { seq: 0, sku: "" }; after;) {
    const due: Compensation[] = await ledger.compensations(after, pageRows);
    for (const compensation of due) {
      const outcome = await undo(ledger.shard, compensation, store, aborts);
      if (outcome === "accepted" || outcome === "settled") returned++;
      else refused.push(`${compensation.amount} units of '${compensation.sku}': ${outcome}`);
    }
    after = due.length === pageRows ? due.at(-1) : undefined;
  }
  return { returned, refused };
}

/** @returns the kind of the store's answer */
async function undo(
  shard: number,
  compensation: Compensation,
  store: StockStore,
  aborts: Map<number, string>,
): Promise<string> {
  const { kind, seq } = compensation;
  if (kind !== "prepare") return await returnUnits(shard, compensation, store);
  const outcome = aborts.get(seq) ?? await abort(shard, compensation, store);
  aborts.set(seq, outcome);
  // If it is sold nevertheless, it is a second sale like any other.
  return outcome === "already_confirmed" ? await returnUnits(shard, compensation, store) : outcome;
}

/** @returns the kind of the store's answer */
async function abort(shard: number, { seq, orderId }: Compensation, store: StockStore): Promise<string> {
  const result = await store.decide(shard, [{
    deadlineMs: noDeadlineMs,
    command: { kind: "abort", orderId, preparedSeq: seq, actor: "holdfast", traceparent: "" },
  }]);
  return result.kind === "decided" ? result.outcomes[0]?.kind ?? "nothing" : result.kind;
}

/** @returns the kind of the store's answer */
async function returnUnits(
  shard: number,
  { seq, sku, amount, orderId, soldUnits, returnedUnits }: Compensation,
  store: StockStore,
): Promise<string> {
  // The remembered line keeps the units of the first sale only; otherwise the buyer could return them, too.
  const result = await store.decide(shard, [{
    deadlineMs: noDeadlineMs,
    command: {
      kind: "adjust",
      adjustmentId: compensationId(shard, seq),
      sku,
      delta: amount,
      reason: "the order was accepted before, and its id was sent again after the idempotency window",
      reference: String(seq),
      secondSale: { orderId, seq, soldUnits, returnedUnits },
      actor: "holdfast",
      traceparent: "",
    },
  }]);
  return result.kind === "decided" ? result.outcomes[0]?.kind ?? "nothing" : result.kind;
}
