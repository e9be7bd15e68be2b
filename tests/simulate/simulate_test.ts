import assert from "node:assert/strict";
import { faultsOf } from "../../tools/simulate/faults.ts";
import { isPlant, plants } from "../../tools/simulate/plants.ts";
import { run } from "../../tools/simulate/run.ts";
import { shrink } from "../../tools/simulate/shrink.ts";

Deno.test("simulation: the same seed twice gives the same trace, byte for byte", async () => {
  for (const seed of [3, 4, 28]) {
    const faults = faultsOf(seed);
    const first = await run({ seed, faults, isTraced: true });
    const second = await run({ seed, faults, isTraced: true });
    assert.ok(first.trace.length > 1000);
    assert.equal(second.trace.join("\n"), first.trace.join("\n"));
    assert.equal(second.broken, first.broken);
  }
});

Deno.test("simulation: every invariant holds for 100 seeds", async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const { broken } = await run({ seed, faults: faultsOf(seed) });
    assert.equal(broken, undefined, `seed ${seed}`);
  }
});

for (const plant of Object.keys(plants)) {
  Deno.test(`simulation: the plant ${plant} is found within 80 seeds`, async () => {
    assert.ok(isPlant(plant));
    for (let seed = 1; seed <= 80; seed++) {
      const { broken } = await run({ seed, faults: faultsOf(seed), plant });
      if (broken !== undefined) return;
    }
    assert.fail("not found");
  });
}

Deno.test("simulation: a failing seed is shrunk to at most 20 faults, and they fail again", async () => {
  const options = { seed: 60, faults: faultsOf(60), plant: "cursor-outside-transaction" as const };
  const { faults, broken } = await shrink(options);
  assert.ok(faults.length <= 20, `${faults.length} faults`);
  assert.equal((await run({ ...options, faults })).broken, broken);
});
