/**
 * The rows of an audit: SKUs whose sums differ from the store's stock.
 *
 * @module
 */
import type { Difference } from "../ledger.ts";

/** A SKU that differs. */
export interface AuditRow {
  readonly sku: string;
  readonly available: number;
  readonly reserved: number;
  readonly storeAvailable: number;
  readonly storeReserved: number;
}

/** The same as a {@link Difference}. */
export function toDifference(row: AuditRow): Difference {
  return {
    sku: row.sku,
    ledger: { available: row.available, reserved: row.reserved },
    store: { available: row.storeAvailable, reserved: row.storeReserved },
  };
}
