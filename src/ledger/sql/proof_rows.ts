/**
 * Rows of the statements that a proof reads.
 *
 * @module
 */

/** A shard's cursor, the end of its movements and of its opening balances. */
export interface Ends {
  readonly seq: number;
  readonly last: number;
  readonly openingSeq: number;
}

export interface LineFault {
  readonly seq: number;
  readonly orderId: string;
  readonly sku: string;
  readonly wrong: string;
}

/** A page without a fault has one row, with `wrong` null. */
export type OrderLineRow = Omit<LineFault, "wrong"> & {
  readonly wrong: string | null;
  readonly lastSeq: number;
  readonly lastLine: number;
  readonly read: number;
};

export interface StockPageRow {
  readonly sku: string;
  readonly available: number;
  readonly reserved: number;
  readonly policy: string | null;
  readonly isRuledLater: boolean;
  readonly isMovedLater: boolean;
}

export interface HeldRow {
  readonly seq: number;
  readonly line: number;
  readonly orderId: string;
  readonly sku: string;
  readonly units: number;
  readonly expires: number;
}

export interface CompensationRow {
  readonly seq: number;
  readonly sku: string;
  readonly isDone: boolean;
}
