/**
 * The decisions of `lua/inventory.lua`, in TypeScript: the embedded default's store and the oracle of
 * the tests. The same commands give the same answers and the same events, check by check.
 *
 * @module
 */
import { type Adjust, type Command, type Deduct, limits } from "../command.ts";
import type { Decided, RememberedLine } from "../outcome.ts";
import type { DecisionLimits, Timed } from "../store.ts";
import type { EventLine, InventoryEvent } from "../../log/event.ts";
import type { LineRow, StockRow } from "../../ledger/ledger.ts";
import { Generations } from "./generations.ts";

interface Stock {
  available: number;
  reserved: number;
  paused: boolean;
}

// Before an adjustment id, and between user and SKU: no id holds a control character.
const adjustmentPrefix = "\u0001";
const pairSeparator = "\u001f";

/** The state of one shard. */
export class MemoryShard {
  readonly #limits: DecisionLimits;
  readonly #stock = new Map<string, Stock>();
  readonly #orders: Generations<RememberedLine[]>;
  readonly #bought: Generations<number>;
  /** Last number issued. */
  seq: number;
  /** Last number known to be in the ledger. */
  applied: number;

  /**
   * Starts with no stock and nothing remembered; everything up to `seq` counts as booked.
   *
   * @param seq last number issued before
   * @param nowMs when remembering starts
   */
  constructor(limits: DecisionLimits, seq: number, nowMs: number) {
    this.#limits = limits;
    this.seq = seq;
    this.applied = seq;
    this.#orders = new Generations(nowMs);
    this.#bought = new Generations(nowMs);
  }

  /** How many SKUs it has. */
  get skus(): number {
    return this.#stock.size;
  }

