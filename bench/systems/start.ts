/**
 * The systems that a benchmark can name.
 *
 * @module
 */
import { startCluster12, startEmbedded, startHoldfast } from "./holdfast.ts";
import {
  startBare,
  startGin,
  startPostgresBatcher,
  startPostgresDirect,
  startSqliteBatcher,
} from "./peers.ts";
import type { StartOptions, System } from "./system.ts";

const starters: Record<string, (options: StartOptions) => Promise<System>> = {
  holdfast: (options) => startHoldfast(options, { hasWorker: true }),
  "no-worker": (options) => startHoldfast(options, { hasWorker: false }),
  before: (options) => startHoldfast(options, { hasWorker: true, folder: options.before }),
  "before-no-worker": (options) => startHoldfast(options, { hasWorker: false, folder: options.before }),
  cluster: startCluster12,
  embedded: startEmbedded,
  gin: startGin,
  bare: startBare,
  postgres: startPostgresDirect,
  "postgres-batcher": startPostgresBatcher,
  sqlite: startSqliteBatcher,
};

/**
 * What `--systems` takes. `no-worker` is Holdfast after its worker was killed: what sells continues. `cluster` is the
 * same with 12 shards on three masters. `before` is another checkout of Holdfast.
 */
export const systemNames: readonly string[] = Object.keys(starters);

/** Starts a system on servers of its own. */
export function startSystem(name: string, options: StartOptions): Promise<System> {
  const start = starters[name];
  if (!start) throw new TypeError(`Cannot start '${name}': known are ${systemNames}`);
  return start(options);
}
