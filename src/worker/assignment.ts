/**
 * The assignment of shards to workers. There is no coordinator: every worker sees the same peers and computes its own
 * assignment.
 *
 * @module
 */
import type { Peers } from "../ledger/ledger.ts";

/** Number of shards assigned to a worker. The counts of all workers add up to `shards` and differ by one at most. */
export function assignedCount(shards: number, { workers, index }: Peers): number {
  return Math.floor(shards / workers) + (index < shards % workers ? 1 : 0);
}

/**
 * At most `count` free shards to lease.
 *
 * Every worker starts at another shard, so that two concurrent workers rarely try to lease the same one.
 */
export function shardsToTake(shards: number, count: number, { workers, index, leased }: Peers): number[] {
  if (count <= 0) return [];
  const start = Math.floor((index * shards) / workers);
  const taken = new Set(leased);
  return Array.from({ length: shards }, (_, index) => (start + index) % shards)
    .filter((shard) => !taken.has(shard))
    .slice(0, count);
}