  /** All stock. */
  stock(): StockRow[] {
    return [...this.#stock].map(([sku, { available, reserved }]) => ({ sku, available, reserved }));
  }

  /** Takes over a SKU as the ledger has it. */
  restoreStock(row: StockRow): void {
    this.#stock.set(row.sku, { available: row.available, reserved: row.reserved, paused: false });
  }

  /** Takes over a line as the ledger remembers it. */
  restoreLine({ id, ...line }: LineRow): void {
    this.#remember(line.kind === "deduct" ? id : adjustmentPrefix + id, line);
    if (line.kind === "deduct") this.#bought.set(line.userId + pairSeparator + line.sku, line.atMs);
  }

  /** Decides a batch. Answers in order; events with consecutive numbers, the last is `seq`. */
  decide(batch: readonly Timed[], nowMs: number): { outcomes: Decided[]; events: InventoryEvent[] } {
    const events: InventoryEvent[] = [];
    const outcomes = batch.map(({ command, deadlineMs }): Decided =>
      deadlineMs < nowMs ? { kind: "late" } : this.#decideOne(command, nowMs, events)
    );
    if (events.length > 0) {
      this.#orders.rotate(nowMs, this.#limits.idempotencyWindowMs);
      if (this.#limits.userLimitMs > 0) this.#bought.rotate(nowMs, this.#limits.userLimitMs);
    }
    return { outcomes, events };
  }

  #decideOne(command: Command, nowMs: number, events: InventoryEvent[]): Decided {
    switch (command.kind) {
      case "deduct":
        return this.#sell(command, nowMs, events);
      case "adjust":
        return this.#adjust(command, nowMs, events);
      case "stock": {
        const stock = this.#stock.get(command.sku);
        return stock
          ? { kind: "stock", sku: command.sku, ...stock, seq: this.seq }
          : { kind: "unknown_sku", sku: command.sku };
      }
      case "lookup":
        return { kind: "order", lines: [...(this.#orders.get(command.orderId) ?? [])] };
    }
  }

  #sell(command: Deduct, nowMs: number, events: InventoryEvent[]): Decided {
    const { orderId, userId, fingerprint, lines } = command;
    const past = this.#past(orderId, fingerprint, lines.map((line) => line.sku));
    if (past) return past;
    for (const { sku } of lines) {
      if (!this.#stock.has(sku)) return { kind: "unknown_sku", sku };
    }
    for (const { sku } of lines) {
      if (this.#known(sku).paused) return { kind: "paused", sku };
    }
    for (const { sku, amount } of lines) {
      const { available } = this.#known(sku);
      if (available < amount) return { kind: "insufficient", sku, available };
    }
    const limited = this.#userLimit(userId, lines, nowMs);
    if (limited) return limited;
    const room = limits.orderLinesMax - (this.#orders.get(orderId)?.length ?? 0);
    if (lines.length > room) return { kind: "order_full" };
    if (this.seq - this.applied >= this.#limits.backlogMax) return { kind: "backlog_full" };

    this.seq++;
    const facts = lines.map(({ sku, amount }): EventLine => {
      const stock = this.#known(sku);
      stock.available -= amount;
      this.#remember(orderId, {
        sku,
        fingerprint,
        kind: command.kind,
        amount,
        newStock: stock.available,
        seq: this.seq,
        atMs: nowMs,
        userId,
      });
      if (this.#limits.userLimitMs > 0) this.#bought.set(userId + pairSeparator + sku, nowMs);
      const { available, reserved } = stock;
      return { sku, delta: -amount, reservedDelta: 0, available, reserved };
    });
    const { kind, actor, traceparent } = command;
    events.push({
      seq: this.seq,
      kind,
      id: orderId,
      userId,
      fingerprint,
      actor,
      traceparent,
      reason: "",
      reference: "",
      atMs: nowMs,
      lines: facts,
    });
    return accepted(this.seq, facts.map((fact) => fact.available));
  }

  #adjust(command: Adjust, nowMs: number, events: InventoryEvent[]): Decided {
    const { sku, delta, fingerprint, actor, traceparent, reason, reference } = command;
    const id = adjustmentPrefix + command.adjustmentId;
    const past = this.#past(id, fingerprint, [sku]);
    if (past) return past;
    const known = this.#stock.get(sku);
    if (!known && delta < 0) return { kind: "unknown_sku", sku };
    const stock = known ?? { available: 0, reserved: 0, paused: false };
    const available = stock.available + delta;
    if (available < 0) return { kind: "insufficient", sku, available: stock.available };
    if (available + stock.reserved > limits.quantityMax) {
      return { kind: "stock_limit", sku, available: stock.available };
    }
    if ((this.#orders.get(id)?.length ?? 0) >= limits.orderLinesMax) return { kind: "order_full" };

    this.seq++;
    stock.available = available;
    this.#stock.set(sku, stock);
    const kind = known ? "adjust" : "create";
    const { seq } = this;
    this.#remember(id, {
      sku,
      fingerprint,
      kind,
      amount: delta,
      newStock: available,
      seq,
      atMs: nowMs,
      userId: "",
    });
    events.push({
      seq,
      kind,
      id: command.adjustmentId,
      userId: "",
      fingerprint,
      actor,
      traceparent,
      reason,
      reference,
      atMs: nowMs,
      lines: [{ sku, delta, reservedDelta: 0, available, reserved: stock.reserved }],
    });
    return { ...accepted(seq, [available]), created: !known };
  }

  /** The first answer if all lines were taken before, a conflict if they were taken otherwise. */
  #past(id: string, fingerprint: string, skus: readonly string[]): Decided | undefined {
    const remembered = this.#orders.get(id);
    if (!remembered) return undefined;
    const past: RememberedLine[] = [];
    for (const sku of skus) {
      const line = remembered.find((line) => line.sku === sku);
      if (!line) continue;
      if (line.fingerprint !== fingerprint) return { kind: "conflict", sku };
      past.push(line);
    }
    const [first] = past;
    if (!first) return undefined;
    if (past.length < skus.length) return { kind: "conflict", sku: skus[0] ?? "" };
    const newStock = past.map((line) => line.newStock);
    return { ...accepted(first.seq, newStock), replayed: true, created: first.kind === "create" };
  }

  #userLimit(userId: string, lines: Deduct["lines"], nowMs: number): Decided | undefined {
    const { userLimitMs } = this.#limits;
    if (userLimitMs === 0) return undefined;
    for (const { sku } of lines) {
      const at = this.#bought.get(userId + pairSeparator + sku);
      if (at !== undefined && nowMs - at < userLimitMs) {
        return { kind: "rate_limited", sku, retryAfterMs: Math.min(userLimitMs, at + userLimitMs - nowMs) };
      }
    }
    return undefined;
  }

  #known(sku: string): Stock {
    const stock = this.#stock.get(sku);
    if (!stock) throw new Error(`Cannot use SKU '${sku}' as it was not checked before`);
    return stock;
  }

  #remember(id: string, line: RememberedLine): void {
    this.#orders.set(id, [...(this.#orders.get(id) ?? []), line]);
  }
}

function accepted(seq: number, newStock: number[]): Extract<Decided, { kind: "accepted" }> {
  return { kind: "accepted", seq, newStock, replayed: false, created: false };
}
