import assert from "node:assert/strict";
import type { ShardControl, ShardView } from "../decide/shard_control.ts";
import type { InventoryEvent, LogEntry } from "../domain/event.ts";
import type { ShardLedger } from "../ledger/ledger.ts";
import { differs, findFork, type ForkParts, hasNext } from "./fork.ts";

function entry(seq: number, kind = "deduct"): LogEntry {
  const lines = [{ sku: "S", delta: -2, reservedDelta: 0, available: 9, reserved: 0 }];
  const none = { actor: "", traceparent: "", reason: "", reference: "", data: {}, atMs: 5, userId: "u" };
  const event: InventoryEvent = { seq, kind, id: `o-${seq}`, lines, ...none };
  return { position: { epoch: 1, seq }, events: [event] };
}

/** A log of these entries, of which the ledger has `divergent` with other contents. */
function setup(
  entries: readonly LogEntry[],
  divergent: readonly number[],
): { parts: ForkParts; reads: number[] } {
  const reads: number[] = [];
  const control: Partial<ShardControl> = {
    entries: (_shard, { seq }, limit) => {
      if (seq < 0) throw new RangeError(`no position: ${seq}`);
      reads.push(limit);
      return Promise.resolve(entries.filter(({ position }) => position.seq > seq).slice(0, limit));
    },
  };
  const ledger: Partial<ShardLedger> = {
    shard: 0,
    divergent: (read) =>
      Promise.resolve(read.map(({ position }) => position.seq).filter((seq) => divergent.includes(seq))),
  };
  return { parts: { control: control as ShardControl, ledger: ledger as ShardLedger }, reads };
}

const cursor = { epoch: 1, seq: 3, issuedEpoch: 1, recordedHead: 3, seenApplied: 3 };
const view = (seq: number, { suspect = false, applied = 3 } = {}) =>
  ({ position: { epoch: 1, seq }, applied, suspect, log: { last: { epoch: 1, seq } } }) as ShardView;
const log = [entry(1, "adjust"), entry(2), entry(3), entry(4)];

Deno.test("fork: a log that agrees at the ledger's end is not read further", async () => {
  const { parts, reads } = setup(log, []);
  assert.deepEqual(await findFork(view(4), cursor, parts), { events: 0, first: undefined, sold: "" });
  assert.deepEqual(reads, [1]);
  await findFork(view(3), cursor, parts);
  assert.deepEqual(reads, [1, 1], "nor is the log of a store that ends there");
});

Deno.test("fork: a log that differs there is searched, and so is that of a store that is suspect or ends before", async () => {
  const differs = { events: 2, first: 2, sold: "2 orders of 4 units: o-2, o-3" };
  assert.deepEqual(await findFork(view(4), cursor, setup(log, [2, 3]).parts), differs);
  const one = { events: 1, first: 2, sold: "1 orders of 2 units: o-2" };
  assert.deepEqual(await findFork(view(4, { suspect: true }), cursor, setup(log, [2]).parts), one);
  assert.deepEqual(await findFork(view(2), cursor, setup(log.slice(0, 2), [2]).parts), one);
});

Deno.test("fork: what sold nothing is lost without an order", async () => {
  const lost = await findFork(view(4, { suspect: true }), cursor, setup(log, [1]).parts);
  assert.deepEqual(lost, { events: 1, first: 1, sold: "" });
});

Deno.test("fork: an empty ledger differs from no log, and does not read it", async () => {
  const { parts, reads } = setup(log, [3]);
  assert.ok(!await differs(view(4), { epoch: 0, seq: 0 }, parts));
  assert.deepEqual(reads, []);
  assert.ok(await differs(view(4), { epoch: 1, seq: 3 }, parts));
  assert.ok(!await differs(view(4), { epoch: 1, seq: 2 }, parts));
});

Deno.test("fork: entries after the last acknowledgement are compared, in pages, up to the ledger's end", async () => {
  const many = Array.from({ length: 200 }, (_, i) => entry(i + 1));
  const end = { epoch: 1, seq: 150 };
  const unacknowledged = view(200, { applied: 10 });
  const same = setup(many, [10, 151]);
  assert.ok(!await differs(unacknowledged, end, same.parts));
  assert.deepEqual(same.reads, [64, 64, 12]);
  for (const seq of [11, 100, 150]) {
    assert.ok(await differs(unacknowledged, end, setup(many, [seq]).parts), String(seq));
  }
  const other = { events: 1, first: 2, sold: "1 orders of 2 units: o-2" };
  assert.deepEqual(await findFork(view(4, { applied: 1 }), cursor, setup(log, [2]).parts), other);
  // The log may end before the ledger does, or have no entry at all.
  assert.ok(!await differs(unacknowledged, { epoch: 1, seq: 300 }, setup(many, []).parts));
  assert.ok(!await differs(unacknowledged, end, setup([], []).parts));
});

Deno.test("fork: the event after the cursor is the store's, has other contents there, or is in one of both alone", async () => {
  const { parts } = setup(log, []);
  assert.ok(await hasNext([entry(3), entry(4)], cursor, parts));
  assert.ok(!await hasNext([entry(4, "order")], cursor, parts));
  assert.ok(!await hasNext([entry(3), entry(5)], cursor, parts), "the entries do not have it");
  assert.ok(!await hasNext([entry(4)], cursor, setup(log.slice(0, 3), []).parts), "the store does not");
});
