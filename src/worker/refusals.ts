/**
 * Refused writes. A store that refuses writes must not stop applying, which needs only the stream and PostgreSQL. A ledger
 * that refuses writes must not stop acknowledgements. The refused write is skipped and tried again in the next round.
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
   * @param onFailure called when the ledger refuses; may end the process
   */
  constructor(shard: number, world: World, logger: Logger, onFailure?: (error: unknown) => void) {
    this.#shard = shard;
    this.#logger = logger;
    this.#onFailure = onFailure;
    const reminder = (message: string) =>
      new Reminder(world, (fields) => logger.error(message, { shard, ...fields }));
    this.#reminders = {
      store: reminder("store refuses writes, applying continues"),
      ledger: reminder("ledger refuses writes, selling continues"),
    };
  }

  /**
   * Runs a write.
   *
   * @returns whether it was accepted
   * @throws the error of `write`, unless a running server refused it
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

  /** Logs a refusal that an acknowledgement reported. */
  acknowledged({ refusal }: AckResult): void {
    if (refusal !== undefined) this.#reminders.store.say(refusal);
  }

  /** A write was accepted that such a server always refuses. */
  over(by: "store" | "ledger"): void {
    if (this.#reminders[by].clear()) this.#logger.info(`${by} accepts writes again`, { shard: this.#shard });
  }
}
