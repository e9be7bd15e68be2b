/**
 * What the lowest shard of a basket did with it, which every other shard of it does, too.
 *
 * That shard alone carries out what the ledger has decided, and its store does it once: of a commit and an abort the first
 * one counts. So the basket is sold or not as a whole, even if the ledger lost the decision and another one was made since.
 *
 *     line sold there                                   ──▶ commit
 *     line prepared there                               ──▶ wait: that shard's worker ends it
 *     no line there, and the ledger has none of those that ──▶ abort: it was aborted there, or never prepared
 *     the store may have forgotten
 *
 * @module
 */
import { homeOf, type Settle } from "../domain/basket.ts";
import type { Outcome, RememberedLine } from "../domain/outcome.ts";
import type { StockStore } from "../decide/store.ts";
import type { AtHome, PreparedOrder, ShardBaskets } from "../ledger/shard_baskets.ts";

/** What the store of a lowest shard remembers of an order. */
type Answer = Extract<Outcome, { kind: "order" }>;

/** The largest time of JavaScript: a read has no effect that could be late. */
const noDeadlineMs = 8_640_000_000_000_000;

/** Finds out what lowest shards did. A store that does not answer delays no other basket. */
export class HomeDecisions {
  readonly #ledger: Pick<ShardBaskets, "atHome">;
  readonly #store: Pick<StockStore, "decide">;
  /** By name of the attempt. */
  #answers = new Map<string, Answer>();
  /** Shards that are being asked. */
  readonly #asking = new Set<number>();

  constructor(ledger: Pick<ShardBaskets, "atHome">, store: Pick<StockStore, "decide">) {
    this.#ledger = ledger;
    this.#store = store;
  }

  /**
   * The orders of which it is certain. The stores are asked about the others, and the next call knows what they answered.
   *
   * @param orders that the ledger has decided, or has no decision on any more
   */
  async decide(orders: readonly PreparedOrder[]): Promise<[PreparedOrder, Settle["kind"]][]> {
    const names = new Set(orders.map(({ name }) => name));
    for (const name of this.#answers.keys()) if (!names.has(name)) this.#answers.delete(name);
    if (orders.length === 0) return [];
    const asked = orders.map(({ orderId, name }) => ({ home: homeOf(name) ?? 0, orderId, name }));
    const rows = new Map((await this.#ledger.atHome(asked)).map((row) => [row.name, row]));
    const certain: [PreparedOrder, Settle["kind"]][] = [];
    const unknown: PreparedOrder[] = [];
    for (const order of orders) {
      const answer = this.#answers.get(order.name);
      const line = answer?.lines.find(({ attempt }) => attempt === order.name);
      const kind = kindOf(rows.get(order.name), answer, line);
      if (kind !== undefined) certain.push([order, kind]);
      // A line that is gone does not come back: that answer counts when the ledger has what the store may have forgotten.
      else if (!answer || line) unknown.push(order);
    }
    for (const [home, asked] of Map.groupBy(unknown, ({ name }) => homeOf(name) ?? 0)) {
      void this.#ask(home, asked);
    }
    return certain;
  }

  async #ask(home: number, orders: readonly PreparedOrder[]): Promise<void> {
    if (this.#asking.has(home)) return;
    this.#asking.add(home);
    try {
      const batch = orders.map(({ orderId }) => {
        return { command: { kind: "lookup", orderId } as const, deadlineMs: noDeadlineMs };
      });
      const result = await this.#store.decide(home, batch);
      if (result.kind !== "decided") return;
      for (const [i, { name }] of orders.entries()) {
        const outcome = result.outcomes[i];
        if (outcome?.kind === "order") this.#answers.set(name, outcome);
      }
    } catch {
      // Its own worker reports that it is away. It is asked again.
    } finally {
      this.#asking.delete(home);
    }
  }
}

function kindOf(
  row: AtHome | undefined,
  answer: Answer | undefined,
  line: RememberedLine | undefined,
): Settle["kind"] | undefined {
  if (row?.state === "accepted" || line?.state === "accepted") return "commit";
  if (!row || !answer || line) return undefined;
  return row.state === "" && row.applied >= answer.forgottenSeq ? "abort" : undefined;
}
