/**
 * How the shards are shared out. Nobody hands them out: every worker sees the same crew and computes what is its own.
 *
 * @module
 */
import type { Crew } from "../ledger/ledger.ts";

/** How many shards a worker keeps. The shares of all workers add up to `shards` and differ by one at most. */
export function shareOf(shards: number, { workers, rank }: Crew): number {
  return Math.floor(shards / workers) + (rank < shards % workers ? 1 : 0);
}

/**
 * Which shards to try to lease: free ones, `count` of them.
 *
 * Every worker begins at another place, so that two that look at the same moment rarely want the same one.
 */
export function shardsToTake(shards: number, count: number, { workers, rank, leased }: Crew): number[] {
  if (count <= 0) return [];
  const start = Math.floor((rank * shards) / workers);
  const taken = new Set(leased);
  return Array.from({ length: shards }, (_, index) => (start + index) % shards)
    .filter((shard) => !taken.has(shard))
    .slice(0, count);
}
