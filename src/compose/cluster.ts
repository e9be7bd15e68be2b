/**
 * Connections to Redis, for API and worker.
 *
 * @module
 */
import { ClusterMap } from "../redis/cluster_map.ts";
import { reportRedis } from "./reports.ts";
import type { Process } from "./process.ts";

/** Finds the Redis servers of the settings. Errors are logged with advice. */
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

/** Continues without an unavailable Redis; a Redis that does not fit the settings is an error. */
export async function unlessAway(
  ready: Promise<unknown>,
  { logger }: Process,
  meanwhile: string,
): Promise<void> {
  await ready.catch((error) => {
    if (error instanceof RangeError) throw error;
    logger.warn(`redis unavailable: ${meanwhile}`);
  });
}
