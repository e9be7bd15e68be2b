import assert from "node:assert/strict";
import fc from "fast-check";
import { partitionOf, shardsToTake } from "./assignment.ts";

Deno.test("shareOf() adds up to all shards, and differs by one at most", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1024 }), fc.integer({ min: 1, max: 40 }), (shards, workers) => {
      const shares = Array.from(
        { length: workers },
        (_, index) => partitionOf(shards, { workers, index, leased: [] }),
      );
      assert.equal(
        shares.reduce((sum, share) => sum + share, 0),
        shards,
      );
      assert.ok(Math.max(...shares) - Math.min(...shares) <= 1);
    }),
  );
});

Deno.test("shareOf() takes nothing from the elder ones when a worker joins that gets none", () => {
  const share = (workers: number, index: number) => partitionOf(2, { workers, index, leased: [] });
  assert.deepEqual([share(2, 0), share(2, 1)], [1, 1]);
  assert.deepEqual([share(3, 0), share(3, 1), share(3, 2)], [1, 1, 0]);
});

Deno.test("shardsToTake() offers free shards only, each worker's from another place, round to the start", () => {
  const leased = [1, 5];
  assert.deepEqual(shardsToTake(6, 3, { workers: 2, index: 0, leased }), [0, 2, 3]);
  assert.deepEqual(shardsToTake(6, 3, { workers: 2, index: 1, leased }), [3, 4, 0]);
  assert.deepEqual(shardsToTake(6, 9, { workers: 2, index: 1, leased }), [3, 4, 0, 2]);
  assert.deepEqual(shardsToTake(6, 0, { workers: 2, index: 0, leased }), []);
  assert.deepEqual(shardsToTake(6, -2, { workers: 2, index: 0, leased }), []);
});
