/**
 * Cases that broke an invariant before, and one that finds each plant: a seed with its own faults, or with fewer.
 *
 * @module
 */
import type { Fault } from "./faults.ts";
import type { Plant } from "./plants.ts";
import kept from "./seeds.json" with { type: "json" };

/** A seed and its faults; left out = those of the seed. */
export interface KeptCase {
  readonly seed: number;
  readonly faults?: readonly Fault[];
}

/** They run first. */
export const keptCases = kept.failed as readonly KeptCase[];
/** By plant. */
export const keptPlants = kept.plants as Readonly<Record<Plant, KeptCase>>;
