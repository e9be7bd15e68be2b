/**
 * The port through which the command line compares what a shard remembers with the ledger.
 *
 * @module
 */
import type { RememberedLine } from "../domain/outcome.ts";

/** What a shard remembers, beside its log. */
export type Facet = "stock" | "orders" | "quotas" | "holds";

/** What a name stands for in each facet; null = the shard does not know it. */
export interface FacetValue {
  /** By SKU: `<available> <reserved>[ <policy as JSON>]`. */
  readonly stock: string | null;
  /** By order id, or the name of an adjustment or return as in `remembered_line.ts`. */
  readonly orders: readonly RememberedLine[] | null;
  /** By user and SKU: `<units bought> <policy's sale>`. */
  readonly quotas: string | null;
  /** By order id: when it lapses, ms since 1970. */
  readonly holds: string | null;
}

/** Reads a shard whether it is armed or not. Writes nothing. */
export interface ShardReader {
  /** Names in pages of about 1000; one may come twice, one that stays is never missed. Starts with `""`. */
  names(shard: number, facet: Facet, cursor: string): Promise<{ names: string[]; next: string | null }>;
  /** What up to 1000 names stand for, and the last number issued, at one moment. */
  read<F extends Facet>(
    shard: number,
    facet: F,
    names: readonly string[],
  ): Promise<{ head: number; values: FacetValue[F][] }>;
}
