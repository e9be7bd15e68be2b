import assert from "node:assert/strict";
import type { Folded } from "../ledger/openings.ts";
import { ManualWorld } from "../../tests/manual_world.ts";
import { MovementRetention } from "./movement_retention.ts";

function watch(retentionMs: number, steps: readonly (Folded | undefined)[] = []) {
  const world = new ManualWorld();
  const called: string[] = [];
  const left = [...steps];
  const ledger = {
    extendRanges: () => Promise.resolve(called.push("extend") > 0),
    foldMovements(ageMs: number, limit: number) {
      called.push(`fold ${ageMs} ${limit}`);
      return Promise.resolve(left.shift());
    },
  };
  const retention = new MovementRetention(ledger, world, retentionMs);
  return {
    called,
    async stepAfter(ms: number): Promise<number> {
      await world.advance(ms);
      return await retention.step();
    },
  };
}

Deno.test("MovementRetention makes room every 10 s, and sums nothing up without a retention", async () => {
  const { called, stepAfter } = watch(0);
  await stepAfter(9_999);
  assert.deepEqual(called, []);
  await stepAfter(1);
  await stepAfter(9_999);
  assert.deepEqual(called, ["extend"]);
  for (let i = 0; i < 1000; i++) assert.equal(await stepAfter(10_000), 0);
  assert.equal(called.length, 1001);
  assert.ok(called.every((call) => call === "extend"));
});

Deno.test("MovementRetention steps until nothing is old enough, and begins again an hour later", async () => {
  const { called, stepAfter } = watch(5000, [
    { numbers: 20_000, isDropped: false },
    { numbers: 0, isDropped: true },
  ]);
  const folds = () => called.filter((call) => call !== "extend");
  assert.equal(await stepAfter(59_999), 0, "not before a minute is over");
  assert.deepEqual(folds(), []);
  assert.equal(await stepAfter(1), 20_000);
  assert.equal(await stepAfter(199), 0);
  assert.equal(await stepAfter(1), 0);
  assert.equal(await stepAfter(200), 0);
  assert.equal(folds().length, 3);
  await stepAfter(3_599_999);
  assert.equal(folds().length, 3);
  await stepAfter(1);
  assert.deepEqual(folds(), Array(4).fill("fold 5000 20000"));
});
