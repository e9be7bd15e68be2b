import assert from "node:assert/strict";
import { awaitsOf } from "../../tools/simulate/awaits.ts";
import { cell, Coverage } from "../../tools/simulate/coverage.ts";
import { describeFault, faultsOf } from "../../tools/simulate/faults.ts";
import { isPlant, plants } from "../../tools/simulate/plants.ts";
import { run } from "../../tools/simulate/run.ts";
import { keptCases, keptPlants } from "../../tools/simulate/kept.ts";
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

for (const { seed, faults = faultsOf(seed) } of keptCases) {
  const what = faults.length > 9 ? "" : faults.map(({ kind }) => kind).join(", ");
  Deno.test(
    `simulation: every invariant holds for seed ${seed}, which broke one before ${what}`.trim(),
    async () => {
      assert.equal((await run({ seed, faults })).broken, undefined);
    },
  );
}

const untried = 1_000_000 + Math.floor(Math.random() * 1_000_000_000);

Deno.test(`simulation: every invariant holds for seeds 1 to 15, and 15 from ${untried}`, async () => {
  for (let i = 0; i < 30; i++) {
    const seed = i < 15 ? i + 1 : untried + i - 15;
    const { broken } = await run({ seed, faults: faultsOf(seed) });
    assert.equal(broken, undefined, `deno task simulate --seed ${seed} --steps 1`);
  }
});

for (const plant of Object.keys(plants)) {
  Deno.test(`simulation: the plant ${plant} is found`, async () => {
    assert.ok(isPlant(plant));
    // The kept case finds it, until the simulation changes.
    const { seed, faults } = keptPlants[plant];
    if ((await run({ seed, faults: faults ?? faultsOf(seed), plant })).broken !== undefined) return;
    for (let seed = 1; seed <= 120; seed++) {
      if ((await run({ seed, faults: faultsOf(seed), plant })).broken !== undefined) return;
    }
    assert.fail("not found");
  });
}

Deno.test("simulation: a worker is crashed or frozen at each of its first awaits after its store was flushed", async () => {
  const all = [...awaitsOf(1)];
  // A worker needs some 60 awaits to arm a flushed shard: each third of them here, all by `--awaits`.
  for (let i = 1; i < 360; i += 18) {
    const faults = all[i] ?? [];
    const what = faults.map(describeFault).join("; ");
    assert.equal((await run({ seed: 1, faults })).broken, undefined, what);
  }
});

Deno.test("simulation: a cell that was never reached and what never happened are named", () => {
  const coverage = new Coverage();
  coverage.add(new Map([[cell("store-flush", "selling"), 2]]), new Map([["relay: gap", 1]]));
  const [flush = ""] = coverage.empty.filter((line) => line.startsWith("store-flush"));
  assert.ok(!flush.includes("selling") && flush.includes("holds"), flush);
  assert.ok(!coverage.missing.includes("relay: gap") && coverage.missing.includes("relay: jump"));
  assert.match(coverage.table(), /^store-flush +2 /m);
});

Deno.test("simulation: a failing seed is shrunk to at most 20 faults, and they fail again", async () => {
  const { seed } = keptPlants["arming-trusts-script-cache"];
  const options = { seed, faults: faultsOf(seed), plant: "arming-trusts-script-cache" as const };
  const { faults, broken } = await shrink(options);
  assert.ok(faults.length <= 20, `${faults.length} faults`);
  assert.equal((await run({ ...options, faults })).broken, broken);
});
