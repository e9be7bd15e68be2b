/**
 * The decisions of `lua/decide.lua`, in TypeScript: the embedded default's store and the oracle of
 * the tests. The same commands give the same answers and the same events, check by check.
 *
 * @module
 */
import type { InventoryEvent } from "../../domain/event.ts";
import type { LineRow, QuotaRow, StockRow } from "../../domain/rows.ts";
import type { Command } from "../../domain/command.ts";
import { type Decided, isPrepared, isSale, type RememberedLine, rulesOf } from "../../domain/outcome.ts";
import { pairKey, rememberedKey } from "../../domain/remembered_line.ts";
import type { DecisionLimits } from "../../domain/limits.ts";
import type { Timed } from "../store.ts";
import { abort, commit } from "./basket.ts";
import { returnUnits } from "./return_units.ts";
import { cancel, confirm, extend, lapse } from "./hold.ts";
import { adjust, pause, rules, set } from "./stock.ts";
import { sell } from "./sell.ts";
import { moreDue, ShardState } from "./state.ts";

/** The result of a batch. */
export interface MemoryBatch {
  /** One a command, in order. */
  readonly outcomes: Decided[];
  /** New events of the log. */
  readonly events: InventoryEvent[];
  /** More reservations have expired than this batch released. */
  readonly isMoreDue: boolean;
}

/** One shard. */
export class MemoryShard {
  readonly #state: ShardState;

  /**
   * An empty shard.
   *
   * @param seq last number issued before
   * @param nowMs when the first generations start, ms since 1970
   */
  constructor(limits: DecisionLimits, seq: number, nowMs: number) {
    this.#state = new ShardState(limits, seq, seq, nowMs);
  }

  /** Last number issued. */
  get seq(): number {
    return this.#state.seq;
  }

  /** Last number known to be in the ledger. */
  get applied(): number {
    return this.#state.applied;
  }

  set applied(seq: number) {
    this.#state.applied = seq;
  }

  /** The limits in force. */
  get limits(): DecisionLimits {
    return this.#state.limits;
  }

  set limits(limits: DecisionLimits) {
    this.#state.limits = limits;
  }

  /** Number of SKUs. */
  get skus(): number {
    return this.#state.stock.size;
  }

  /** The remembered lines by name, as `lua/recall.lua` reads them. */
  remembered(): Map<string, readonly RememberedLine[]> {
    const { remembered } = this.#state;
    return new Map([...remembered.keys()].map((name) => [name, remembered.get(name) ?? []]));
  }

  /** All stock. */
  stock(): StockRow[] {
    return [...this.#state.stock].map(([sku, stock]) => ({ sku, ...stock }));
  }

  /** Restores a SKU from the ledger. */
  restoreStock({ sku, available, reserved, policy }: StockRow): void {
    this.#state.stock.set(sku, { available, reserved, policy });
  }

  /** Restores a user's count of a SKU with a quota. */
  restoreQuota({ userId, sku, units, sale }: QuotaRow): void {
    this.#state.restoreQuota(userId, sku, units, sale);
  }

  /** Deletes the quota counts of windows that have ended, a page at a time. Returns whether there are more. */
  sweepQuotas(isFirst: boolean, nowMs: number): boolean {
    return this.#state.sweepQuotas(isFirst, nowMs);
  }

  /** Restores a remembered line from the ledger. */
  restoreLine(row: LineRow): void {
    const { id, returnId: _, ...line } = row;
    const { remembered, bought } = this.#state;
    const key = rememberedKey(row);
    remembered.load(key, [...(remembered.get(key) ?? []), line]);
    if (isSale(line)) bought.load(pairKey(line.userId, line.sku), line.atMs);
    if (isPrepared(line)) this.#state.prepared.set(id, line.seq);
    else if (line.state === "held") this.#state.restoreHold(id, line.expiresAtMs);
  }

  /** Decides a batch. Answers in order; events with consecutive numbers, the last is `seq`. */
  decide(batch: readonly Timed[], nowMs: number): MemoryBatch {
    const state = this.#state;
    state.nowMs = nowMs;
    state.events = [];
    lapse(state);
    const outcomes = batch.map(({ command, deadlineMs }): Decided =>
      deadlineMs < nowMs ? { kind: "late" } : this.#decideOne(command)
    );
    state.endBatch();
    return { outcomes, events: state.events, isMoreDue: state.isMoreDue };
  }

  #decideOne(command: Command): Decided {
    const state = this.#state;
    switch (command.kind) {
      case "deduct":
      case "order":
      case "reserve":
      case "prepare":
        return sell(state, command);
      case "commit":
        return commit(state, command);
      case "abort":
        return abort(state, command);
      case "confirm":
        return confirm(state, command);
      case "cancel":
        return cancel(state, command);
      case "extend":
        return extend(state, command);
      case "return":
        return returnUnits(state, command);
      case "adjust":
        return adjust(state, command);
      case "set":
        return set(state, command);
      case "pause":
      case "resume":
        return pause(state, command);
      case "rules":
        return rules(state, command);
      case "stock":
        return this.#read(command.sku);
      case "lookup":
        return {
          kind: "order",
          lines: state.remembered.get(command.orderId) ?? [],
          forgottenSeq: state.forgottenSeq,
          windowMs: state.limits.idempotencyWindowMs,
        };
    }
  }

  #read(sku: string): Decided {
    const stock = this.#state.stock.get(sku);
    if (!stock) return { kind: "unknown_sku", sku };
    if (this.#state.mayBeFreed(sku)) return moreDue;
    const { available, reserved, policy } = stock;
    return { kind: "stock", sku, available, reserved, seq: this.#state.seq, ...rulesOf(policy ?? {}) };
  }
}
