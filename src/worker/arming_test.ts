import assert from "node:assert/strict";
import type { StockRow } from "../domain/rows.ts";
import { type EmbeddedParts, makeEmbeddedParts, withMembers } from "../../tests/contract/embedded_parts.ts";
import { adjust, deduct, readAll } from "../../tests/contract/store_suite.ts";
import { ManualWorld } from "../../tests/manual_world.ts";

/** A shard that has sold, with all of it in the ledger, and has lost its right to sell. */
async function disarmed(): Promise<EmbeddedParts> {
  const parts = await makeEmbeddedParts(new ManualWorld());
  assert.partialDeepStrictEqual(await parts.arm(), { kind: "armed", epoch: 1, rebuilt: "", lost: 0 });
  await parts.decide(adjust("a", "S", 10), adjust("b", "T", 5), deduct("o", "S", 2));
  await parts.apply();
  await parts.store.disarm(0, parts.deployment.id);
  return parts;
}

/** Arms with a store whose stock is shown as `change` makes it. */
function armShowing(parts: EmbeddedParts, change: (rows: StockRow[]) => StockRow[]) {
  const control = withMembers(parts.store, {
    stock: async (shard: number) => ({
      rows: change((await parts.store.stock(shard, "0")).rows),
      next: null,
    }),
  });
  return parts.arm({ control });
}

Deno.test("arming: a store that agrees with the ledger is armed under the next epoch, and sells on", async () => {
  await using parts = await disarmed();
  assert.partialDeepStrictEqual(await parts.arm(), { kind: "armed", epoch: 2, rebuilt: "", lost: 0 });
  const [sold] = await parts.decide(deduct("p", "S"));
  assert.partialDeepStrictEqual(sold, { kind: "accepted", seq: 4, newStock: [7] });
});

Deno.test("arming: a store that is armed and fits goes on under its epoch, without a break", async () => {
  await using parts = await makeEmbeddedParts(new ManualWorld());
  await parts.arm();
  await parts.decide(adjust("a", "S", 10));
  const again = await parts.arm();
  assert.partialDeepStrictEqual(again, {
    kind: "armed",
    epoch: 1,
    rebuilt: "",
    lost: 0,
    changedSettings: [],
  });
  assert.ok((await parts.store.inspect(0)).armed);
});

Deno.test("arming: a SKU that the store lost is a difference, and so is one that only the store has", async () => {
  await using parts = await disarmed();
  const lost = await armShowing(parts, (rows) => rows.filter(({ sku }) => sku !== "T"));
  assert.ok(lost.kind === "refused", lost.kind);
  assert.match(lost.reason, /1 SKUs differ: 'T' is 5\+0 in the ledger and unknown in the store/);
  assert.equal(lost.driftUnits, 5);
  const more = { sku: "U", available: 0, reserved: 0, policy: null };
  const extra = await armShowing(parts, (rows) => [...rows, more]);
  assert.ok(extra.kind === "refused", extra.kind);
  assert.match(extra.reason, /'U' is unknown in the ledger and 0\+0 in the store/);
  assert.equal(extra.driftUnits, 1);
  assert.ok(!(await parts.store.inspect(0)).armed);
});

Deno.test("arming: a unit more or less, available or reserved, is a difference", async () => {
  await using parts = await disarmed();
  for (const [name, by] of [["available", 1], ["available", -1], ["reserved", 1]] as const) {
    const verdict = await armShowing(
      parts,
      (rows) => rows.map((row) => row.sku === "S" ? { ...row, [name]: row[name] + by } : row),
    );
    assert.equal(verdict.kind, "refused", name);
    assert.equal(verdict.kind === "refused" && verdict.driftUnits, 1, name);
  }
  assert.equal((await parts.arm()).kind, "armed");
});

Deno.test("arming: what the log has and the ledger lacks is applied first", async () => {
  await using parts = await disarmed();
  await parts.arm();
  await parts.decide(deduct("p", "S", 3));
  await parts.store.disarm(0, parts.deployment.id);
  assert.partialDeepStrictEqual(await parts.arm(), { kind: "armed", epoch: 3, lost: 0 });
  assert.equal((await parts.shard.cursor()).seq, 4);
  assert.deepEqual((await parts.shard.stock("", 10)).map(({ sku, available }) => [sku, available]), [
    ["S", 5],
    ["T", 5],
  ]);
});

Deno.test("arming: a store that changes while it is verified is verified again", async () => {
  await using parts = await disarmed();
  const isArmed = false;
  const control = withMembers(parts.store, { arm: () => Promise.resolve(isArmed) });
  assert.deepEqual(await parts.arm({ control }), { kind: "changed" });
  assert.partialDeepStrictEqual(await parts.arm(), { kind: "armed", epoch: 3 }, "no epoch is issued twice");
});

Deno.test("arming: an empty store is filled from the ledger", async () => {
  await using parts = await disarmed();
  const empty = await makeEmbeddedParts(new ManualWorld());
  await using _ = empty;
  const verdict = await parts.arm({ control: empty.store, log: empty.store });
  assert.partialDeepStrictEqual(verdict, { kind: "armed", rebuilt: "the store is empty", lost: 0 });
  const [again, sold] = await empty.decide(deduct("o", "S", 2), deduct("p", "S"));
  assert.partialDeepStrictEqual(again, { kind: "accepted", seq: 3, newStock: [8], replayed: true });
  assert.partialDeepStrictEqual(sold, { kind: "accepted", seq: 4, newStock: [7] });
});

Deno.test("arming: keys that were put back are found after a later event of theirs was applied", async () => {
  await using parts = await makeEmbeddedParts(new ManualWorld());
  await using copied = await makeEmbeddedParts(new ManualWorld());
  for (const { store } of [parts, copied]) {
    const { instance, position } = await store.inspect(0);
    const { id, shards } = parts.deployment;
    const seen = { instance, position };
    const arming = { seen, epoch: 1, deployment: id, shards, applied: 0, token: "", chunks: 0 };
    assert.ok(await store.arm(0, arming));
  }
  assert.equal(await parts.shard.issueEpoch(0, 0), 1);
  await parts.decide(adjust("a", "S", 10));
  await parts.decide(deduct("b", "S", 2));
  await parts.decide(adjust("c", "T", 5));
  await parts.apply();

  // The copy ends at number 1, and sells on. Its number 4 follows from the ledger, its numbers 2 and 3 are others there.
  await copied.decide(adjust("a", "S", 10));
  await copied.decide(deduct("d", "S", 1));
  await copied.decide(deduct("e", "S", 1));
  await copied.decide(deduct("f", "S", 2));
  const [last] = (await readAll(copied.store)).slice(-1);
  assert.equal((await parts.shard.apply(last ? [last] : [])).kind, "applied");

  const { store } = copied;
  assert.deepEqual(await parts.arm({ control: store, log: store }), { kind: "changed" });
  const verdict = await parts.arm({ control: store, log: store });
  assert.ok(verdict.kind === "armed", verdict.kind);
  assert.match(verdict.rebuilt, /2 of its events .*; lost: 2 orders of 2 units: d, e/);
  assert.deepEqual([verdict.epoch, verdict.lost], [2, 2]);
  const sold = await copied.decide(deduct("g", "S"), deduct("h", "T"));
  assert.deepEqual(sold.map((one) => one.kind === "accepted" && [one.seq, one.newStock]), [[7, [5]], [8, [
    4,
  ]]]);
});
