import assert from "node:assert/strict";
import { belowFloor, coverageOf, FLOOR_PERCENT } from "./coverage.ts";

const lcov = [
  "SF:/repo/src/a.ts\nDA:1,1\nLH:90\nLF:100\nend_of_record",
  "SF:/repo/src/a_test.ts\nLH:0\nLF:100\nend_of_record",
  "SF:/repo/tests/b.ts\nLH:0\nLF:100\nend_of_record",
].join("\n");

Deno.test("coverage counts lines of product code alone", () => {
  assert.deepEqual(coverageOf(lcov), { hit: 90, found: 100 });
});

Deno.test("the floor of the gate refuses a run that misses a third of the product", () => {
  assert.ok(belowFloor("SF:/repo/src/a.ts\nLH:66\nLF:100\nend_of_record", FLOOR_PERCENT));
});

Deno.test("a run below the floor is refused with both values, an empty report too", () => {
  assert.equal(belowFloor(lcov, 90), undefined);
  assert.match(
    belowFloor(lcov, 91) ?? "",
    /^Coverage of src is 90\.0 % of 100 lines: at least 91 % is wanted/,
  );
  assert.match(belowFloor("", 1) ?? "", /0\.0 % of 0 lines/);
});
