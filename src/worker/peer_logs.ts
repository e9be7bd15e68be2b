/**
 * Workers that read the log in different places (another `KAFKA_BROKERS`, or none) book from different logs. One that
 * takes a shard over compares it (`publish.ts`); this compares the shards that other workers keep.
 *
 * @module
 */
import type { ShardControl } from "../decide/shard_control.ts";
import type { Logger } from "../runtime/logger.ts";
import { Reminder } from "../runtime/reminder.ts";
import type { World } from "../runtime/world.ts";

/** What the comparison needs. */
export interface PeerLogsParts {
  /** Says where a shard's worker reads the log. */
  readonly control: Pick<ShardControl, "inspect">;
  /** Where this worker reads the log; undefined while that is not known. */
  readonly logWay?: () => Promise<string | undefined>;
  /** Gets the warning. */
  readonly logger: Logger;
  /** Its clock. */
  readonly world: World;
}

/** One question to one shard's server. */
const checkEveryMs = 10_000;

/** Compares one shard every 10 s, in rotation. */
export class PeerLogs {
  readonly #parts: PeerLogsParts;
  readonly #reminder: Reminder;
  #checkedAtMs = -Infinity;
  #turn = 0;

  /** Asks nothing yet. */
  constructor(parts: PeerLogsParts) {
    this.#parts = parts;
    const mend = "set the same KAFKA_BROKERS for every worker";
    this.#reminder = new Reminder(
      parts.world,
      ({ why, ...fields }) =>
        parts.logger.warn("workers read the log in different places", {
          why,
          ...fields,
          mend,
        }),
    );
  }

  /**
   * Compares one of these shards when it is time; never rejects.
   *
   * @param shards kept by other workers
   */
  async check(shards: readonly number[]): Promise<void> {
    const { control, logWay, world } = this.#parts;
    const shard = shards[this.#turn % Math.max(1, shards.length)];
    if (shard === undefined || logWay === undefined) return;
    if (world.elapsedMs() - this.#checkedAtMs < checkEveryMs) return;
    this.#checkedAtMs = world.elapsedMs();
    this.#turn++;
    try {
      const [here, { logWay: there }] = [await logWay(), await control.inspect(shard)];
      if (here === undefined || there === "" || there === here) return;
      this.#reminder.say(`${here} here, ${there} at another worker`);
    } catch {
      // A server that is away is reported by those that need it.
    }
  }
}
