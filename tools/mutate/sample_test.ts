import assert from "node:assert/strict";
import type { Mutant } from "./mutants.ts";
import { drawn } from "./sample.ts";

function mutants(count: number, path = "lua/a.lua"): Mutant[] {
  return Array.from({ length: count }, (_, i) => ({
    ...{ path, line: i + 1, operator: "bound", nth: 0 },
    ...{ before: `a < ${i}`, after: `a <= ${i}`, text: "" },
  }));
}

Deno.test("sample: a seed draws the same slips again, in their own order, and another seed draws others", () => {
  const all = mutants(200);
  const lines = (seed: number) => drawn(all, 20, seed).map(({ line }) => line);
  assert.equal(lines(1).length, 20);
  assert.deepEqual(lines(1), lines(1).toSorted((a, b) => a - b));
  assert.deepEqual(lines(1), lines(1));
  assert.notDeepEqual(lines(1), lines(2));
  assert.equal(drawn(all, Infinity, 1).length, 200);
});

Deno.test("sample: slips that are added elsewhere change at most as many of those that are drawn", () => {
  const before = drawn(mutants(200), 20, 1).map(({ before }) => before);
  const after = drawn([...mutants(3, "lua/b.lua"), ...mutants(200)], 20, 1);
  const kept = after.filter(({ path, before: text }) => path === "lua/a.lua" && before.includes(text));
  assert.ok(kept.length >= 17, `${kept.length} of 20`);
  const same = mutants(2).map((mutant, nth) => ({ ...mutant, nth, before: "a < b", after: "a <= b" }));
  assert.equal(drawn(same, 1, 1).length, 1, "two slips with one text are two");
});
