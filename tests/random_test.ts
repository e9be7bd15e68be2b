import assert from "node:assert/strict";
import fc from "fast-check";
import { firstDifference, shrunkCaseFirst } from "./random.ts";

function messageOf(property: fc.IProperty<[number[]]>): string {
  try {
    fc.assert(property, { seed: 7, reporter: shrunkCaseFirst });
  } catch (error) {
    return error instanceof Error ? error.message : assert.fail();
  }
  return "";
}

Deno.test("a failed random test prints the shrunk case, then expected and actual where they first differ", () => {
  const expectedOf = (numbers: readonly number[]) => ({ numbers, sums: numbers.map((number) => number + 1) });
  const message = messageOf(fc.property(fc.array(fc.nat({ max: 999 })), (numbers) => {
    const actual = { numbers, sums: numbers.map((number) => number > 99 ? 0 : number + 1) };
    assert.deepEqual(actual, expectedOf(numbers));
  }));
  const [first = "", shrunk, expected, actual] = message.split("\n");
  assert.match(first, /^Failed in run \d+ \(TEST_SEED=7\), and shrunk \d+ times$/);
  assert.deepEqual([shrunk, expected, actual], [
    "Case:     [[100]]",
    "Expected at .sums[0]: 101",
    "Actual at .sums[0]:   0",
  ]);
});

Deno.test("a failed random test prints any other error after its case, and a passed one nothing", () => {
  const message = messageOf(fc.property(fc.array(fc.nat()), (numbers) => {
    if (numbers.length > 0) throw new TypeError("broken");
  }));
  assert.match(message, /\nCase: {5}\[\[0\]\]\nError: {4}broken\n/);
  assert.equal(messageOf(fc.property(fc.array(fc.nat()), (numbers) => numbers.length >= 0)), "");
});

Deno.test("the first difference is found whatever the shape", () => {
  assert.equal(firstDifference({ a: [1, { b: NaN }] }, { a: [1, { b: NaN }] }), undefined);
  assert.deepEqual(firstDifference([1, 2], [1]), { path: "[1]", expected: 2, actual: undefined });
  assert.deepEqual(firstDifference({ a: [] }, { a: {} }), { path: ".a", expected: [], actual: {} });
  assert.deepEqual(firstDifference(null, 0), { path: "", expected: null, actual: 0 });
});
