/**
 * Shrinks the faults of a failing run.
 *
 * @module
 */
import type { Fault } from "./faults.ts";
import { run, type RunOptions } from "./run.ts";

/** Runs that a shrinking takes at most. */
const runsMax = 400;

/** Leaves faults out, in ever smaller parts, for as long as an invariant is broken. */
export async function shrink(options: RunOptions): Promise<{ faults: readonly Fault[]; broken: string }> {
  let faults = options.faults;
  let broken = (await run(options)).broken ?? "nothing";
  let runs = 0;
  let before = Infinity;
  for (let size = faults.length; size >= 1; size = size > 1 ? size >> 1 : Number(faults.length < before)) {
    if (size === 1) before = faults.length;
    for (let at = 0; at < faults.length && runs < runsMax;) {
      const fewer = [...faults.slice(0, at), ...faults.slice(at + size)];
      runs++;
      const result = await run({ ...options, faults: fewer });
      if (result.broken === undefined) {
        at += size;
      } else {
        faults = fewer;
        broken = result.broken;
      }
    }
  }
  return { faults, broken };
}
