/**
 * A map with two generations, so that all old values are forgotten by dropping one of them.
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

  /** The value from the generation that has it; the current one first. */
  get(key: string): V | undefined {
    return this.#current.get(key) ?? this.#previous.get(key);
  }

  /** All keys. */
  keys(): Set<string> {
    return new Set([...this.#previous.keys(), ...this.#current.keys()]);
  }

  /** Remembers from this batch on. */
  set(key: string, value: V): void {
    this.#current.set(key, value);
    this.#changed.add(key);
  }

  /** Forgets a value. */
  delete(key: string): void {
    this.#current.delete(key);
    this.#previous.delete(key);
    this.#changed.delete(key);
  }

  /** Remembers a value from the ledger, which no batch has set. */
  load(key: string, value: V): void {
    this.#current.set(key, value);
  }

  /** The values that this batch has set. */
  changed(): V[] {
    return [...this.#changed].flatMap((key) => this.#current.get(key) ?? []);
  }

  /**
   * Ends a batch. When the current generation is a window old a new one starts, with what the batch has set. One that
   * began later than now, before the clock was set back, counts from now.
   *
   * @param windowMs Infinity = no new one, however old this one is
   * @returns whether a new one started
   */
  endBatch(nowMs: number, windowMs: number): boolean {
    this.#sinceMs = Math.min(nowMs, this.#sinceMs);
    const isOld = nowMs - this.#sinceMs >= windowMs;
    if (isOld) {
      this.#previous = this.#current;
      this.#current = new Map();
      this.#sinceMs = nowMs;
      for (const key of this.#changed) {
        const value = this.#previous.get(key);
        if (value !== undefined) this.#current.set(key, value);
      }
    }
    this.#changed.clear();
    return isOld;
  }

  /** Ends a batch that left no event: no new generation starts with it. */
  endQuietBatch(): void {
    this.#changed.clear();
  }
}
