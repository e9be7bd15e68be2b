/**
 * What a client saw of a load.
 *
 * @module
 */

/** Latency in ms by percentile: 50, 75, 90, 95, 99, 99.9 and 100. */
export type Percentiles = Readonly<Record<string, number>>;

/** One run of a client. */
export interface LoadReport {
  /** Answers. */
  readonly requests: number;
  readonly seconds: number;
  /** Orders that were due. */
  readonly offered: number;
  /** Orders that were due and were never sent, because every connection was waiting. */
  readonly unsent: number;
  /** Answers with another status than 2xx. */
  readonly not2xx: number;
  /** Orders without an answer. */
  readonly failed: number;
  readonly ms: Percentiles;
  /** Answers by reason, `accepted` among them; null when the client does not read them. */
  readonly results: Readonly<Record<string, number>> | null;
  /** Orders without an answer, by what failed. */
  readonly failures: Readonly<Record<string, number>>;
  /** Accepted orders by tenth of a second; missing when the client does not note them. */
  readonly timeline?: readonly number[];
}
