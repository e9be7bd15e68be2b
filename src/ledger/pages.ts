/**
 * Pages of what a rebuild reads, and places where they start.
 *
 * @module
 */

import type { QuotaRow } from "../domain/rows.ts";

/** A place in the log: a number, and a line of it. */
export interface Place {
  /** The event's number. */
  readonly seq: number;
  /** Which of its lines, from 0. */
  readonly line: number;
}

/** A place among the order lines of SKUs with a quota. */
export interface QuotaCursor extends Place {
  /** Which SKU; '' = before all. */
  readonly sku: string;
}

/** A page of what users have bought; a user and SKU may come again in the next one: the units add up. */
export interface QuotaPage {
  /** Each with units above 0. */
  readonly rows: readonly QuotaRow[];
  /** Where the next page starts; undefined when this was the last. */
  readonly next: QuotaCursor | undefined;
}
