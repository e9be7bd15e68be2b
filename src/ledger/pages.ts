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

/** Columns about the page that every row of a page of quotas has. */
export interface PageEnd {
  /** Lines read. */
  readonly lines: number;
  /** Of the last of them. */
  readonly lastSku: string;
  /** Of the last of them. */
  readonly lastSeq: number;
  /** Of the last of them. */
  readonly lastLine: number;
}

/** A SKU as the ledger had it just after a number. */
export interface StockAt {
  /** The SKU. */
  readonly sku: string;
  /** Units that can be sold. */
  readonly available: number;
  /** Units that are reserved. */
  readonly reserved: number;
  /** Its rules as JSON, `{}` without any; null when they changed after the number. */
  readonly policy: string | null;
}

/** Movements of a range of numbers, of SKUs within bounds. */
export interface MovementRange {
  /** Number before the first one. */
  readonly afterSeq: number;
  /** Last number. */
  readonly toSeq: number;
  /** SKU before the first one; empty = from the first. */
  readonly afterSku: string;
  /** Last SKU; empty = to the last. */
  readonly toSku: string;
}
