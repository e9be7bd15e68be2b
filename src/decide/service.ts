/**
 * The inventory as the HTTP routes see it: each command goes to its shard's batcher.
 *
 * @module
 */
import type { World } from "../runtime/world.ts";
import { completeOrder, mayBeForgotten, recall } from "./archive.ts";
import {
  type Broadcast,
  holdersOf,
  isBroadcast,
  lookUp,
  merge,
  partitionOf,
  whyNotReserve,
  whyNotSettle,
} from "./fan_out.ts";
import { repeatedAdjustment } from "../domain/adjustment.ts";
import { type Command, type Return, routingSkus, type Sale } from "../domain/command.ts";
import { Batcher } from "./batcher.ts";
import { decidedMemory } from "./basket_answers.ts";
import { BasketSeller } from "./basket_seller.ts";
import type { Inventory, ServiceOptions } from "./inventory.ts";
import { adjustmentKey } from "../domain/remembered_line.ts";
import type { OrderOutcome, Outcome, Undecided } from "../domain/outcome.ts";
import type { CommandTimings } from "./command_timings.ts";
import { type Readiness, ReadinessProbe } from "./readiness.ts";
import { Router } from "./router.ts";
import { SoldOutCache } from "./sold_out_cache.ts";
import type { StockStore } from "./store.ts";

export type { Inventory, ServiceOptions } from "./inventory.ts";
export type { Readiness } from "./readiness.ts";

const overloaded = { kind: "overloaded" } as const;
const never = () => false;

/** Routes commands to batchers. */
export class InventoryService implements Inventory {
  readonly #router: Router;
  readonly #batchers: Batcher[];
  readonly #options: ServiceOptions;
  readonly #world: World;
  /** What this process has just heard to be sold out; counts its hits and misses. */
  readonly soldOut: SoldOutCache;
  #pending = 0;
  #idle: (() => void) | undefined;
  readonly #readiness: ReadinessProbe;
  readonly #baskets: BasketSeller | null;

