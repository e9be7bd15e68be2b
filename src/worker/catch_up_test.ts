import assert from "node:assert/strict";
import { makeEmbeddedParts, withMembers } from "../../tests/contract/embedded_parts.ts";
import { adjust, deduct } from "../../tests/contract/store_suite.ts";
import { ManualWorld } from "../../tests/manual_world.ts";
import { applyRest, lastNumber, restStart } from "./catch_up.ts";

const isForked = false;
const cursor = { epoch: 1, seq: 3, issuedEpoch: 2, recordedHead: 0, seenApplied: 0 };

Deno.test("catch up: the rest begins under the last epoch, or under that of a store that has more numbers", () => {
  const startOf = (epoch: number, seq: number) => restStart({ position: { epoch, seq } }, cursor);
  assert.deepEqual(startOf(1, 3), { epoch: 2, seq: 3 });
  assert.deepEqual(startOf(1, 4), { epoch: 1, seq: 3 });
  assert.deepEqual(startOf(5, 4), { epoch: 2, seq: 3 });
  assert.deepEqual(startOf(0, 4), { epoch: 2, seq: 3 });
});

Deno.test("catch up: a log that ends where the ledger does has no gap, one that ends behind it says why", async () => {
  await using parts = await makeEmbeddedParts(new ManualWorld());
  await parts.arm();
  await parts.decide(adjust("a", "S", 10), deduct("o", "S"));
  const view = await parts.store.inspect(0);
  assert.equal(await applyRest(view, isForked, parts.arming()), undefined);
  assert.equal((await parts.shard.cursor()).seq, 2);
  const log = withMembers(parts.store, { read: () => Promise.resolve([]) });
  const endingAt = (epoch: number, seq: number) => {
    const facts = view.log ?? assert.fail("no log");
    return applyRest({ ...view, log: { ...facts, last: { epoch, seq } } }, isForked, parts.arming({ log }));
  };
  assert.equal(await endingAt(1, 2), undefined);
  const last = { epoch: 1, seq: 2 };
  assert.deepEqual(await endingAt(1, 3), { kind: "gap", why: "the log's entries after 2 are gone", last });
  assert.partialDeepStrictEqual(await endingAt(0, 3), {
    why: "its log ends under epoch 0, and the ledger continues under 1",
  });
});

Deno.test("catch up: a read that was ended is no end of the log, and entries that came before are applied", async () => {
  await using parts = await makeEmbeddedParts(new ManualWorld());
  await parts.arm();
  await parts.decide(adjust("a", "S", 10));
  const view = await parts.store.inspect(0);
  const stop = new AbortController();
  stop.abort(new Error("given back"));
  let isFirst = true;
  const log = withMembers(parts.store, {
    read: (...args: Parameters<typeof parts.store.read>) => {
      if (!isFirst) return Promise.resolve([]);
      isFirst = false;
      return parts.store.read(args[0], args[1], { ...args[2], signal: new AbortController().signal });
    },
  });
  await assert.rejects(applyRest(view, isForked, parts.arming({ log, signal: stop.signal })), /given back/);
  assert.equal((await parts.shard.cursor()).seq, 1);
});

Deno.test("catch up: what comes before a gap is applied, so that only the missing numbers are lost", async () => {
  await using parts = await makeEmbeddedParts(new ManualWorld());
  await parts.arm();
  for (const command of [adjust("a", "S", 10), deduct("o", "S"), deduct("p", "S"), deduct("q", "S")]) {
    await parts.decide(command);
  }
  const log = withMembers(parts.store, {
    read: async (...args: Parameters<typeof parts.store.read>) =>
      (await parts.store.read(...args)).filter(({ position }) => position.seq !== 3),
  });
  const gap = await applyRest(await parts.store.inspect(0), isForked, parts.arming({ log }));
  assert.partialDeepStrictEqual(gap, { kind: "gap", why: "the log continues at 4 after 2" });
  assert.equal((await parts.shard.cursor()).seq, 2);
});

Deno.test("catch up: the lease is kept while the rest of a log is read", async () => {
  await using parts = await makeEmbeddedParts(new ManualWorld());
  await parts.arm();
  await parts.decide(adjust("a", "S", 10), deduct("o", "S"));
  let beats = 0;
  const ledger = withMembers(parts.shard, { beat: () => Promise.resolve(void beats++) });
  const gap = { kind: "gap", why: "", last: { epoch: 1, seq: 1 } } as const;
  assert.equal(await lastNumber(0, gap, parts.arming({ ledger })), 2);
  assert.ok(beats > 0);
});
