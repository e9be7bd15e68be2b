/**
 * Acknowledges to a shard's store what the ledger has applied. The reply also shows when the store is no longer the one
 * that was armed.
 *
 * @module
 */
import type { AckResult, Nonce, ShardControl } from "../decide/shard_control.ts";
import type { Deployment, ShardLedger } from "../ledger/ledger.ts";
import type { Position } from "../domain/event.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Refusals } from "./refusals.ts";
import type { World } from "../runtime/world.ts";

export interface AcknowledgerParts {
  readonly control: ShardControl;
  readonly ledger: ShardLedger;
  readonly deployment: Deployment;
  readonly logger: Logger;
  /** Logs refused writes. A shard that cannot be disarmed cannot sell either. */
  readonly refusals: Refusals;
  readonly world: World;
}

/** Acknowledges one shard, from its arming on. */
export class Acknowledger {
  readonly #parts: AcknowledgerParts;
  /** Prefix of every nonce of this instance, so that an outdated one is recognized. */
  readonly #name: string;
  /** Replaced by the first acknowledgement. When the store has it later, the keys were restored from an older copy. */
  readonly #first: string;
  #nonce: Nonce;
  #count = 0;

  /** @param known the nonce that arming wrote or found */
  constructor(known: string, parts: AcknowledgerParts) {
    this.#parts = parts;
    this.#name = parts.world.uuid();
    this.#first = known;
    this.#nonce = { known, next: this.#next() };
  }

  /** @returns undefined when the shard must be verified again */
  async step(applied: Position): Promise<AckResult | undefined> {
    const { control, ledger, deployment, logger, refusals } = this.#parts;
    const { shard } = ledger;
    const acknowledged = await control.acknowledge(shard, applied, deployment.id, this.#nonce);
    refusals.acknowledged(acknowledged);
    switch (acknowledged.kind) {
      case "armed":
        if (acknowledged.nonce !== this.#nonce.known) {
          this.#nonce = { known: acknowledged.nonce, next: this.#next() };
        }
        return acknowledged;
      case "lost":
        logger.warn("store is no longer armed", { shard });
        return undefined;
      case "went_back":
        logger.error("store went back", { shard, head: acknowledged.head, booked: applied.seq });
        return undefined;
      case "replaced":
        await this.#disarmReplaced(acknowledged.nonce);
        logger.error("store went back, or another worker acknowledges it", {
          shard,
          head: acknowledged.head,
          booked: applied.seq,
        });
        return undefined;
    }
  }

  /**
   * An outdated nonce of this instance shows that the keys were restored from an older copy. Any other nonce may belong
   * to a worker that has the shard now: the verification decides.
   */
  async #disarmReplaced(found: string): Promise<void> {
    const { control, ledger, deployment, refusals } = this.#parts;
    await ledger.beat(); // rejects when the lease is gone: then the shard is another worker's
    const isOurs = found === this.#first || found.startsWith(`${this.#name}.`);
    if (isOurs) await refusals.attempt(() => control.disarm(ledger.shard, deployment.id, isOurs));
  }

  #next(): string {
    return `${this.#name}.${++this.#count}`;
  }
}
