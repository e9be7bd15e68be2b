/**
 * The port through which the command line compares what a shard remembers with the ledger.
 *
 * @module
 */
import type { RememberedLine } from "../domain/outcome.ts";

/** The contents of a shard, other than its log. */
export type Facet = "stock" | "orders" | "quotas" | "holds";

/** The value of a name in each facet; null = unknown to the shard. */
export interface FacetValue {
  /** By SKU: `<available> <reserved>[ <policy as JSON>]`. */
  readonly stock: string | null;
  /** By order id, or the name of an adjustment or return as in `remembered_line.ts`. */
  readonly orders: readonly RememberedLine[] | null;
  /** By user and SKU: `<units bought> <policy's sale>`. */
  readonly quotas: string | null;
  /** By order id: its expiry, ms since 1970. */
  readonly holds: string | null;
}

/** Reads a shard whether it is armed or not. Writes nothing. */
export interface ShardReader {
  /** Names in pages of about 1000; a name may be returned twice, and none that stays is missed. Starts with `""`. */
  names(shard: number, facet: Facet, cursor: string): Promise<{ names: string[]; next: string | null }>;
  /** The values of up to 1000 names and the last number issued, in one snapshot. */
  read<F extends Facet>(
    shard: number,
    facet: F,
    names: readonly string[],
  ): Promise<{ head: number; values: FacetValue[F][] }>;
}
