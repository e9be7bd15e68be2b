/**
 * Which shard decides what. All code asks {@link Router.route}, never the hash itself.
 *
 * @module
 */
import { fnv1a32 } from "./fnv.ts";

/** Maps SKUs to the shards of a deployment. */
export class Router {
  /**
   * Needs no connection: the map is arithmetic.
   *
   * @param shards number of shards, fixed for a deployment
   */
  constructor(readonly shards: number) {}

  /** The shard that owns a SKU: FNV-1a-32 of its UTF-8 bytes, modulo the number of shards. */
  route(sku: string): number {
    return this.shards === 1 ? 0 : fnv1a32(sku) % this.shards;
  }

  /** Every shard. */
  all(): number[] {
    return Array.from({ length: this.shards }, (_, shard) => shard);
  }
}
