/**
 * Logs a condition that lasts: at once when it begins or its reason changes, then once a minute with the number of
 * attempts since.
 *
 * @module
 */
import type { World } from "./world.ts";
import type { LogFields } from "./logger.ts";

const repeatEveryMs = 60_000;

/** One condition, e.g. that a server refuses writes. */
export class Reminder {
  readonly #world: World;
  readonly #write: (fields: LogFields) => void;
  #why: string | undefined;
  #writtenAtMs = 0;
  #attempts = 0;

  /**
   * Writes nothing yet.
   *
   * @param write writes one line of the log; `fields` are `why` and, in a repetition, `attempts` since the last line
   */
  constructor(world: World, write: (fields: LogFields) => void) {
    this.#world = world;
    this.#write = write;
  }

  /** Whether the condition lasts. */
  get isOn(): boolean {
    return this.#why !== undefined;
  }

  /** The condition was met again, for the reason `why`. */
  say(why: string): void {
    const nowMs = this.#world.elapsedMs();
    this.#attempts++;
    if (why === this.#why && nowMs - this.#writtenAtMs < repeatEveryMs) return;
    this.#write(why === this.#why ? { why, attempts: this.#attempts } : { why });
    this.#why = why;
    this.#writtenAtMs = nowMs;
    this.#attempts = 0;
  }

  /** The condition is over. Returns whether there was one. */
  clear(): boolean {
    const was = this.isOn;
    this.#why = undefined;
    return was;
  }
}
