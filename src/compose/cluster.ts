/**
 * Connections to Redis, as API and worker open them.
 *
 * @module
 */
import { ClusterMap } from "../redis/cluster_map.ts";
import { reportRedis } from "./reports.ts";
import type { Process } from "./process.ts";

/** Finds the Redis servers of the settings. What a server refuses is logged with what to do about it. */
export function openClusterMap(
  { config, world, logger, onCall }: Process,
  urls: readonly string[],
  options: { readonly name: string; readonly silenceMaxMs: number },
): ClusterMap {
  const { namespace, shards } = config;
  return new ClusterMap(urls, { namespace, shards }, {
    ...options,
    world,
    onError: reportRedis(world, logger),
    ...onCall,
  });
}

/** Goes on without Redis when it is away; a Redis that does not fit the settings is an error. */
export async function unlessAway(
  ready: Promise<unknown>,
  { logger }: Process,
  meanwhile: string,
): Promise<void> {
  await ready.catch((error) => {
    if (error instanceof RangeError) throw error;
    logger.warn(`redis is away: ${meanwhile}`);
  });
}
