/**
 * Refusals that all buyers of a SKU get in the same words: it is sold out, paused, or not on sale now.
 *
 * @module
 */
import { type Answer, shared } from "./response.ts";

/** SKUs whose refusal is kept, as in the sold-out cache. With its response one takes 2 KB. */
export const sharedSkusMax = 1000;

interface Kept {
  readonly code: string;
  readonly value: number;
  readonly answer: Answer;
}

/** Keeps the last refusal of each SKU; the oldest SKU makes room. */
export class SharedAnswers {
  readonly #kept = new Map<string, Kept>();

  /** Number of SKUs. */
  get size(): number {
    return this.#kept.size;
  }

  /** The refusal of a SKU, made by `make` unless it was the last one. `code` and `value` must determine it. */
  get(sku: string, code: string, value: number, make: () => Answer): Answer {
    const last = this.#kept.get(sku);
    if (last !== undefined && last.code === code && last.value === value) return last.answer;
    if (last === undefined && this.#kept.size >= sharedSkusMax) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    const answer = shared(make());
    this.#kept.set(sku, { code, value, answer });
    return answer;
  }
}
