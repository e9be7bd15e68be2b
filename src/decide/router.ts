/**
 * Which shard decides what. All code asks {@link Router.route}, never the hash itself.
 *
 * @module
 */
import { fnv1a32 } from "../domain/fnv.ts";

/** Maps SKUs to the shards of a deployment. */
export class Router {
  /**
   * Routes for as long as the process lives.
   *
   * @param shards number of shards, fixed for a deployment
   */
  constructor(readonly shards: number) {}

  /**
   * The shard that owns a SKU: FNV-1a-32 of its UTF-8 bytes, modulo the number of shards. SKUs with the same
   * `{tag}` in them are in the same shard, so that they can be sold in one basket (the rule of Redis Cluster's
   * hash tags: the first `{`, the first `}` after it, and something between them).
   */
  route(sku: string): number {
    return this.shards === 1 ? 0 : fnv1a32(tagOf(sku)) % this.shards;
  }

  /** The one shard that owns all of `skus`; undefined when they lie in several. */
  routeAll(skus: readonly string[]): number | undefined {
    const shard = this.route(skus[0] ?? "");
    for (const sku of skus) {
      if (this.route(sku) !== shard) return undefined;
    }
    return shard;
  }

  /** Every shard. */
  all(): number[] {
    return Array.from({ length: this.shards }, (_, shard) => shard);
  }
}

function tagOf(sku: string): string {
  const open = sku.indexOf("{");
  if (open < 0) return sku;
  const close = sku.indexOf("}", open + 1);
  return close > open + 1 ? sku.slice(open + 1, close) : sku;
}
