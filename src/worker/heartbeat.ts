/**
 * The worker's regular visits to a shard's store, and what a visit finds out beside the figures: that the store is no
 * longer the one that was armed.
 *
 * @module
 */
import type { AckResult, Nonce, ShardControl } from "../decide/shard_control.ts";
import type { Deployment, ShardLedger } from "../ledger/ledger.ts";
import type { Position } from "../domain/event.ts";
import type { Logger } from "../runtime/logger.ts";
import type { Refusals } from "./refusals.ts";
import type { World } from "../runtime/world.ts";

/** What visits need. */
export interface VisitParts {
  /** The store's side. */
  readonly control: ShardControl;
  /** The lease on the shard's books. */
  readonly ledger: ShardLedger;
  /** Whose shard it is. */
  readonly deployment: Deployment;
  /** Told why the shard must be verified again. */
  readonly logger: Logger;
  /** Told what the store refuses; a shard that cannot be disarmed cannot sell either. */
  readonly refusals: Refusals;
  /** Makes nonces. */
  readonly world: World;
}

/** Visits one shard from its arming on. */
export class Visits {
  readonly #parts: VisitParts;
  /** Begins every nonce that is noted here, so an older one of them is known. */
  readonly #name: string;
  /** Replaced by the first one of these visits that is noted: when it is seen after that, the keys went back. */
  readonly #first: string;
  #nonce: Nonce;
  #count = 0;

  /** Sends nothing. @param known the nonce that arming left or found */
  constructor(known: string, parts: VisitParts) {
    this.#parts = parts;
    this.#name = parts.world.uuid();
    this.#first = known;
    this.#nonce = { known, next: this.#next() };
  }

  /**
   * Tells the store how far the ledger is.
   *
   * @returns undefined when the shard must be verified again
   */
  async step(booked: Position): Promise<AckResult | undefined> {
    const { control, ledger, deployment, logger, refusals } = this.#parts;
    const { shard } = ledger;
    const visit = await control.acknowledge(shard, booked, deployment.id, this.#nonce);
    refusals.visited(visit);
    switch (visit.kind) {
      case "armed":
        if (visit.nonce !== this.#nonce.known) this.#nonce = { known: visit.nonce, next: this.#next() };
        return visit;
      case "lost":
        logger.warn("store lost its right to sell", { shard });
        return undefined;
      case "went_back":
        logger.error("store went back", { shard, head: visit.head, booked: booked.seq });
        return undefined;
      case "replaced":
        await this.#disarmReplaced(visit.nonce);
        logger.error("store went back, or another worker visits it", {
          shard,
          head: visit.head,
          booked: booked.seq,
        });
        return undefined;
    }
  }

  /**
   * A nonce of these visits that is out of date shows that the keys were put back. Any other one may be of a worker
   * that has the shard now: that is for the verification to find out.
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
