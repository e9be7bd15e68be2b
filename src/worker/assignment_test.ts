import assert from "node:assert/strict";
import fc from "fast-check";
import { assignedCount, shardsToTake } from "./assignment.ts";

Deno.test("assignedCount() adds up to all shards, and differs by one at most", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1024 }), fc.integer({ min: 1, max: 40 }), (shards, workers) => {
      const counts = Array.from(
        { length: workers },
        (_, index) => assignedCount(shards, { workers, index, leased: [] }),
      );
      assert.equal(
        counts.reduce((sum, count) => sum + count, 0),
        shards,
      );
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
    }),
  );
});

Deno.test("assignedCount() takes no shard from the others when a worker joins that gets none", () => {
  const count = (workers: number, index: number) => assignedCount(2, { workers, index, leased: [] });
  assert.deepEqual([count(2, 0), count(2, 1)], [1, 1]);
  assert.deepEqual([count(3, 0), count(3, 1), count(3, 2)], [1, 1, 0]);
});

Deno.test("shardsToTake() offers free shards only, starting at another shard for each worker, and wrapping around", () => {
  const leased = [1, 5];
  assert.deepEqual(shardsToTake(6, 3, { workers: 2, index: 0, leased }), [0, 2, 3]);
  assert.deepEqual(shardsToTake(6, 3, { workers: 2, index: 1, leased }), [3, 4, 0]);
  assert.deepEqual(shardsToTake(6, 9, { workers: 2, index: 1, leased }), [3, 4, 0, 2]);
  assert.deepEqual(shardsToTake(6, 0, { workers: 2, index: 0, leased }), []);
  assert.deepEqual(shardsToTake(6, -2, { workers: 2, index: 0, leased }), []);
});
