/**
 * Gives back what a line took a second time.
 *
 * An order that is sent again after the idempotency window is sold again: the store has forgotten it. The
 * ledger has not. The buyer was told "yours" for the same order twice, so one of the two sales is undone by an
 * adjustment, whose id is made from shard and number. The transaction that books the adjustment closes the
 * compensation. What is open is only looked up when everything is applied that the store had written until then: an
 * adjustment that is on its way is applied first, and is not made again, however long ago the store forgot its id.
 *
 * @module
 */
import type { StockStore } from "../decide/store.ts";
import { compensationId } from "../ledger/compensation_id.ts";
import type { Compensation } from "../domain/rows.ts";
import type { ShardLedger } from "../ledger/ledger.ts";
import type { World } from "../runtime/world.ts";

const pageRows = 100;
/** Between two looks: a refusal may have ended, and a person may have closed a dead letter with units to give back. */
const lookEveryMs = 10_000;
/** No deadline: given back late is as good. The largest time that JavaScript knows. */
const noDeadlineMs = 8_640_000_000_000_000;

/** What came of it. */
export interface Compensated {
  /** Lines whose units are back. */
  readonly given: number;
  /** Why others are not; they stay due, and are tried again 10 s later. */
  readonly refused: readonly string[];
}

const nothing: Compensated = { given: 0, refused: [] };

/** Gives back what is due in a shard while its log is followed. */
export class Compensator {
  readonly #ledger: ShardLedger;
  readonly #store: StockStore;
  readonly #world: World;
  #isDue = true;
  /** What must be applied before open compensations are looked up. */
  #until: number | undefined;
  #lookedMs: number;

  /** The first look is due at once. */
  constructor(ledger: ShardLedger, store: StockStore, world: World) {
    this.#ledger = ledger;
    this.#store = store;
    this.#world = world;
    this.#lookedMs = world.elapsedMs();
  }

  /** There is something new to give back. */
  due(): void {
    this.#isDue = true;
  }

  /**
   * Gives back what is open, when a look is due and the ledger has caught up.
   *
   * @param head last number that the store had issued at this visit
   * @param applied last number in the ledger
   */
  async step(head: number, booked: number): Promise<Compensated> {
    if (this.#world.elapsedMs() - this.#lookedMs >= lookEveryMs) this.#isDue = true;
    if (!this.#isDue) return nothing;
    this.#until ??= head;
    if (booked < this.#until) return nothing;
    this.#isDue = false;
    this.#until = undefined;
    this.#lookedMs = this.#world.elapsedMs();
    return await compensate(this.#ledger, this.#store);
  }
}

async function compensate(ledger: ShardLedger, store: StockStore): Promise<Compensated> {
  const refused: string[] = [];
  let given = 0;
  for (let after: Pick<Compensation, "seq" | "sku"> | undefined = { seq: 0, sku: "" }; after;) {
    const due: Compensation[] = await ledger.compensations(after, pageRows);
    for (const compensation of due) {
      const outcome = await giveBack(ledger.shard, compensation, store);
      if (outcome === "accepted") given++;
      else refused.push(`${compensation.amount} units of '${compensation.sku}': ${outcome}`);
    }
    after = due.length === pageRows ? due.at(-1) : undefined;
  }
  return { given, refused };
}

/** @returns the kind of the store's answer */
async function giveBack(
  shard: number,
  { seq, sku, amount, orderId, soldUnits, returnedUnits }: Compensation,
  store: StockStore,
): Promise<string> {
  // The line that the store remembers keeps the units of the first sale only: else they could be returned, too.
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
