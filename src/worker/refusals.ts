/**
 * A store that refuses writes must not end applying: the stream and PostgreSQL suffice for it. A ledger that refuses
 * writes must not end visits. What the worker writes there is left out and tried again in the next round.
 *
 * @module
 */
import type { AckResult } from "../decide/shard_control.ts";
import { isForAPerson, refusesWrites } from "../domain/errors.ts";
import { ledgerRefusesWrites } from "../ledger/sqlstate.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import { Reminder } from "../runtime/reminder.ts";
import type { World } from "../runtime/world.ts";

/** Why a server that is up refuses a write; undefined for every other error. */
export function refusalOf(
  error: unknown,
): { readonly by: "store" | "ledger"; readonly why: string } | undefined {
  if (refusesWrites(error) || isForAPerson(error)) return { by: "store", why: error.message };
  if (ledgerRefusesWrites(error)) {
    return { by: "ledger", why: `${error.message} (SQLSTATE ${error.sqlstate})` };
  }
  return undefined;
}

/** Runs the writes of one shard's worker, and logs a refusal once, then once a minute. */
export class Refusals {
  readonly #reminders: Readonly<Record<"store" | "ledger", Reminder>>;
  readonly #logger: Logger;
  readonly #shard: number;
  readonly #onFailure: ((error: unknown) => void) | undefined;

  /**
   * Logs nothing yet.
   *
   * @param onFailure told when the ledger refuses: may end the process
   */
  constructor(shard: number, world: World, logger: Logger, onFailure?: (error: unknown) => void) {
    this.#shard = shard;
    this.#logger = logger;
    this.#onFailure = onFailure;
    const reminder = (message: string) =>
      new Reminder(world, (fields) => logger.error(message, { shard, ...fields }));
    this.#reminders = {
      store: reminder("store refuses writes, booking goes on"),
      ledger: reminder("ledger refuses writes, selling goes on"),
    };
  }

  /**
   * Runs a write. Returns whether it was taken.
   *
   * @throws what `write` throws, unless a server is up and refused it
   */
  async attempt(write: () => Promise<unknown>): Promise<boolean> {
    try {
      await write();
      return true;
    } catch (error) {
      const refusal = refusalOf(error);
      if (!refusal) throw error;
      this.#reminders[refusal.by].say(refusal.why);
      if (refusal.by === "ledger") this.#onFailure?.(new Error(describeError(error), { cause: error }));
      return false;
    }
  }

  /** Notes what a visit found. */
  visited({ refusal }: AckResult): void {
    if (refusal !== undefined) this.#reminders.store.say(refusal);
  }

  /** A write was taken that is refused in every such state. */
  over(by: "store" | "ledger"): void {
    if (this.#reminders[by].clear()) this.#logger.info(`${by} takes writes again`, { shard: this.#shard });
  }
}
