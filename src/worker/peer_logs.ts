/**
 * Detects workers that read different logs (another `KAFKA_BROKERS`, or none). A worker that takes a shard over compares
 * it in `publish.ts`; this compares the shards of the other workers.
 *
 * @module
 */
import type { ShardControl } from "../decide/shard_control.ts";
import type { Logger } from "../runtime/logger.ts";
import { Reminder } from "../runtime/reminder.ts";
import type { World } from "../runtime/world.ts";

export interface PeerLogsParts {
  readonly control: Pick<ShardControl, "inspect">;
  /** Where this worker reads the log; undefined while that is unknown. */
  readonly logWay?: () => Promise<string | undefined>;
  readonly logger: Logger;
  readonly world: World;
}

/** Each check is one call to one shard's server. */
const checkEveryMs = 10_000;

/** Compares one shard every 10 s, in rotation. */
export class PeerLogs {
  readonly #parts: PeerLogsParts;
  readonly #reminder: Reminder;
  #checkedAtMs = -Infinity;
  #next = 0;

  constructor(parts: PeerLogsParts) {
    this.#parts = parts;
    const mend = "set the same KAFKA_BROKERS for every worker";
    this.#reminder = new Reminder(
      parts.world,
      ({ why, ...fields }) =>
        parts.logger.warn("workers read different logs", {
          why,
          ...fields,
          mend,
        }),
    );
  }

  /**
   * Compares one of these shards when due; never rejects.
   *
   * @param shards leased by other workers
   */
  async check(shards: readonly number[]): Promise<void> {
    const { control, logWay, world } = this.#parts;
    const shard = shards[this.#next % Math.max(1, shards.length)];
    if (shard === undefined || logWay === undefined) return;
    if (world.elapsedMs() - this.#checkedAtMs < checkEveryMs) return;
    this.#checkedAtMs = world.elapsedMs();
    this.#next++;
    try {
      const [here, { logWay: there }] = [await logWay(), await control.inspect(shard)];
      if (here === undefined || there === "" || there === here) return;
      this.#reminder.say(`${here} here, ${there} at another worker`);
    } catch {
      // Callers that need the server report that it is unavailable.
    }
  }
}
