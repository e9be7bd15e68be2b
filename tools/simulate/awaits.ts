/**
 * Every await in turn: runs with a flushed store, in which one process is crashed or frozen at its first await after it,
 * at its second, and so on.
 *
 * @module
 */
import type { Fault, FaultKind } from "./faults.ts";

/** When the store is flushed: the shards sell, and everything is armed once. */
const flushMs = 4000;
/** A worker verifies, rebuilds and arms a shard within some 100 awaits, and then runs its loop. */
const awaitsMax = 150;
const kinds: readonly FaultKind[] = ["worker-crash-at-await", "worker-freeze-at-await", "api-crash-at-await"];
/** Each picks another process and another length. */
const dices = [0.1, 0.25];

/** The faults of each run. Every third has no flush: the processes are in their usual work. */
export function* awaitsOf(seed: number): Generator<readonly Fault[]> {
  for (let left = 1; left <= awaitsMax; left++) {
    for (const kind of kinds) {
      for (const dice of dices) {
        const struck = { atMs: flushMs, kind, dice, left };
        const flush = { atMs: flushMs, kind: "store-flush" as const, dice };
        yield (left + seed) % 3 === 0 ? [struck] : [flush, struck];
      }
    }
  }
}
