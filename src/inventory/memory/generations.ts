/**
 * A map that forgets: two generations, so that forgetting everything old is dropping one of them.
 *
 * @module
 */

/** Remembers a value for at least a window, at most two. */
export class Generations<V> {
  #current = new Map<string, V>();
  #previous = new Map<string, V>();
  /** Keys that the batch which is being decided has set. */
  readonly #changed = new Set<string>();
  #sinceMs: number;

  /**
   * Both generations start empty.
   *
   * @param nowMs when the current generation starts
   */
  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** The value, from whichever generation has it; the current one wins. */
  get(key: string): V | undefined {
    return this.#current.get(key) ?? this.#previous.get(key);
  }

  /** Remembers from this batch on. */
  set(key: string, value: V): void {
    this.#current.set(key, value);
    this.#changed.add(key);
  }

  /** Remembers what no batch has set: it comes from the ledger. */
  load(key: string, value: V): void {
    this.#current.set(key, value);
  }

  /**
   * Ends a batch that left events. When the current generation is a window old a new one starts, with what the
   * batch has set, as `turn` in `lua/write.lua` does it. `isKept`: none starts now, however old this one is.
   */
  endBatch(nowMs: number, windowMs: number, isKept = false): void {
    if (!isKept && nowMs - this.#sinceMs >= windowMs) {
      this.#previous = this.#current;
      this.#current = new Map();
      this.#sinceMs = nowMs;
      for (const key of this.#changed) {
        const value = this.#previous.get(key);
        if (value !== undefined) this.#current.set(key, value);
      }
    }
    this.#changed.clear();
  }
}
