/**
 * How fast a store decides while commands wait for it, and how long the next one would wait.
 *
 * @module
 */

/** Weight of the newest call in the average: a store that slows down is known after two or three calls. */
const newestWeight = 0.4;

/** Measured from answer to answer while the queue is never empty; forgotten as soon as it is. */
export class Pace {
  #perCommandMs: number | undefined;
  #answeredAtMs: number | undefined;

  /** A call with so many commands was answered, and so many more wait. */
  answered(commands: number, waiting: number, nowMs: number): void {
    if (waiting === 0) {
      this.#perCommandMs = this.#answeredAtMs = undefined;
      return;
    }
    if (this.#answeredAtMs !== undefined) {
      const ms = (nowMs - this.#answeredAtMs) / commands;
      const before = this.#perCommandMs ?? ms;
      this.#perCommandMs = before + newestWeight * (ms - before);
    }
    this.#answeredAtMs = nowMs;
  }

  /** How long a command would wait behind so many, ms. 0 as long as the speed is not known: a burst is no overload. */
  waitMs(waiting: number): number {
    return waiting * (this.#perCommandMs ?? 0);
  }
}
