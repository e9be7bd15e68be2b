/**
 * Rows read from the ledger.
 *
 * @module
 */
import type { RememberedLine } from "./outcome.ts";
import type { StoredPolicy } from "./event.ts";

/** A SKU in the ledger. */
export interface StockRow {
  /** SKU of the stock. */
  readonly sku: string;
  /** Units that can be sold. */
  readonly available: number;
  /** Units that are reserved. */
  readonly reserved: number;
  /** Its rules; null when it has none. */
  readonly policy: StoredPolicy | null;
}

/** A user's purchases of a SKU with a quota, within its window. */
export interface QuotaRow {
  /** Who bought. */
  readonly userId: string;
  /** What was bought. */
  readonly sku: string;
  /** Units still sold or held. */
  readonly units: number;
  /** The window for which they count: {@link StoredPolicy.sale}. */
  readonly sale: number;
}

/** Units that a line took a second time. */
export interface Compensation {
  /** Number of the event that took them: with the shard, it names the adjustment that returns them. */
  readonly seq: number;
  /** Whose units. */
  readonly sku: string;
  /** Units that it took, more than 0. */
  readonly amount: number;
  /** What took them. A line that was prepared again is not sold: it is aborted. */
  readonly kind: "deduct" | "order" | "prepare";
  /** The order that was sold twice. */
  readonly orderId: string;
  /** Units of the first sale that were still sold when the second one was applied. */
  readonly soldUnits: number;
  /** Units of the order that were returned since then. */
  readonly returnedUnits: number;
}

/** A remembered line with its id. */
export interface LineRow extends RememberedLine {
  /** Order id or adjustment id. */
  readonly id: string;
  /** The return id of a `return`; else empty. */
  readonly returnId: string;
}

/** An order line in the ledger. */
export interface OrderLineRow extends LineRow {
  /** Shard of the SKU. */
  readonly shard: number;
}

/** An order in the ledger. */
export interface FoundOrder {
  /** Its lines; none = it was never applied, or its lines are older than RETENTION_DAYS. */
  readonly lines: readonly OrderLineRow[];
  /** By shard: number of the last event in the ledger when they were read. */
  readonly appliedSeqs: ReadonlyMap<number, number>;
}

/** A page of remembered lines, and where the next one starts. */
export interface LinePage {
  /** By number. */
  readonly rows: readonly LineRow[];
  /** Where the next page starts; undefined when this was the last. */
  readonly next: { readonly seq: number; readonly line: number } | undefined;
}

/** Deletions in a page of order lines. */
export interface Forgotten {
  /** Number of deleted lines. */
  readonly lines: number;
  /** The page's last line, deleted or not. */
  readonly last: { readonly seq: number; readonly line: number };
}
