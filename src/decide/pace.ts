/**
 * How fast a store decides while commands wait for it, and how long the next one would wait.
 *
 * @module
 */

/** After so much time an answer counts half. A process that had no core for 300 ms is not behind its store. */
const halfLifeMs = 500;

/**
 * Less time than this says nothing. The first calls of a rush have few commands: 3 in 20 ms are no store that needs 7 s
 * for the 1,000 that wait. A store at a fifth of what is offered has let 0.6 s of work pile up by then.
 */
const knownAfterMs = 150;

/**
 * Measured from answer to answer while others wait without a pause; forgotten as soon as none does.
 *
 * Time and commands are summed apart, and the sums fade with time. The average of each call's time a command took the
 * pause before a call of three commands for the speed of the store: 1,000 connections then heard 503 from a process that
 * was never behind. Sums that fade with each call took eight answers in one packet for a store without limit.
 */
export class Pace {
  #ms = 0;
  #commands = 0;
  #answeredAtMs: number | undefined;

  /** A call with so many commands was answered; `isSaturated`: others wait. */
  answered(commands: number, isSaturated: boolean, nowMs: number): void {
    if (!isSaturated) {
      this.#ms = this.#commands = 0;
      this.#answeredAtMs = undefined;
      return;
    }
    if (this.#answeredAtMs !== undefined) {
      const ms = nowMs - this.#answeredAtMs;
      const kept = 2 ** (-ms / halfLifeMs);
      this.#ms = this.#ms * kept + ms;
      this.#commands = this.#commands * kept + commands;
    }
    this.#answeredAtMs = nowMs;
  }

  /** How long a command would wait behind so many, ms. 0 as long as the speed is not known: a burst is no overload. */
  waitMs(waiting: number): number {
    return this.#ms < knownAfterMs || this.#commands === 0 ? 0 : waiting * this.#ms / this.#commands;
  }
}
