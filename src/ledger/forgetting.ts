/**
 * Pseudonyms in place of a user in the ledger.
 *
 * @module
 */

/** A user to be replaced. */
export interface ForgottenUser {
  /** As the shop sent it. */
  readonly userId: string;
  /** Takes its place. */
  readonly pseudonym: string;
  /** Younger rows keep the user, ms since 1970: a retry must get its first response. */
  readonly beforeMs: number;
}

/** Rows that have the pseudonym now, and rows that keep the user. */
export interface ForgottenRows {
  /** Order lines replaced. */
  readonly lines: number;
  /** Movements replaced. */
  readonly movements: number;
  /** Movements that keep the user, because a rebuilt store may need their lines. */
  readonly left: number;
  /** Time of the newest of these, ms since 1970; 0 without one. */
  readonly newestMs: number;
}

/** The record of a run; it never has the user. */
export interface ForgettingNote extends Pick<ForgottenRows, "lines" | "movements"> {
  /** For example `cli:alice`. */
  readonly actor: string;
  /** A sentence for people. */
  readonly reason: string;
}

/** Replaces a user by a pseudonym. Stock, sums and audits do not change. May be repeated, and interrupted at any time. */
export interface Forgetting {
  /**
   * Replaces the user in movements and order lines of a shard, in one transaction per 50,000 numbers.
   *
   * @param onProgress called with the last number of each transaction
   */
  inShard(shard: number, user: ForgottenUser, onProgress: (seq: number) => void): Promise<ForgottenRows>;
  /**
   * Replaces the user in dead letters, and stores the record of the run unless it changed nothing.
   *
   * @returns how many dead letters were changed, and how many baskets of several shards under way keep the user
   */
  finish(
    user: Pick<ForgottenUser, "userId" | "pseudonym">,
    note: ForgettingNote,
  ): Promise<{ readonly deadLetters: number; readonly baskets: number }>;
}
