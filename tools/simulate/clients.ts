/**
 * Clients that send a command again until they know what became of it, and what they were answered.
 *
 * @module
 */
import type { Command, Line, Sale } from "../../src/domain/command.ts";
import type { OrderOutcome, Outcome } from "../../src/domain/outcome.ts";
import { sleep } from "../../src/runtime/world.ts";
import type { Api } from "./processes.ts";
import type { Chance, Process, Scheduler } from "./scheduler.ts";
import type { Settings } from "./settings.ts";

/** A command that was accepted. */
export interface Accepted {
  readonly id: string;
  readonly shard: number;
  readonly seq: number;
  readonly atMs: number;
}

/** What clients need of the run. */
export interface Shop {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly settings: Settings;
  /** A proxy sends requests twice now. */
  isDoubled(): boolean;
  /** One of the APIs that run; undefined while none does. */
  api(): { readonly inventory: Api; readonly process: Process } | undefined;
  /** A retry need not hear the first answer: a clock was stepped, or the server lost it. */
  isExcused(accepted: Accepted): boolean;
  /** Every command says that it is a first attempt. */
  readonly saysFirst: boolean;
  broken(what: string): void;
  /** Something that must happen sometimes has happened. */
  happened(what: string): void;
}

type Answer = Outcome | { readonly kind: "no_answer" };

const undecided: ReadonlySet<string> = new Set([
  ...["unarmed", "overloaded", "store_unavailable", "store_full", "outcome_unknown", "no_answer"],
  ...["late", "postponed", "ledger_behind", "backlog_full"],
]);

/** The members of a command that only a person reads. */
export const note = { reason: "", reference: "", actor: "", traceparent: "" } as const;

/** All clients of a run. */
export class Clients {
  readonly process: Process;
  readonly shop: Shop;
  #ids = 0;
  /** When an order was sent first. */
  readonly #sentMs = new Map<string, number>();
  /** Clients that are not done. */
  open = 0;
  /** Accepted sales, returns and adjustments. */
  readonly accepted: Accepted[] = [];
  /** Ids of adjustments that were asked for. */
  readonly adjustments = new Set<string>();
  /** Baskets of several shards, and their lines. */
  readonly baskets = new Map<string, number>();
  /** Orders that certainly had no effect. */
  readonly refused = new Set<string>();
  /** Orders of which a copy may arrive at any time: sent again after the window, doubled, or at a frozen API. */
  readonly late = new Set<string>();

  constructor(shop: Shop) {
    this.shop = shop;
    this.process = shop.scheduler.process("clients");
  }

  /** The next id. */
  id(prefix: string): string {
    return `${prefix}${++this.#ids}`;
  }

  /** The shard of a SKU. */
  shardOf(sku: string): number {
    return this.shop.settings.skus.findIndex((skus) => skus.includes(sku));
  }

  wait(ms: number): Promise<void> {
    return sleep(this.process.world, ms);
  }

  /** Runs a client, and counts it until it is done. */
  async run(client: () => Promise<void>): Promise<void> {
    this.open++;
    await client();
    this.open--;
  }

  /** Creates the stock. */
  async stockUp(): Promise<void> {
    const { skus, units } = this.shop.settings;
    for (const sku of skus.flat()) await this.adjust(`start-${sku}`, sku, units);
  }

  /** Adds units, or removes them. */
  async adjust(adjustmentId: string, sku: string, delta: number): Promise<void> {
    this.adjustments.add(adjustmentId);
    const outcome = await this.untilCertain({ kind: "adjust", adjustmentId, sku, delta, ...note });
    if (outcome.kind === "accepted") this.note(adjustmentId, sku, outcome.seq);
  }

  /** Notes that a command was accepted. */
  note(id: string, sku: string, seq: number): Accepted {
    const accepted = { id, shard: this.shardOf(sku), seq, atMs: this.shop.scheduler.nowMs };
    this.accepted.push(accepted);
    return accepted;
  }

  /** A sale of some lines. */
  sale(kind: Sale["kind"], lines: readonly Line[], holdMs: number): Sale {
    const userId = `user-${this.shop.chance.between(1, 5)}`;
    return {
      ...{ kind, lines, holdMs, userId, orderId: this.id("o"), actor: "", traceparent: "" },
      hasToken: false,
    };
  }

  /** Sends a command until its outcome is certain. `isNew`: it was never sent before. */
  async untilCertain(command: Command, isNew = true): Promise<Outcome> {
    const { saysFirst } = this.shop;
    for (let attempt = 0;; attempt++) {
      const isFirst = saysFirst || isNew && attempt === 0;
      if (this.shop.isDoubled()) {
        if ("orderId" in command) this.late.add(command.orderId);
        void this.#send(command);
      }
      const answer = await this.#send(command, isFirst);
      this.shop.happened(`a client hears ${answer.kind}`);
      this.shop.scheduler.note(`${command.kind} ${idOf(command)} hears ${JSON.stringify(answer)}`);
      if ("orderId" in command && (answer.kind === "no_answer" || this.#isOld(command.orderId))) {
        this.late.add(command.orderId);
      }
      if (answer.kind !== "no_answer" && !undecided.has(answer.kind)) return answer as Outcome;
      await this.wait(50 + 50 * Math.min(attempt, 10));
    }
  }

  /** Whether the window of an order's first attempt is over. */
  #isOld(orderId: string): boolean {
    const { nowMs } = this.shop.scheduler;
    const sentMs = this.#sentMs.get(orderId) ?? nowMs;
    this.#sentMs.set(orderId, sentMs);
    return nowMs - sentMs > this.shop.settings.limits.idempotencyWindowMs - 1000;
  }

  #send(command: Command, isFirst = false): Promise<Answer> {
    return this.#ask((inventory) => inventory.submit(command, undefined, () => isFirst));
  }

  /** What became of an order; undefined while it is unknown. */
  async find(orderId: string): Promise<OrderOutcome | undefined> {
    const found = await this.#ask((inventory) => inventory.findOrder(orderId));
    return found.kind === "no_answer" ? undefined : found as OrderOutcome;
  }

  #ask<T extends { readonly kind: string }>(
    ask: (inventory: Api) => Promise<T>,
  ): Promise<T | { readonly kind: "no_answer" }> {
    const { scheduler, chance } = this.shop;
    const api = this.shop.api();
    return new Promise((resolve) => {
      scheduler.after(700, this.process, () => resolve({ kind: "no_answer" }));
      if (!api) return;
      scheduler.after(chance.between(1, 5), api.process, () => {
        void ask(api.inventory).then((answer) => {
          scheduler.after(chance.between(1, 5), this.process, () => resolve(answer));
        });
      });
    });
  }
}

function idOf(command: Command): string {
  return "orderId" in command
    ? command.orderId
    : "adjustmentId" in command
    ? command.adjustmentId
    : command.sku;
}
