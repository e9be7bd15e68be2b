/**
 * One system at one rate, and when the rate counts as held.
 *
 * @module
 */

/** What a client saw at a rate. */
export interface Point {
  /** Orders offered a second. */
  readonly rate: number;
  /** Accepted orders a second. */
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Orders that were not accepted. */
  readonly failed: number;
  readonly unsent: number;
}

/** Whether every order was sent and accepted, with p99 below the bound. */
export function holds(
  { p99, failed, unsent }: Pick<Point, "p99" | "failed" | "unsent">,
  boundMs: number,
): boolean {
  return p99 < boundMs && failed === 0 && unsent === 0;
}
