/**
 * How fast a store decides while commands wait for it, and how long the next one would wait.
 *
 * @module
 */

/** What a call before the newest counts less for each newer one: a store that slows down is known after some calls. */
const olderWeight = 0.6;

/**
 * Measured from answer to answer while the queue is never empty; forgotten as soon as it is.
 *
 * Time and commands are summed apart. An average of each call's time a command took the pause before a call of three
 * commands for the speed of the store: 1,000 connections then heard 503 from a process that was never behind.
 */
export class Pace {
  #ms = 0;
  #commands = 0;
  #answeredAtMs: number | undefined;

  /** A call with so many commands was answered, and so many more wait. */
  answered(commands: number, waiting: number, nowMs: number): void {
    if (waiting === 0) {
      this.#ms = this.#commands = 0;
      this.#answeredAtMs = undefined;
      return;
    }
    if (this.#answeredAtMs !== undefined) {
      this.#ms = this.#ms * olderWeight + nowMs - this.#answeredAtMs;
      this.#commands = this.#commands * olderWeight + commands;
    }
    this.#answeredAtMs = nowMs;
  }

  /** How long a command would wait behind so many, ms. 0 as long as the speed is not known: a burst is no overload. */
  waitMs(waiting: number): number {
    return this.#commands === 0 ? 0 : waiting * this.#ms / this.#commands;
  }
}
