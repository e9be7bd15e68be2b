import assert from "node:assert/strict";
import { ManualWorld, settled } from "../../tests/manual_world.ts";
import { StandingMonitor } from "./standing.ts";

Deno.test("StandingMonitor: a worker that failed is active again after 10 s, once it reaches that shard's store", async () => {
  const world = new ManualWorld();
  const asked: number[] = [];
  let isReachable = false;
  const standing = new StandingMonitor(world, (shard) => {
    asked.push(shard);
    return isReachable ? Promise.resolve() : Promise.reject(new Error("no answer"));
  });
  assert.equal(standing.current, "active");
  standing.failed(7);
  await world.advance(9_999);
  assert.equal(standing.current, "suspended");
  assert.deepEqual(asked, [], "not asked before");
  for (const tries of [1, 2, 3]) {
    await world.advance(1_000);
    assert.equal(standing.current, "suspended");
    assert.equal(standing.current, "suspended");
    await settled();
    assert.equal(asked.length, tries, "asked once a second");
  }
  isReachable = true;
  await world.advance(1_000);
  assert.equal(standing.current, "suspended", "the answer is on its way");
  await settled();
  assert.equal(standing.current, "active");
  assert.deepEqual(new Set(asked), new Set([7]));
});

Deno.test("StandingMonitor: a failure while the store is asked for an earlier one counts", async () => {
  const world = new ManualWorld();
  const answer = Promise.withResolvers<void>();
  const standing = new StandingMonitor(world, () => answer.promise);
  standing.failed(1);
  await world.advance(10_000);
  assert.equal(standing.current, "suspended");
  standing.failed(2);
  answer.resolve();
  await world.advance(1_000);
  assert.equal(standing.current, "suspended");
});
