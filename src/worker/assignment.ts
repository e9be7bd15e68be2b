/**
 * How the shards are shared out. Nobody hands them out: every worker sees the same peers and computes what is its own.
 *
 * @module
 */
import type { Peers } from "../ledger/ledger.ts";

/** How many shards a worker keeps. The shares of all workers add up to `shards` and differ by one at most. */
export function partitionOf(shards: number, { workers, index }: Peers): number {
  return Math.floor(shards / workers) + (index < shards % workers ? 1 : 0);
}

/**
 * Which shards to try to lease: free ones, `count` of them.
 *
 * Every worker begins at another place, so that two that look at the same moment rarely want the same one.
 */
export function shardsToTake(shards: number, count: number, { workers, index, leased }: Peers): number[] {
  if (count <= 0) return [];
  const start = Math.floor((index * shards) / workers);
  const taken = new Set(leased);
  return Array.from({ length: shards }, (_, index) => (start + index) % shards)
    .filter((shard) => !taken.has(shard))
    .slice(0, count);
}
