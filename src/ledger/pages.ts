/**
 * Pages that a rebuild reads, and their cursors.
 *
 * @module
 */

import type { QuotaRow } from "../domain/rows.ts";

/** A line of an event in the log. */
export interface LinePosition {
  /** The event's number. */
  readonly seq: number;
  /** Index of the line, from 0. */
  readonly line: number;
}

/** A cursor in the order lines of SKUs with a quota. */
export interface QuotaCursor extends LinePosition {
  /** The SKU; empty = before the first. */
  readonly sku: string;
}

/** A page of bought units. The next page may have the same user and SKU: the units add up. */
export interface QuotaPage {
  /** Units are above 0. */
  readonly rows: readonly QuotaRow[];
  /** Start of the next page; undefined after the last one. */
  readonly next: QuotaCursor | undefined;
}
