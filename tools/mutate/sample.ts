/**
 * Draws slips by a seed.
 *
 * @module
 */
import { fnv1a32 } from "../../src/domain/fnv.ts";
import type { Mutant } from "./mutants.ts";

/**
 * As many as were asked for, in their own order. A slip is drawn by its own text: one more or fewer elsewhere leaves the
 * rest of the sample as it is.
 */
export function drawn(mutants: readonly Mutant[], size: number, seed: number): Mutant[] {
  const ranked = mutants.map((mutant, index) => {
    const { path, operator, before, after, nth } = mutant;
    return { mutant, index, rank: mixed(fnv1a32([seed, nth, path, operator, before, after].join("\n"))) };
  });
  return ranked.toSorted((a, b) => a.rank - b.rank).slice(0, size)
    .toSorted((a, b) => a.index - b.index).map(({ mutant }) => mutant);
}

/** FNV leaves the high bits of texts with one end alike; this is the finalizer of MurmurHash3. */
function mixed(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
