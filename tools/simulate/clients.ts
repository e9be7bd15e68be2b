/**
 * Clients that send an order again until they know what became of it, and what they were answered.
 *
 * @module
 */
import type { Command, Sale } from "../../src/domain/command.ts";
import type { Inventory } from "../../src/decide/service.ts";
import type { Outcome } from "../../src/domain/outcome.ts";
import { sleep } from "../../src/runtime/world.ts";
import type { Chance, Process, Scheduler } from "./scheduler.ts";
import { limits } from "./store.ts";

/** The SKUs of every run. */
export const skus = ["a", "b", "c"];
/** Units of a SKU at the start. */
export const unitsAtStart = 60;

/** An order that was accepted. */
export interface AcceptedOrder {
  readonly orderId: string;
  readonly sku: string;
  readonly amount: number;
  readonly seq: number;
  readonly newStock: number;
  readonly atMs: number;
}

/** What clients need of the run. */
export interface Shop {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  /** Share of requests that a proxy sends twice. */
  isDoubled(): boolean;
  /** One of the APIs that run; undefined while none does. */
  api(): { readonly inventory: Inventory; readonly process: Process } | undefined;
  /** A retry of this order need not hear the first answer: the clock was stepped, or the order was lost. */
  isExcused(order: AcceptedOrder): boolean;
  readonly saysFirst: boolean;
  broken(what: string): void;
}

const undecided: ReadonlySet<string> = new Set([
  ...["unarmed", "overloaded", "store_unavailable", "store_full", "outcome_unknown", "no_answer"],
  ...["late", "postponed", "ledger_behind", "backlog_full"],
]);

/** All clients of a run. */
export class Clients {
  readonly #process: Process;
  readonly #shop: Shop;
  #ids = 0;
  /** Clients that are not done. */
  open = 0;
  readonly accepted: AcceptedOrder[] = [];

  constructor(shop: Shop) {
    this.#shop = shop;
    this.#process = shop.scheduler.process("clients");
  }

  /** Creates the stock. */
  async stockUp(): Promise<void> {
    this.open++;
    for (const sku of skus) {
      const note = { reason: "", reference: "", actor: "", traceparent: "" };
      const adjustmentId = `start-${sku}`;
      await this.#untilCertain({ kind: "adjust", adjustmentId, sku, delta: unitsAtStart, ...note });
    }
    this.open--;
  }

  /** Places an order now. */
  async buy(): Promise<void> {
    this.open++;
    const { chance } = this.#shop;
    const sku = skus[chance.between(0, skus.length - 1)] ?? "";
    const amount = chance.between(1, 3);
    const kind = chance.isHit(0.4) ? "reserve" : "deduct";
    const holdMs = kind === "reserve" ? chance.between(1000, 3000) : 0;
    const sale: Sale = {
      ...{ kind, orderId: `o${++this.#ids}`, userId: "u", lines: [{ sku, amount }], holdMs },
      ...{ firstAttempt: true, hasToken: false, actor: "", traceparent: "" },
    };
    const sentMs = this.#shop.scheduler.nowMs;
    const outcome = await this.#untilCertain(sale);
    if (outcome.kind === "accepted") await this.#afterwards(sale, outcome, sentMs);
    this.open--;
  }

  async #afterwards(
    sale: Sale,
    outcome: Extract<Outcome, { kind: "accepted" }>,
    sentMs: number,
  ): Promise<void> {
    const { chance, scheduler } = this.#shop;
    const [line] = sale.lines;
    const { orderId } = sale;
    const { seq, newStock: [newStock = -1] } = outcome;
    const order = {
      ...{ orderId, sku: line?.sku ?? "", amount: line?.amount ?? 0, seq, newStock },
      atMs: scheduler.nowMs,
    };
    this.accepted.push(order);
    if (sale.kind === "reserve") {
      const kind = chance.isHit(0.5) ? "confirm" : "cancel";
      const isLeft = chance.isHit(0.3);
      const by = { orderId, owner: "", actor: "", traceparent: "" };
      if (!isLeft) {
        await this.#untilCertain(kind === "confirm" ? { kind, lines: null, ...by } : { kind, ...by });
      }
      return;
    }
    if (chance.isHit(0.15)) return await this.#returnLate(sale);
    if (!chance.isHit(0.5)) return;
    await sleep(this.#process.world, chance.between(0, 1500));
    const again = await this.#untilCertain({ ...sale, firstAttempt: false });
    const isSame = again.kind === "accepted" && again.seq === seq && again.newStock[0] === newStock;
    const isYoung = scheduler.nowMs - sentMs < limits.idempotencyWindowMs;
    if (isSame || !isYoung || this.#shop.isExcused(order)) return;
    this.#shop.broken(
      `a retry of ${orderId} hears ${JSON.stringify(again)}, first ${JSON.stringify(outcome)}`,
    );
  }

  /** Sends an order again after the window, by chance with other contents. */
  async #returnLate(sale: Sale): Promise<void> {
    const { chance } = this.#shop;
    await sleep(this.#process.world, 3 * limits.idempotencyWindowMs);
    const lines = chance.isHit(0.3)
      ? sale.lines.map((line) => ({ ...line, amount: line.amount + 1 }))
      : sale.lines;
    await this.#untilCertain({ ...sale, lines, firstAttempt: false });
  }

  async #untilCertain(command: Command): Promise<Outcome> {
    for (let attempt = 0;; attempt++) {
      const isFirst = attempt === 0 || this.#shop.saysFirst;
      const sent = "firstAttempt" in command
        ? { ...command, firstAttempt: isFirst && (command.firstAttempt || this.#shop.saysFirst) }
        : command;
      if (this.#shop.isDoubled() && "firstAttempt" in sent) void this.#send({ ...sent, firstAttempt: false });
      const outcome = await this.#send(sent);
      if (outcome.kind !== "no_answer" && !undecided.has(outcome.kind)) return outcome as Outcome;
      await sleep(this.#process.world, 50 + 50 * Math.min(attempt, 10));
    }
  }

  #send(command: Command): Promise<Outcome | { readonly kind: "no_answer" }> {
    const { scheduler, chance } = this.#shop;
    const api = this.#shop.api();
    return new Promise((resolve) => {
      scheduler.after(700, this.#process, () => resolve({ kind: "no_answer" }));
      if (!api) return;
      scheduler.after(chance.between(1, 5), api.process, () => {
        void api.inventory.submit(command).then((outcome) => {
          scheduler.after(chance.between(1, 5), this.#process, () => resolve(outcome));
        });
      });
    });
  }
}
