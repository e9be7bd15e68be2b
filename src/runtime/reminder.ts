/**
 * Logs a condition that lasts: at once when it begins or its reason changes, then once a minute with the number of
 * attempts since.
 *
 * @module
 */
import type { LogFields } from "./logger.ts";
import type { World } from "./world.ts";

const repeatEveryMs = 60_000;
/** Number of distinct reasons: each node of a cluster may fail with another. */
const reasonsMax = 32;

/** One condition, e.g. that a server refuses writes. */
export class Reminder {
  readonly #world: World;
  readonly #write: (fields: LogFields) => void;
  readonly #overAfterMs: number;
  /** By reason: when it was last written. */
  readonly #written = new Map<string, number>();
  #metAtMs = 0;
  #attempts = 0;

  /**
   * @param write writes one line of the log; `fields` are `why` and, in a repetition, `attempts` since the last line
   * @param overAfterMs the condition is over after this time without a repetition; left out: only {@link clear} ends it
   */
  constructor(world: World, write: (fields: LogFields) => void, overAfterMs = Infinity) {
    this.#world = world;
    this.#write = write;
    this.#overAfterMs = overAfterMs;
  }

  get isOn(): boolean {
    return this.#written.size > 0;
  }

  /** The condition was met again, for the reason `why`. */
  say(why: string): void {
    const nowMs = this.#world.elapsedMs();
    if (nowMs - this.#metAtMs >= this.#overAfterMs) this.clear();
    this.#metAtMs = nowMs;
    this.#attempts++;
    const writtenAtMs = this.#written.get(why);
    if (writtenAtMs !== undefined && nowMs - writtenAtMs < repeatEveryMs) return;
    this.#write(writtenAtMs === undefined ? { why } : { why, attempts: this.#attempts });
    if (this.#written.size >= reasonsMax) this.#written.clear();
    this.#written.set(why, nowMs);
    this.#attempts = 0;
  }

  /** The condition is over. Returns whether there was one. */
  clear(): boolean {
    const was = this.isOn;
    this.#written.clear();
    this.#attempts = 0;
    return was;
  }
}
