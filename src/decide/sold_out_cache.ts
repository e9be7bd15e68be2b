/**
 * What this process has just heard to be sold out.
 *
 * Once a SKU is sold out, most requests can be refused without calling the store. The cache
 * never accepts. It refuses by itself only a sale whose client says that it is a first attempt: any other may be
 * the retry of an accepted one whose answer was lost, and only the store knows.
 *
 * @module
 */
import type { Prepare } from "../domain/basket.ts";
import { type Command, routingSkus, type Sale } from "../domain/command.ts";
import type { Decided, Outcome } from "../domain/outcome.ts";

/** Bounds of the cache. */
export const soldOutBounds = {
  skusMax: 1000,
  /** A restock by another process shows within this, counted from when the store was asked. */
  ttlMs: 1000,
} as const;

type Stock = Extract<Outcome, { kind: "stock" }>;

interface Entry {
  readonly available: number;
  /** The whole answer to a read, when a read brought it. */
  readonly stock: Stock | undefined;
  readonly untilMs: number;
}

/** Remembers SKUs with too few units, for a second. */
export class SoldOutCache {
  readonly #entries = new Map<string, Entry>();
  /** Answers that it gave, since the start. */
  hits = 0;
  /** The same answers when the store had to give them, since the start. */
  misses = 0;

  /**
   * The answer at `nowMs` (monotonic), if it can be given without the store. `isFirstAttempt` is called only for a
   * sale of a SKU that is sold out.
   */
  check(command: Command, nowMs: number, isFirstAttempt: () => boolean): Decided | undefined {
    const known = this.#known(command, nowMs);
    if (known === undefined || known.kind === "insufficient" && !isFirstAttempt()) return undefined;
    this.hits++;
    return known;
  }

  #known(command: Command, nowMs: number): Decided | undefined {
    if (command.kind === "stock") return this.#fresh(command.sku, nowMs)?.stock;
    if (!isSale(command)) return undefined;
    for (const { sku, amount } of command.lines) {
      const available = this.#fresh(sku, nowMs)?.available;
      if (available !== undefined && amount > available) return { kind: "insufficient", sku, available };
    }
    return undefined;
  }

  /** Learns from the store's answer to `command`, which was asked at `askedAtMs` (monotonic). */
  learn(command: Command, outcome: Outcome, askedAtMs: number): void {
    switch (outcome.kind) {
      case "insufficient":
        if (!isSale(command)) return;
        this.misses++;
        this.#remember(outcome.sku, outcome.available, undefined, askedAtMs);
        return;
      case "stock":
        if (outcome.available > 0) {
          this.#entries.delete(outcome.sku);
          return;
        }
        this.misses++;
        this.#remember(outcome.sku, 0, outcome, askedAtMs);
        return;
      case "settled": // units may be back
        for (const { sku } of outcome.lines) this.#entries.delete(sku);
        return;
      case "accepted":
        if (!isSale(command)) { for (const sku of routingSkus(command)) this.#entries.delete(sku); }
        if (!isSale(command) || outcome.replayed) return;
        command.lines.forEach(({ sku }, i) => {
          if (outcome.newStock[i] === 0) this.#remember(sku, 0, undefined, askedAtMs);
          else this.#entries.delete(sku); // restocked by another process
        });
    }
  }

  #remember(sku: string, available: number, stock: Stock | undefined, askedAtMs: number): void {
    const known = this.#entries.get(sku);
    this.#entries.delete(sku); // so that it becomes the youngest
    if (this.#entries.size >= soldOutBounds.skusMax) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
    const untilMs = askedAtMs + soldOutBounds.ttlMs;
    // A refusal does not renew an older read: each part of an entry is as young as it claims.
    const kept = stock ?? (known?.untilMs === untilMs ? known.stock : undefined);
    this.#entries.set(sku, { available, stock: kept, untilMs });
  }

  #fresh(sku: string, nowMs: number): Entry | undefined {
    const entry = this.#entries.get(sku);
    return entry && entry.untilMs > nowMs ? entry : undefined;
  }
}

const saleKinds: ReadonlySet<string> = new Set(
  ["deduct", "order", "reserve", "prepare"] satisfies Command["kind"][],
);

function isSale(command: Command): command is Sale | Prepare {
  return saleKinds.has(command.kind);
}
