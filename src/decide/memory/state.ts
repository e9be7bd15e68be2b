/**
 * One shard in memory: what `lua/state.lua` reads and writes, as maps.
 *
 * @module
 */
import type { EventData, EventLine, InventoryEvent, StoredPolicy } from "../../domain/event.ts";
import { limits, type Origin } from "../../domain/command.ts";
import type { Decided, RememberedLine } from "../../domain/outcome.ts";
import { pairKey, pairSeparator } from "../../domain/remembered_line.ts";
import type { DecisionLimits } from "../../domain/limits.ts";
import { ExpiryQueue } from "./expiry.ts";
import { Generations } from "./generations.ts";

/** A SKU. */
export interface Stock {
  /** Units that can be sold. */
  available: number;
  /** Units that are reserved. */
  reserved: number;
  /** The rules of its sale; null = none. */
  policy: StoredPolicy | null;
}

/** What a user has bought of a SKU within its window. */
export interface QuotaCount {
  /** Units still sold or held. */
  units: number;
  /** The window that they count for. */
  sale: number;
}

/** The contents of an event without its number, time and kind. */
export interface Fact {
  /** Order id or adjustment id; empty for a policy. */
  readonly id: string;
  /** The buyer. */
  readonly userId?: string;
  /** The caller. */
  readonly origin: Origin;
  /** The reason, as text. */
  readonly reason?: string;
  /** A document elsewhere, or the return id. */
  readonly reference?: string;
  /** The changes, one per SKU. */
  readonly lines: readonly EventLine[];
  /** Members of this kind only. */
  readonly data?: EventData;
}

/** Counts that one step of a sweep reads. */
const sweepMax = 1000;

/** The state of a shard, and the events of the batch that is being decided. */
export class ShardState {
  /** Every SKU. A missing one is unknown, never zero. */
  readonly stock = new Map<string, Stock>();
  /** Remembered lines by their name; see `remembered_line.ts`. A list is never changed, but replaced. */
  readonly remembered: Generations<readonly RememberedLine[]>;
  /** When a user last bought a SKU, ms. */
  readonly bought: Generations<number>;
  /** Order ids of open reservations, and when they expire, ms. */
  readonly expiry = new ExpiryQueue();
  /** Order ids with prepared lines that are not decided, and the number that prepared them; the lowest first. */
  readonly prepared = new Map<string, number>();
  /** More reservations have expired than this batch releases. */
  isMoreDue = false;
  readonly #quotas = new Map<string, QuotaCount>();
  #sweep = this.#quotas.entries();
  /** Events of this batch. */
  events: InventoryEvent[] = [];
  /** The time of this batch, ms. */
  nowMs: number;
  /** Last number that may be forgotten. */
  forgottenSeq: number;
  /** Last number before the generation of orders that takes new lines. */
  #turnSeq: number;
  /** When the last hold ends, ms: of the generation of orders that takes new lines, and of the other. */
  #holdsEndMs = 0;
  #olderHoldsEndMs = 0;

  /**
   * An empty shard.
   *
   * @param seq last number issued before
   * @param applied last number known to be in the ledger
   */
  constructor(public limits: DecisionLimits, public seq: number, public applied: number, nowMs: number) {
    this.nowMs = nowMs;
    this.forgottenSeq = seq;
    this.#turnSeq = seq;
    this.remembered = new Generations(nowMs);
    this.bought = new Generations(nowMs);
  }

  /** The longest hold, ms: never longer than the order is remembered. */
  get holdMaxMs(): number {
    return Math.min(limits.holdLongestMs, this.limits.idempotencyWindowMs);
  }

  /** A SKU that is known to exist. */
  known(sku: string): Stock {
    const stock = this.stock.get(sku);
    if (!stock) throw new Error(`Cannot use SKU '${sku}' as it was not checked before`);
    return stock;
  }

  /** A remembered line. */
  line(key: string, sku: string): RememberedLine | undefined {
    return this.remembered.get(key)?.find((line) => line.sku === sku);
  }

  /** Remembers one more line. */
  remember(key: string, line: RememberedLine): void {
    this.remembered.set(key, [...(this.remembered.get(key) ?? []), line]);
  }

  /** Changes lines of an order: `change` gives the new line, or the same. */
  rewrite(key: string, change: (line: RememberedLine) => RememberedLine): void {
    this.remembered.set(key, (this.remembered.get(key) ?? []).map(change));
  }

  /** Whether a SKU may have units of expired reservations that do not count as available yet. */
  mayBeFreed(sku: string): boolean {
    return this.isMoreDue && this.known(sku).reserved > 0;
  }

  /** Restores a hold from the ledger: the generation of its order is not known. */
  restoreHold(orderId: string, expiresAtMs: number): void {
    this.expiry.set(orderId, expiresAtMs);
    this.#holdsEndMs = this.nowMs + limits.holdLongestMs;
    this.#olderHoldsEndMs = this.#holdsEndMs;
  }

