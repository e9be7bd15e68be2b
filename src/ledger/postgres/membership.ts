/**
 * A worker's place among the workers of a deployment: a lock, so it ends with the connection of a worker that died or
 * froze. Places are taken upwards and never below one that is taken, so their order is that of age: who comes later
 * changes nothing for those before.
 *
 * @module
 */
import type { Session } from "./database.ts";
import type { LeaseSessions } from "./lease_sessions.ts";
import type { Membership, Peers, Standing } from "../ledger.ts";

/** Keys from 0 are shards; the first place is -1, the one after it -2. */
const noPlace = 0;

/** See {@link Membership}. */
export class SqlMembership implements Membership {
  readonly #session: Session;
  readonly #leases: LeaseSessions;
  #place = noPlace;

  /**
   * Takes a session over.
   *
   * @param session this membership's alone
   * @param leases of the same process
   */
  constructor(session: Session, leases: LeaseSessions) {
    this.#session = session;
    this.#leases = leases;
  }

  async heartbeat(standing: Standing): Promise<Peers> {
    if (standing === "suspended" && this.#place !== noPlace) {
      await this.#session.unlock(this.#place);
      this.#place = noPlace;
    }
    await this.#leases.loseEnded(this.#session);
    const keys = await this.#session.locks();
    const places = keys.filter((key) => key < 0);
    if (standing === "active" && this.#place === noPlace) {
      const next = Math.min(noPlace, ...places) - 1;
      // Not taken when another worker was faster: then this one is counted from the next look on.
      if (await this.#session.tryLock(next)) places.push(this.#place = next);
    }
    const isIn = this.#place !== noPlace;
    return {
      workers: places.length + (isIn ? 0 : 1),
      index: isIn ? places.filter((place) => place > this.#place).length : places.length,
      leased: keys.filter((key) => key >= 0),
    };
  }

  leave(): Promise<void> {
    return this.#session.close();
  }
}
