/**
 * One shard in memory: what `lua/state.lua` reads and writes, as maps.
 *
 * @module
 */
import type { EventData, EventLine, InventoryEvent, StoredPolicy } from "../../log/event.ts";
import { limits, type Origin } from "../command.ts";
import type { Decided, RememberedLine } from "../outcome.ts";
import { pairKey } from "../remembered.ts";
import type { DecisionLimits } from "../store.ts";
import { ExpiryQueue } from "./expiry.ts";
import { Generations } from "./generations.ts";

/** A SKU. */
export interface Stock {
  /** Units that can be sold. */
  available: number;
  /** Units that are held. */
  reserved: number;
  /** The rules of its sale; null = none. */
  policy: StoredPolicy | null;
}

/** What a user has bought of a SKU within its window. */
export interface QuotaCount {
  /** Units still sold or held. */
  units: number;
  /** Which window they count for. */
  sale: number;
}

/** What an event says beside its number, time and kind. */
export interface Fact {
  /** Order id or adjustment id; empty for a policy. */
  readonly id: string;
  /** Who bought. */
  readonly userId?: string;
  /** Who asked. */
  readonly origin: Origin;
  /** Why, in words. */
  readonly reason?: string;
  /** A document elsewhere, or the return id. */
  readonly reference?: string;
  /** What changed, SKU by SKU. */
  readonly lines: readonly EventLine[];
  /** What only this kind has. */
  readonly data?: EventData;
}

/** The state of a shard, and the events of the batch that is being decided. */
export class ShardState {
  /** Every SKU. A missing one is unknown, never zero. */
  readonly stock = new Map<string, Stock>();
  /** Remembered lines by their name; see `remembered.ts`. A list is never changed, but replaced. */
  readonly remembered: Generations<readonly RememberedLine[]>;
  /** When a user last bought a SKU, ms. */
  readonly bought: Generations<number>;
  /** Order ids of open reservations, and when they lapse, ms. */
  readonly expiry = new ExpiryQueue();
  /** More reservations have lapsed than this batch gives back. */
  isMoreDue = false;
  readonly #quotas = new Map<string, QuotaCount>();
  /** Events of this batch. */
  events: InventoryEvent[] = [];
  /** The time of this batch, ms. */
  nowMs: number;

  /**
   * An empty shard.
   *
   * @param seq last number issued before
   * @param applied last number known to be in the ledger
   */
  constructor(readonly limits: DecisionLimits, public seq: number, public applied: number, nowMs: number) {
    this.nowMs = nowMs;
    this.remembered = new Generations(nowMs);
    this.bought = new Generations(nowMs);
  }

  /** The longest hold, ms: never longer than the order is remembered. */
  get holdMaxMs(): number {
    return Math.min(limits.holdMaxMs, this.limits.idempotencyWindowMs);
  }

  /** A SKU that was checked to be there. */
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

  /** Whether units of a SKU may be free that do not count as available yet. */
  mayBeFreed(sku: string): boolean {
    return this.isMoreDue && this.known(sku).reserved > 0;
  }

  /** Changes a SKU's figures. Returns the line of the event. */
  move(sku: string, delta: number, reservedDelta: number): EventLine {
    const stock = this.known(sku);
    stock.available += delta;
    stock.reserved += reservedDelta;
    return { sku, delta, reservedDelta, available: stock.available, reserved: stock.reserved };
  }

  /** What a user has bought of a SKU within its window; undefined when the SKU has no quota. */
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

  /** Counts units that a user took (or gave back, below zero) by the sale with number `number`. */
  countQuota(userId: string, sku: string, units: number, number: number): void {
    const count = this.quotaOf(userId, sku);
    if (!count || number <= count.sale) return; // bought before this window
    count.units = Math.max(0, count.units + units);
  }

  /** Takes over what a user has bought, from the ledger; it may come in parts. */
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

/** The answer to a command that reservations which have lapsed, and are not given back yet, may decide. */
export const moreDue: Decided = { kind: "postponed", lines: 0 };

/** The answer to a command that took effect now. */
export function accepted(
  seq: number,
  newStock: readonly number[],
): Extract<Decided, { kind: "accepted" }> {
  return { kind: "accepted", seq, newStock, replayed: false, created: false, expiresAtMs: 0 };
}
