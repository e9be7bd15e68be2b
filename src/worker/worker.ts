/**
 * The worker: keeps every shard that it can lease.
 *
 * @module
 */
import { keepShard, type ShardWorkerParts } from "./shard_worker.ts";

/** A running worker. */
export interface Worker {
  /** Ends the loops: what is being booked is booked, leases are given back. */
  stop(): Promise<void>;
}

/** Starts a loop a shard. */
export function startWorker(parts: Omit<ShardWorkerParts, "signal">): Worker {
  const stopping = new AbortController();
  const { shards } = parts.deployment;
  const loops = Array.from(
    { length: shards },
    (_, shard) => keepShard(shard, { ...parts, signal: stopping.signal }),
  );
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}
