/**
 * The settings of a run, from its seed.
 *
 * @module
 */
import { Router } from "../../src/decide/router.ts";
import type { DecisionLimits } from "../../src/domain/limits.ts";
import { Chance } from "./scheduler.ts";

/** The settings of a run. */
export interface Settings {
  readonly shards: number;
  /** SKUs by shard. */
  readonly skus: readonly (readonly string[])[];
  /** Units of each SKU at the start. */
  readonly units: number;
  readonly limits: DecisionLimits;
  /** The worker reads the log through a topic. */
  readonly hasTopic: boolean;
  /** How long the worker gathers events after a small commit, ms. */
  readonly gatherMs: number;
  /** Lines of one call to a store. */
  readonly batchMax: number;
  /** Entries that one read of the log returns: entries may be huge. */
  readonly readMax: number;
  /** Events that trimming leaves before the last applied one: `trimMargin` of `src/redis/control.ts`, or few. */
  readonly trimMargin: number;
  /** Buyers order baskets of several shards. */
  readonly hasBaskets: boolean;
}

/** The settings of a seed. The window is short, so that orders are forgotten within a run. */
export function settingsOf(seed: number): Settings {
  const chance = new Chance(seed, 7);
  const shards = [1, 1, 2, 3][chance.between(0, 3)] ?? 1;
  return {
    shards,
    skus: skusOf(shards),
    units: chance.isHit(0.5) ? 60 : 20,
    limits: {
      userLimitMs: chance.isHit(0.15) ? 300 : 0,
      idempotencyWindowMs: 4000,
      backlogMax: chance.isHit(0.15) ? 12 : 100_000,
    },
    hasTopic: chance.isHit(0.4),
    gatherMs: chance.isHit(0.5) ? 20 : 0,
    batchMax: chance.isHit(0.2) ? 3 : 20,
    readMax: chance.isHit(0.2) ? 1 : 64,
    trimMargin: chance.isHit(0.3) ? 3 : 10_000,
    hasBaskets: shards > 1,
  };
}

/** Three SKUs of one shard, or two of each: the names that the router gives it. */
function skusOf(shards: number): string[][] {
  const router = new Router(shards);
  const skus = router.all().map((): string[] => []);
  const each = shards === 1 ? 3 : 2;
  for (let i = 0; skus.some((names) => names.length < each); i++) {
    const names = skus[router.route(`sku-${i}`)];
    if (names && names.length < each) names.push(`sku-${i}`);
  }
  return skus;
}
