/** What counts as flat. */
import assert from "node:assert/strict";
import { bounds, rising, type Sample } from "./trends.ts";

const flat: Omit<Sample, "atS"> = {
  apiMiB: 150,
  workerMiB: 100,
  redisMiB: 40,
  apiDescriptors: 90,
  workerDescriptors: 30,
  lag: 100,
  p99Ms: 20,
  perSecond: 3000,
  due: 30_000,
  failed: 0,
};

function run(change: (i: number) => Partial<Sample> = () => ({})): Sample[] {
  return Array.from({ length: 40 }, (_, i) => ({ ...flat, atS: i * 10, ...change(i) }));
}

Deno.test("soak: a flat run passes, with a warm-up, a sawtooth and one slow sample", () => {
  assert.deepEqual(rising(run()), []);
  assert.deepEqual(rising(run((i) => ({ apiMiB: i < 8 ? 50 + i : 150 }))), []);
  assert.deepEqual(rising(run((i) => ({ redisMiB: 40 + 30 * (i % 6) }))), []);
  assert.deepEqual(rising(run((i) => i === 33 ? { p99Ms: 900, lag: 9000 } : {})), []);
});

Deno.test("soak: each series that rises is named", () => {
  for (const name of Object.keys(bounds) as (keyof typeof bounds)[]) {
    const found = rising(run((i) => ({ [name]: (flat[name] + 5) * (i < 25 ? 1 : 40) })));
    assert.equal(found.length, 1, name);
    assert.match(found[0] ?? "", new RegExp(`^${name} rose from`));
  }
});

Deno.test("soak: more than one order in a thousand that is not accepted fails, and a run too short to judge", () => {
  assert.deepEqual(rising(run((i) => ({ failed: i === 3 ? 1200 : 0 }))), []);
  assert.match(rising(run((i) => ({ failed: i === 3 ? 1201 : 0 })))[0] ?? "", /^1201 of 1200000 orders/);
  assert.match(rising(run().slice(0, 3))[0] ?? "", /too few/);
});
