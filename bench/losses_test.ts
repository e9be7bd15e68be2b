/** What a kill cost. */
import assert from "node:assert/strict";
import { longestPauseMs, lostOrders } from "./losses.ts";

Deno.test("bench: an accepted order that is not known any more is lost, once", () => {
  assert.equal(lostOrders(["a", "b", "c", "c"], new Set(["a", "x"])), 2);
  assert.equal(lostOrders(["a"], new Set(["a"])), 0);
});

Deno.test("bench: the longest pause counts tenths of a second without an order, also at the end", () => {
  assert.equal(longestPauseMs([1, 0, 0, 5, 0, 1], 0.6), 200);
  assert.equal(longestPauseMs([1, 0, 1], 0.6), 300);
  assert.equal(longestPauseMs([], 0), 0);
});
