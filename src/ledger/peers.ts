/**
 * The port to the other workers of a deployment.
 *
 * @module
 */

/** What a worker sees when it looks around. */
export interface Peers {
  /** Workers that are counted, and this one in any case. */
  readonly workers: number;
  /** How many of them come before this one: the elder ones, or all when this one is not counted. */
  readonly index: number;
  /** Shards that have a lease, of this worker or another. */
  readonly leased: readonly number[];
}

/** Whether the others count on a worker to take its share. */
export type Standing = "active" | "suspended";

/** A worker's place among the workers of a deployment. It ends with its connection, as a lease does. */
export interface Membership {
  /**
   * Looks around, and is counted by the others from now on, or not (`standing`). Call it at least once a second: one that is silent
   * for 3 s loses its place.
   *
   * @throws {LeaseLost}
   */
  heartbeat(standing: Standing): Promise<Peers>;
  /** Gives the place back. */
  leave(): Promise<void>;
}
