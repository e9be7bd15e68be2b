/**
 * A worker's slot among the workers of a deployment. A slot is a lock, so it ends with the connection of a worker
 * that died or froze. A new worker takes the slot after the last taken one, so slots are ordered by age: a later
 * worker does not change the index of earlier ones.
 *
 * @module
 */
import type { Session } from "./database.ts";
import type { LeaseSessions } from "./lease_sessions.ts";
import type { Membership, Peers, Standing } from "../ledger.ts";

/** Keys from 0 are shards; the first slot is -1, the next -2. */
const noSlot = 0;

/** See {@link Membership}. */
export class SqlMembership implements Membership {
  readonly #session: Session;
  readonly #leases: LeaseSessions;
  #slot = noSlot;

  /**
   * @param session exclusive to this membership
   * @param leases of the same process
   */
  constructor(session: Session, leases: LeaseSessions) {
    this.#session = session;
    this.#leases = leases;
  }

  async heartbeat(standing: Standing): Promise<Peers> {
    if (standing === "suspended" && this.#slot !== noSlot) {
      await this.#session.unlock(this.#slot);
      this.#slot = noSlot;
    }
    await this.#session.endSilent();
    await this.#leases.loseEnded(this.#session);
    const keys = await this.#session.locks();
    const slots = keys.filter((key) => key < 0);
    if (standing === "active" && this.#slot === noSlot) {
      const next = Math.min(noSlot, ...slots) - 1;
      // Not taken when another worker was faster: this worker becomes active with its next heartbeat.
      if (await this.#session.tryLock(next)) slots.push(this.#slot = next);
    }
    const isIn = this.#slot !== noSlot;
    return {
      workers: slots.length + (isIn ? 0 : 1),
      index: isIn ? slots.filter((slot) => slot > this.#slot).length : slots.length,
      leased: keys.filter((key) => key >= 0),
    };
  }

  leave(): Promise<void> {
    return this.#session.close();
  }
}
