/**
 * The arithmetic of `kills.ts`: what was accepted against what is still known.
 *
 * @module
 */

/** What one kill did. */
export interface Kill {
  readonly system: string;
  /** The process that was killed; of Redis with what it writes. */
  readonly part: string;
  readonly accepted: number;
  /** Orders without an answer: they may have been sold. */
  readonly unanswered: number;
  /** Accepted orders that the system does not know any more. */
  readonly lost: number;
  /** Units that its stock lacks beyond the orders that it knows (negative: it would sell units again). */
  readonly stockError: number;
  /** The longest time without an accepted order, ms. */
  readonly pauseMs: number;
  /** Why it cannot be compared, when the system did not recover by itself. */
  readonly broken?: string;
}

/** How many accepted orders are not known any more; an order that was accepted twice counts once. */
export function lostOrders(accepted: readonly string[], known: ReadonlySet<string>): number {
  return new Set(accepted).difference(known).size;
}

/** The longest time without an accepted order in a run of some seconds, by tenths of a second. */
export function longestPauseMs(timeline: readonly number[], seconds: number): number {
  let longest = 0;
  let since = 0;
  for (let tenth = 0; tenth < Math.floor(seconds * 10); tenth++) {
    since = (timeline[tenth] ?? 0) > 0 ? 0 : since + 1;
    longest = Math.max(longest, since);
  }
  return longest * 100;
}
