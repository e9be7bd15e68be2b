/**
 * A store that refuses writes must not end booking: the stream and PostgreSQL suffice for it. What the worker writes
 * into such a store is left out and tried again at the next visit.
 *
 * @module
 */
import { isForAPerson, refusesWrites } from "../inventory/store.ts";
import type { Visit } from "../inventory/shard_control.ts";
import type { Logger } from "../telemetry/logger.ts";
import { Reminder } from "../telemetry/reminder.ts";
import type { World } from "../world.ts";

/** Runs the writes of one shard's worker that booking does not depend on. */
export class StoreRefusals {
  readonly #reminder: Reminder;
  readonly #logger: Logger;
  readonly #shard: number;

  /** Logs a refusal once, then once a minute. */
  constructor(shard: number, world: World, logger: Logger) {
    this.#shard = shard;
    this.#logger = logger;
    this.#reminder = new Reminder(
      world,
      (fields) => logger.error("store refuses writes, booking goes on", { shard, ...fields }),
    );
  }

  /**
   * Runs a write. Returns whether the store took it.
   *
   * @throws what `write` throws, unless the server is up and refused it
   */
  async attempt(write: () => Promise<unknown>): Promise<boolean> {
    try {
      await write();
      return true;
    } catch (error) {
      if (!refusesWrites(error) && !isForAPerson(error)) throw error;
      this.#reminder.say(error.message);
      return false;
    }
  }

  /** Notes what a visit found. */
  visited({ refusal }: Visit): void {
    if (refusal !== undefined) this.#reminder.say(refusal);
  }

  /** A write was taken that is refused in every such state. */
  over(): void {
    if (this.#reminder.clear()) this.#logger.info("store takes writes again", { shard: this.#shard });
  }
}