  /** When a user last bought a SKU. A purchase later than now, before the clock was set back, counts as made now. */
  boughtAtMs(userId: string, sku: string): number | undefined {
    const key = pairKey(userId, sku);
    const atMs = this.bought.get(key);
    if (atMs === undefined || atMs <= this.nowMs) return atMs;
    this.bought.set(key, this.nowMs);
    return this.nowMs;
  }

  /**
   * Begins new generations when they are due, as `turn_orders` and `turn_limits` in `lua/write.lua` do: only lines that
   * the ledger has applied are forgotten, no hold before its end, and no prepared line before its decision.
   */
  endBatch(): void {
    const { idempotencyWindowMs, userLimitMs } = this.limits;
    const isApplied = this.applied >= this.#turnSeq;
    const [preparedSeq = Infinity] = this.prepared.values();
    const mayForget = isApplied && !this.isMoreDue && this.#olderHoldsEndMs <= this.nowMs &&
      preparedSeq > this.#turnSeq;
    const written = this.remembered.changed();
    if (this.events.length === 0) {
      this.remembered.endQuietBatch();
      this.bought.endQuietBatch();
      return;
    }
    if (this.remembered.endBatch(this.nowMs, mayForget ? idempotencyWindowMs : Infinity)) {
      this.forgottenSeq = this.#turnSeq;
      this.#turnSeq = this.seq - this.events.length;
      this.#olderHoldsEndMs = this.#holdsEndMs;
      this.#holdsEndMs = 0;
    }
    this.bought.endBatch(this.nowMs, userLimitMs > 0 ? userLimitMs : Infinity);
    for (const { state, expiresAtMs } of written.flat()) {
      if (state === "held") this.#holdsEndMs = Math.max(expiresAtMs, this.#holdsEndMs);
    }
  }

  /** Changes a SKU's stock. Returns the line of the event. */
  move(sku: string, delta: number, reservedDelta: number): EventLine {
    const stock = this.known(sku);
    stock.available += delta;
    stock.reserved += reservedDelta;
    return { sku, delta, reservedDelta, available: stock.available, reserved: stock.reserved };
  }

  /** Units that a user has bought of a SKU within its window; undefined when the SKU has no quota. */
  quotaOf(userId: string, sku: string): QuotaCount | undefined {
    const { policy } = this.known(sku);
    if (policy?.quota === undefined) return undefined;
    const sale = policy.sale ?? 0;
    const key = pairKey(userId, sku);
    const known = this.#quotas.get(key);
    if (known?.sale === sale) return known;
    const count = { units: 0, sale };
    this.#quotas.set(key, count);
    return count;
  }

  /** Counts units that a user bought (or returned, below zero) by the sale with number `number`. */
  countQuota(userId: string, sku: string, units: number, number: number): void {
    const count = this.quotaOf(userId, sku);
    if (!count || number <= count.sale) return; // bought before this window
    count.units = Math.max(0, count.units + units);
  }

  /** `lua/sweep.lua` in TypeScript. */
  sweepQuotas(isFirst: boolean, nowMs: number): boolean {
    if (isFirst) this.#sweep = this.#quotas.entries();
    for (let looked = 0; looked < sweepMax; looked++) {
      const next = this.#sweep.next();
      if (next.done) return false;
      const [key, { units, sale }] = next.value;
      const { policy } = this.stock.get(key.slice(key.indexOf(pairSeparator) + 1)) ?? { policy: null };
      const isOver = policy?.quota === undefined || (policy.closes ?? Infinity) + limits.closedMs < nowMs;
      if (units === 0 || isOver || sale !== (policy.sale ?? 0)) this.#quotas.delete(key);
    }
    return true;
  }

  /** Restores a user's count from the ledger; it may come in parts. */
  restoreQuota(userId: string, sku: string, units: number, sale: number): void {
    const key = pairKey(userId, sku);
    this.#quotas.set(key, { units: units + (this.#quotas.get(key)?.units ?? 0), sale });
  }

  /** Writes an event with the number `seq`, which its command has already taken. */
  write(kind: string, fact: Fact): void {
    const { actor, traceparent } = fact.origin;
    this.events.push({
      seq: this.seq,
      kind,
      id: fact.id,
      userId: fact.userId ?? "",
      actor,
      traceparent,
      reason: fact.reason ?? "",
      reference: fact.reference ?? "",
      data: fact.data ?? {},
      atMs: this.nowMs,
      lines: fact.lines,
    });
  }
}

/** The outcome of a command that depends on expired reservations which are not released yet. */
export const moreDue: Decided = { kind: "postponed", lines: 0 };

/** The outcome of a command that took effect now. */
export function accepted(
  seq: number,
  newStock: readonly number[],
): Extract<Decided, { kind: "accepted" }> {
  return { kind: "accepted", seq, newStock, replayed: false, created: false, expiresAtMs: 0 };
}
