/**
 * How much of `src/` the tests of one process run: lines of product code, and the floor that the whole suite must reach.
 * What API, worker and command line run as processes of their own is not counted.
 *
 * @module
 */

/** Percent of lines. It only rises. Three whole runs had 17,290 to 17,294 of 18,454 to 18,458 lines (93.7 %). */
export const FLOOR_PERCENT = 93;

/**
 * Tests of a whole run that run without coverage, as `deno test` takes them. Deno 2.9 waits 0.5 s twice when a thread
 * starts under coverage, so each opening of a SQLite ledger takes a second longer, and those of bench, tests/fault and
 * tests/system run most of the product in processes of its own, which are not counted.
 */
export const NOT_COVERED = [
  "bench/cost_test.ts",
  "tests/contract/replay_test.ts",
  "tests/contract/sqlite_ledger_test.ts",
  "tests/fault",
  "tests/system",
];

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
