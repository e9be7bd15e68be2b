/**
 * Carries out the decisions on baskets of several shards, where the API did not: each worker in its own shard.
 *
 * The ledger has every prepared line that counts for a decision. One without a decision is aborted when its time is over,
 * and one without an attempt at once. A decision is deleted when the ledger has no prepared line of it any more.
 *
 * A ledger that lost commits may have lost a decision that a shard has carried out. Therefore the ledger decides for the
 * lowest shard of a basket, and every other shard does what that one did: see {@link HomeDecisions}.
 *
 * @module
 */
import { attemptName, homeOf, type Settle } from "../domain/basket.ts";
import type { LogEntry } from "../domain/event.ts";
import type { StockStore } from "../decide/store.ts";
import type { ShardLedger } from "../ledger/ledger.ts";
import type { PreparedOrder } from "../ledger/shard_baskets.ts";
import type { World } from "../runtime/world.ts";
import { HomeDecisions } from "./home_decisions.ts";

/** Orders of one step: with 100 lines each they take several calls, because the store postpones the rest. */
const ordersMax = 100;
/** While there is something to carry out, or to wait for. */
const busyEveryMs = 250;
/** An attempt whose API died before it prepared anything leaves its row until then. */
const idleEveryMs = 30_000;
/** No deadline: a decision does not change. The largest time of JavaScript. */
const noDeadlineMs = 8_640_000_000_000_000;

const basketKinds: ReadonlySet<string> = new Set(["prepare", "commit", "abort"]);

/** Number of orders whose lines a step has settled. */
export interface Finished {
  readonly committed: number;
  readonly aborted: number;
}

const nothing: Finished = { committed: 0, aborted: 0 };

/** Finishes the baskets of one shard, while its log is applied. */
export class BasketFinisher {
  readonly #ledger: Pick<ShardLedger, "shard" | "baskets">;
  readonly #store: StockStore;
  readonly #world: World;
  readonly #home: HomeDecisions;
  #dueMs: number;

  /** The first step is due at once: what an earlier worker left. */
  constructor(
    ledger: Pick<ShardLedger, "shard" | "baskets">,
    store: StockStore,
    world: World,
  ) {
    this.#ledger = ledger;
    this.#store = store;
    this.#world = world;
    this.#home = new HomeDecisions(ledger.baskets, store);
    this.#dueMs = world.elapsedMs();
  }

  /** Notes what was applied. */
  applied(entries: readonly LogEntry[]): void {
    if (!entries.some(({ events }) => events.some(({ kind }) => basketKinds.has(kind)))) return;
    this.#dueMs = Math.min(this.#dueMs, this.#world.elapsedMs() + busyEveryMs);
  }

  /** Carries out what is decided, when a step is due. */
  async step(): Promise<Finished> {
    if (this.#world.elapsedMs() < this.#dueMs) return nothing;
    const prepared = await this.#ledger.baskets.prepared(ordersMax);
    const ours: [PreparedOrder, Settle["kind"]][] = [];
    const others: PreparedOrder[] = [];
    for (const order of prepared) {
      const kind = await this.#decisionOn(order);
      if (kind === undefined) continue;
      const isOurs = (homeOf(order.name) ?? this.#ledger.shard) === this.#ledger.shard;
      if (isOurs) ours.push([order, kind]);
      else others.push(order);
    }
    const decided = [...ours, ...await this.#home.decide(others)];
    const finished = await this.#settle(decided.map(([{ orderId, seq: preparedSeq }, kind]): Settle => {
      return { kind, orderId, preparedSeq, actor: "holdfast", traceparent: "" };
    }));
    const left = await this.#ledger.baskets.end();
    const isBusy = prepared.length > 0 || left > 0;
    this.#dueMs = this.#world.elapsedMs() + (isBusy ? busyEveryMs : idleEveryMs);
    return finished;
  }

  async #decisionOn(order: PreparedOrder): Promise<Settle["kind"] | undefined> {
    switch (order.decision) {
      case "open":
        return undefined;
      case "over":
        return await this.#ledger.baskets.abort(order) ? "abort" : undefined;
      case "commit":
        return isOf(order) ? "commit" : "abort";
      default:
        return order.decision;
    }
  }

  async #settle(commands: readonly Settle[]): Promise<Finished> {
    if (commands.length === 0) return nothing;
    const batch = commands.map((command) => ({ command, deadlineMs: noDeadlineMs }));
    const result = await this.#store.decide(this.#ledger.shard, batch);
    const outcomes = result.kind === "decided" ? result.outcomes : [];
    const count = (kind: Settle["kind"]) =>
      commands.filter((command, i) => command.kind === kind && isNew(outcomes[i])).length;
    return { committed: count("commit"), aborted: count("abort") };
  }
}

/** Whether lines are of the committed attempt, and do not only have their number from it. */
function isOf({ name, attempt }: PreparedOrder): boolean {
  return name === "" || name === attemptName(homeOf(name) ?? 0, attempt);
}

type Outcomes = Extract<Awaited<ReturnType<StockStore["decide"]>>, { kind: "decided" }>["outcomes"];

function isNew(outcome: Outcomes[number] | undefined): boolean {
  return outcome?.kind === "settled" && !outcome.replayed;
}
