/**
 * How much of `src/` the tests of one process run: lines of product code, and the floor that the whole suite must reach.
 * What API, worker and command line run as processes of their own is not counted.
 *
 * @module
 */

/**
 * Percent of lines. It only rises. Without tests/system, tests/fault and half of tests/contract 12,201 of 13,604 lines
 * ran (89.7 %), and about 3,900 were not loaded: no whole run has less than 69 %. Set it to a whole run's value.
 */
export const FLOOR_PERCENT = 69;

/** Lines of product code that ran, out of all that a report in LCOV's format lists. */
export function coverageOf(lcov: string): { readonly hit: number; readonly found: number } {
  let [hit, found, isProduct] = [0, 0, false];
  for (const line of lcov.split("\n")) {
    const [key, value = ""] = line.split(":", 2);
    if (key === "SF") isProduct = /\/src\/(?!.*_(?:test|bench)\.ts$)/.test(line);
    else if (isProduct && key === "LH") hit += Number(value);
    else if (isProduct && key === "LF") found += Number(value);
  }
  return { hit, found };
}

/** Why a run is refused; undefined when it reaches the floor. Nothing that ran is too little. */
export function belowFloor(lcov: string, floorPercent: number): string | undefined {
  const { hit, found } = coverageOf(lcov);
  const percent = found === 0 ? 0 : hit / found * 100;
  if (percent >= floorPercent) return undefined;
  return `Coverage of src is ${
    percent.toFixed(1)
  } % of ${found} lines: at least ${floorPercent} % is wanted. ` +
    "Add the tests that are missing.";
}
