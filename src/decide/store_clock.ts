/**
 * The clock of one shard's store, as this process knows it from replies: deadlines count on it.
 *
 * @module
 */

/** Estimates are early rather than late: a reply's time is read before the reply arrives. */
export class StoreClock {
  /** Store's clock minus this process's monotonic clock, ms; undefined until the first answer. */
  #offsetMs: number | undefined;
  /** When the server was learned, ms. */
  #sinceMs = -Infinity;

  /** Whether deadlines can be computed. */
  get isKnown(): boolean {
    return this.#offsetMs !== undefined;
  }

  /** The store's time at a moment of this process's monotonic clock, ms since 1970. */
  at(elapsedMs: number): number {
    return Math.floor(elapsedMs + (this.#offsetMs ?? 0));
  }

  /**
   * Takes the time of a reply, 0 = none. A call that was sent before {@link replaced} may have been answered by the
   * former server.
   */
  learn(timeMs: number, call: { readonly sentAtMs: number; readonly answeredAtMs: number }): void {
    if (timeMs > 0 && call.sentAtMs >= this.#sinceMs) this.#offsetMs = timeMs - call.answeredAtMs;
  }

  /** Another server decides from now on. */
  replaced(timeMs: number, nowMs: number): void {
    this.#sinceMs = nowMs;
    this.#offsetMs = timeMs - nowMs;
  }
}
