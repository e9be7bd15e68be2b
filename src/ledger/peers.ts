/**
 * The port to the other workers of a deployment.
 *
 * @module
 */

/** The peers as one worker sees them. */
export interface Peers {
  /** Active workers, and this one in any case. */
  readonly workers: number;
  /** How many of them joined before this one; all of them when this one is suspended. */
  readonly index: number;
  /** Shards that have a lease, of this worker or another. */
  readonly leased: readonly number[];
}

/** Whether the worker takes part in the assignment. */
export type Standing = "active" | "suspended";

/** A worker's membership among the workers of a deployment. It ends with its connection, as a lease does. */
export interface Membership {
  /**
   * Reads the peers, and sets the standing of this worker. Call it at least once a second: a worker that is silent
   * for 3 s is removed.
   *
   * @throws {LeaseLost}
   */
  heartbeat(standing: Standing): Promise<Peers>;
  /** Leaves the peers. */
  leave(): Promise<void>;
}
