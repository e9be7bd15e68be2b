/**
 * Opening balances: the sums of the first movements of a shard, which may be gone.
 *
 * @module
 */

/** A SKU's sums of the movements in opening balances. */
export interface OpeningBalance {
  /** The SKU. */
  readonly sku: string;
  /** Available units. */
  readonly available: number;
  /** Reserved units. */
  readonly reserved: number;
  /** The rules that the last of them set, as JSON; null when none did. */
  readonly policy: string | null;
}

/** The opening balances of a range of SKUs. */
export interface Openings {
  /** Movements up to this number are in them, and do not count again; -1 = none. */
  readonly seq: number;
  /** In any order. */
  readonly balances: readonly OpeningBalance[];
}

/** What one step of the retention of movements did. */
export interface Folded {
  /** Numbers whose movements were added to the opening balances. */
  readonly numbers: number;
  /** Whether movements were deleted; PostgreSQL drops a partition. */
  readonly isDropped: boolean;
}
