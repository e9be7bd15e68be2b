/**
 * A map that forgets: two generations, so that forgetting everything old is dropping one of them.
 *
 * @module
 */

/** Remembers a value for at least a window, at most two. */
export class Generations<V> {
  #current = new Map<string, V>();
  #previous = new Map<string, V>();
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

  /** Remembers from now on. */
  set(key: string, value: V): void {
    this.#current.set(key, value);
  }

  /** Starts a new generation when the current one is a window old. */
  rotate(nowMs: number, windowMs: number): void {
    if (nowMs - this.#sinceMs < windowMs) return;
    this.#previous = this.#current;
    this.#current = new Map();
    this.#sinceMs = nowMs;
  }
}
