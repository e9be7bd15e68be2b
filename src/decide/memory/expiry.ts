/**
 * Open reservations by the time at which they expire: a binary heap, so that a decision reads one of them.
 *
 * @module
 */

interface Entry {
  readonly orderId: string;
  readonly expiresAtMs: number;
}

/** Entries that were replaced stay in the heap until they come to its top, or until there are this many. */
const staleEntriesMax = 1000;

/** Order ids, the one that expires first at the top; ids of equal time come in the order of their bytes, as in Redis. */
export class ExpiryQueue {
  /** The current times; entries of the heap that differ are stale. */
  readonly #times = new Map<string, number>();
  #heap: Entry[] = [];

  /** Number of entries, the stale ones included. */
  get entries(): number {
    return this.#heap.length;
  }

  /** Adds an order, or changes its time. */
  set(orderId: string, expiresAtMs: number): void {
    if (this.#times.get(orderId) === expiresAtMs) return;
    this.#times.set(orderId, expiresAtMs);
    this.#push({ orderId, expiresAtMs });
    if (this.#heap.length > 2 * this.#times.size + staleEntriesMax) this.#rebuild();
  }

  /** When an order expires, ms; undefined for an unknown order. */
  get(orderId: string): number | undefined {
    return this.#times.get(orderId);
  }

  /** Removes an order. */
  delete(orderId: string): void {
    this.#times.delete(orderId);
  }

  /** The order that expires first, if not after `nowMs`; it is not removed. */
  firstDue(nowMs: number): string | undefined {
    for (let top = this.#heap[0]; top; top = this.#heap[0]) {
      if (this.#times.get(top.orderId) === top.expiresAtMs) {
        return top.expiresAtMs <= nowMs ? top.orderId : undefined;
      }
      this.#pop();
    }
    return undefined;
  }

  #rebuild(): void {
    this.#heap = [];
    for (const [orderId, expiresAtMs] of this.#times) this.#push({ orderId, expiresAtMs });
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (!parent || compare(parent, entry) <= 0) break;
      heap[at] = parent;
      heap[up] = entry;
      at = up;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    heap[0] = last;
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      if (!left) return;
      const isRight = right !== undefined && compare(right, left) < 0;
      const child = isRight ? right : left;
      if (compare(last, child) <= 0) return;
      const down = 2 * at + (isRight ? 2 : 1);
      heap[at] = child;
      heap[down] = last;
      at = down;
    }
  }
}

const encoder = new TextEncoder();

function compare(a: Entry, b: Entry): number {
  return a.expiresAtMs - b.expiresAtMs || compareBytes(a.orderId, b.orderId);
}

function compareBytes(a: string, b: string): number {
  const [x, y] = [encoder.encode(a), encoder.encode(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const difference = (x[i] ?? 0) - (y[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return x.length - y.length;
}
