/**
 * Which epoch an arming issues, and what it does when the shard changes meanwhile.
 */
import assert from "node:assert/strict";
import { type EmbeddedParts, makeEmbeddedParts, withMembers } from "../../tests/contract/embedded_parts.ts";
import { adjust, deduct } from "../../tests/contract/store_suite.ts";
import { ManualWorld } from "../../tests/manual_world.ts";

/** A shard that has sold under epoch 1, with all of it in the ledger, and has lost its right to sell. */
async function disarmed(): Promise<EmbeddedParts> {
  const parts = await makeEmbeddedParts(new ManualWorld());
  await parts.arm();
  await parts.decide(adjust("a", "S", 10), deduct("o", "S", 2));
  await parts.apply();
  await parts.store.disarm(0, parts.deployment.id);
  return parts;
}

Deno.test("arming: the epoch is above all that store, callers and log have seen, one at a time", async () => {
  const epochs: unknown[] = [];
  for (const [ofStore, ofLog] of [[0, 0], [7, 0], [7, 9], [9, 7]] as const) {
    await using parts = await disarmed();
    const inspect = async (shard: number) => ({ ...await parts.store.inspect(shard), epochSeen: ofStore });
    const control = withMembers(parts.store, { inspect });
    const log = withMembers(parts.store, { tail: () => Promise.resolve({ epoch: ofLog, seq: 2 }) });
    const verdict = await parts.arm({ control, log });
    epochs.push(verdict.kind === "armed" ? verdict.epoch : verdict);
  }
  assert.deepEqual(epochs, [2, 8, 10, 10]);
});

Deno.test("arming: a whole store without its log that changes while the log is read is verified again", async () => {
  await using parts = await disarmed();
  await parts.arm();
  await parts.decide(deduct("p", "S", 3));
  await parts.store.disarm(0, parts.deployment.id);
  let looks = 0;
  const inspect = async (shard: number) => {
    const view = await parts.store.inspect(shard);
    const { epoch, seq } = view.position;
    return { ...view, log: null, position: { epoch, seq: seq + looks++ } };
  };
  const log = withMembers(parts.store, {
    read: () => Promise.resolve([]),
    tail: () => Promise.resolve({ epoch: 0, seq: 0 }),
  });
  assert.deepEqual(await parts.arm({ control: withMembers(parts.store, { inspect }), log }), {
    kind: "changed",
  });
});