  /** One batcher a shard. Nothing is sent before the first command. */
  constructor(store: StockStore, world: World, options: ServiceOptions) {
    this.#router = new Router(options.shards);
    this.#batchers = this.#router.all().map((shard) => new Batcher(shard, store, world, options));
    this.#options = options;
    this.#world = world;
    this.soldOut = new SoldOutCache();
    this.#readiness = new ReadinessProbe(this.#batchers, store, world, options);
    const { decisions, archive, requestTimeoutMs, onBroken } = options;
    this.#baskets = decisions && archive && new BasketSeller({
      ...{ decisions, archive, world, requestTimeoutMs, onBroken },
      shardOf: (sku) => this.shardOf(sku),
      ask: (shard, command, askedAtMs) => this.#ask(shard, command, askedAtMs),
    });
  }

  /**
   * Asks the sold-out cache, then the shard's batcher; `overloaded` when `queueMax` are in flight, or when the shard would
   * not decide in time.
   */
  submit(
    command: Command,
    timings?: CommandTimings,
    isFirstAttempt: () => boolean = never,
  ): Promise<Outcome> {
    const askedAtMs = this.#world.elapsedMs();
    const known = this.soldOut.check(command, askedAtMs, isFirstAttempt);
    if (timings) {
      timings.askedAtMs = askedAtMs;
      timings.isFromCache = known !== undefined;
    }
    if (known) return Promise.resolve(known);
    const shard = isBroadcast(command) ? undefined : this.#router.routeAll(routingSkus(command));
    if (this.#pending >= this.#options.queueMax || this.#isBehind(shard)) return Promise.resolve(overloaded);
    if (shard === undefined || command.kind !== "deduct") {
      return this.#counted(() => this.#decideInSteps(command, shard, askedAtMs, timings));
    }
    const batcher = this.#batcher(shard);
    this.#pending++;
    return new Promise((resolve) => {
      const settle = (outcome: Outcome) => {
        this.soldOut.learn(command, outcome, askedAtMs);
        this.#leave();
        resolve(outcome);
      };
      batcher.enqueue(command, settle, askedAtMs, timings);
    });
  }

  /** Decides what may need several calls. */
  async #decideInSteps(
    command: Command,
    shard: number | undefined,
    askedAtMs: number,
    timings?: CommandTimings,
  ): Promise<Outcome> {
    if (isBroadcast(command)) return await this.#settle(command, askedAtMs, timings);
    if (shard === undefined) {
      const isBasket = command.kind === "order" && this.#baskets !== null;
      return isBasket ? await this.#baskets.sell(command, askedAtMs) : { kind: "cross_shard" };
    }
    if (command.kind === "reserve" && this.#batchers.length > 1) {
      const refusal = await this.#whyNotReserve(command, shard, askedAtMs);
      if (refusal) return refusal;
    }
    if (command.kind === "adjust" || command.kind === "set") {
      return await this.#adjust(shard, command, askedAtMs, timings);
    }
    if (command.kind === "return") return await this.#returnUnits(shard, command, askedAtMs, timings);
    return await this.#ask(shard, command, askedAtMs, timings);
  }

  /** Counts as one command on its way until it has settled. */
  async #counted<T>(work: () => Promise<T>): Promise<T> {
    this.#pending++;
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  /** Asked before the first step of a command, never between two: half of one is not refused. Undefined = all shards. */
  #isBehind(shard?: number): boolean {
    return shard === undefined
      ? this.#batchers.some(({ isBehind }) => isBehind)
      : this.#batcher(shard).isBehind;
  }

  #leave(): void {
    this.#pending--;
    if (this.#pending === 0) this.#idle?.();
  }

  /** Commands that wait for a call, in all batchers. */
  get waiting(): number {
    return this.#batchers.reduce((sum, batcher) => sum + batcher.waiting, 0);
  }

  /** Shards that refused to sell when they were last asked. */
  get unarmedShards(): number {
    return this.#batchers.filter((batcher) => batcher.unarmed).length;
  }

  /** By SKU alone, so every process of a deployment agrees. */
  shardOf(sku: string): number {
    return this.#router.route(sku);
  }

  /** See {@link ReadinessProbe}. A probe counts as one command on its way, and is never refused. */
  readiness(): Promise<Readiness> {
    return this.#counted(() => this.#readiness.ask());
  }

  /** Resolves when nothing is on its way: within the request timeout, if nothing new arrives. */
  async drained(): Promise<void> {
    if (this.#pending > 0) await new Promise<void>((resolve) => this.#idle = resolve);
    for (const batcher of this.#batchers) batcher.close();
  }

  /** Counts as a command: `overloaded` when `queueMax` are on their way. */
  async findOrder(orderId: string): Promise<OrderOutcome> {
    if (this.#pending >= this.#options.queueMax || this.#isBehind()) return overloaded;
    return await this.#counted(() => this.#findOrder(orderId));
  }

  /** Asks all shards at once. If one cannot answer, the outcome is unknown: half an order would mislead. */
  async #findOrder(orderId: string): Promise<OrderOutcome> {
    const remembered = await lookUp(this.#batchers, orderId, this.#world.elapsedMs());
    if ("kind" in remembered) return remembered;
    const { archive, decisions } = this.#options;
    const found = await this.#askLedger(() => decidedMemory(remembered, orderId, decisions));
    if ("kind" in found) return found;
    if (archive === null || !mayBeForgotten(found, this.#storeNowMs)) {
      return { kind: "order_found", lines: found.flatMap(({ lines }) => lines) };
    }
    return await this.#askLedger(() => completeOrder(found, orderId, archive, (sku) => this.shardOf(sku)));
  }

  async #returnUnits(
    shard: number,
    command: Return,
    askedAtMs: number,
    timings?: CommandTimings,
  ): Promise<Outcome> {
    const outcome = await this.#returnRecalled(shard, command, askedAtMs, timings);
    const isKnown = outcome.kind !== "unknown_order" || this.#batchers.length === 1;
    return isKnown ? outcome : await this.#whyNotReturn(command);
  }

  /** A shard forgets orders and returns after the window, but units come back later than that: the ledger knows them. */
  async #returnRecalled(
    shard: number,
    command: Return,
    askedAtMs: number,
    timings?: CommandTimings,
  ): Promise<Outcome> {
    const outcome = await this.#ask(shard, command, askedAtMs, timings);
    if (outcome.kind !== "forgotten") return outcome;
    const { archive } = this.#options;
    if (archive === null) return { kind: "ledger_behind" };
    const ledger = await this.#askLedger(() => recall(command, shard, archive, (sku) => this.shardOf(sku)));
    return "kind" in ledger ? ledger : await this.#ask(shard, { ...command, ledger }, askedAtMs, timings);
  }

  /**
   * An adjustment id that a shard does not remember may be older than the window: the ledger knows it. Without a ledger
   * such an id counts as new. What the look-up finds is the answer: until a second call the shard may forget it.
   */
  async #adjust(
    shard: number,
    command: Extract<Command, { kind: "adjust" | "set" }>,
    askedAtMs: number,
    timings?: CommandTimings,
  ): Promise<Outcome> {
    const { adjustmentId, sku } = command;
    const { archive } = this.#options;
    const found = await lookUp([this.#batcher(shard)], adjustmentKey(adjustmentId), askedAtMs);
    if ("kind" in found) return found;
    const [{ lines, forgottenSeq } = { lines: [], forgottenSeq: 0 }] = found;
    const remembered = lines.find((line) => line.sku === sku);
    if (remembered) return repeatedAdjustment(remembered, command);
    if (forgottenSeq > 0 && archive !== null) {
      const ledger = await this.#askLedger(() => archive.findAdjustment(shard, adjustmentId, sku));
      if ("kind" in ledger) return ledger;
      if (ledger.made) return repeatedAdjustment(ledger.made, command);
      if (ledger.appliedSeq < forgottenSeq) return { kind: "ledger_behind" };
    }
    return await this.#ask(shard, command, askedAtMs, timings);
  }

  /** A shard knows only its own lines of an order: with none of them it is unknown, unless another shard has some. */
  async #whyNotReturn({ orderId, lines }: Return): Promise<Outcome> {
    const found = await this.#findOrder(orderId);
    if (found.kind !== "order_found") return found;
    return found.lines.length === 0
      ? { kind: "unknown_order" }
      : { kind: "exceeds", sku: lines[0]?.sku ?? "", units: 0 };
  }

  async #askLedger<T>(ask: () => Promise<T>): Promise<T | Extract<Undecided, { kind: "store_unavailable" }>> {
    try {
      return await ask();
    } catch (error) {
      this.#options.onBroken(error);
      return { kind: "store_unavailable", reason: "ledger" };
    }
  }

  /** Asks one shard. All of it ends within the request's timeout, however many shards were asked before. */
  async #ask(shard: number, command: Command, askedAtMs: number, timings?: CommandTimings): Promise<Outcome> {
    const outcome = await this.#batcher(shard).submit(command, timings, askedAtMs);
    this.soldOut.learn(command, outcome, askedAtMs);
    return outcome;
  }

  /** One shard decides alone. Of several all are asked first, and nothing happens unless all of it can. */
  async #settle(command: Broadcast, askedAtMs: number, timings?: CommandTimings): Promise<Outcome> {
    if (this.#batchers.length === 1) return await this.#ask(0, command, askedAtMs, timings);
    const found = await lookUp(this.#batchers, command.orderId, askedAtMs);
    if ("kind" in found) return found;
    const remembered = found.map(({ lines }) => lines);
    const refusal = whyNotSettle(command, remembered);
    if (refusal) return refusal;
    const outcomes = holdersOf(remembered).map((shard) => {
      const share = partitionOf(command, (sku) => this.shardOf(sku) === shard);
      return this.#ask(shard, share, askedAtMs, timings);
    });
    return merge(await Promise.all(outcomes), this.#storeNowMs);
  }

  /** An order id has one reservation in all shards together: the others say whether they have one. */
  async #whyNotReserve(sale: Sale, shard: number, askedAtMs: number): Promise<Outcome | undefined> {
    const others = this.#batchers.filter((batcher) => batcher.shard !== shard);
    const found = await lookUp(others, sale.orderId, askedAtMs);
    return "kind" in found ? found : whyNotReserve(sale, found.map(({ lines }) => lines));
  }

  /** The latest of the stores' clocks, which the times of lines and deadlines are of. */
  get #storeNowMs(): number {
    return Math.max(...this.#batchers.map(({ clock }) => clock.at(this.#world.elapsedMs())));
  }

  #batcher(shard: number): Batcher {
    const batcher = this.#batchers[shard];
    if (!batcher) throw new RangeError(`Cannot use shard ${shard} as there are ${this.#batchers.length}`);
    return batcher;
  }
}
