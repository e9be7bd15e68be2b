import assert from "node:assert/strict";
import { settled } from "../../tests/manual_world.ts";
import { DurableStore, Watermark } from "./durable_store.ts";
import type { BatchResult, StockStore } from "./store.ts";

/** Whether a promise has settled, now that everything that can has. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let isDone = false;
  promise.finally(() => isDone = true);
  await settled();
  return isDone;
}

/** A store that answers `result` to everything. */
function storeWith(result: BatchResult): StockStore {
  return {
    decide: () => Promise.resolve(result),
    guaranteesOff: () => Promise.resolve(["none"]),
    close: () => Promise.resolve(),
  };
}

function decided(head: number): BatchResult {
  return { kind: "decided", timeMs: 1, head, outcomes: [], isMoreDue: false };
}

Deno.test("watermark: who waits for a number is woken by it, and by nothing less", async () => {
  const watermark = new Watermark();
  assert.equal(watermark.at(0), -1);
  watermark.advance(0, 5);
  const waiting = watermark.reached(0, 7);
  for (const seq of [5, 6]) {
    watermark.advance(0, seq);
    assert.ok(!await isSettled(waiting), `woken by ${seq}`);
  }
  watermark.advance(0, 7);
  assert.ok(await isSettled(waiting));
  assert.ok(await isSettled(watermark.reached(0, 7)), "it was reached before");
});

Deno.test("watermark: a number of one shard wakes no waiter of another, and it never goes back", async () => {
  const watermark = new Watermark();
  const [first, second] = [watermark.reached(0, 3), watermark.reached(1, 3)];
  watermark.advance(1, 9);
  assert.deepEqual([await isSettled(first), await isSettled(second)], [false, true]);
  watermark.advance(1, 4);
  assert.equal(watermark.at(1), 9);
  watermark.advance(0, 3);
  assert.ok(await isSettled(first));
});

Deno.test("watermark: one commit wakes all that it covers, and no other", async () => {
  const watermark = new Watermark();
  const waiting = [3, 9, 4, 8, 5].map((seq) => ({ seq, reached: watermark.reached(0, seq) }));
  watermark.advance(0, 5);
  const woken = await Promise.all(
    waiting.map(async ({ seq, reached }) => await isSettled(reached) ? [seq] : []),
  );
  assert.deepEqual(woken.flat(), [3, 4, 5]);
  assert.equal(watermark.waiting, 2, "what was woken is forgotten");
});

Deno.test("durable store: no answer before the ledger's commit of the log's head, and none if it hangs", async () => {
  const watermark = new Watermark();
  const store = new DurableStore(storeWith(decided(7)), watermark);
  const answer = store.decide(0, []);
  watermark.advance(0, 6);
  assert.ok(!await isSettled(answer));
  watermark.advance(0, 7);
  assert.deepEqual(await answer, decided(7));
});

Deno.test("durable store: what rests on nothing does not wait", async () => {
  const unarmed: BatchResult = { kind: "unarmed", timeMs: 1 };
  const store = new DurableStore(storeWith(unarmed), new Watermark());
  assert.deepEqual(await store.decide(0, []), unarmed);
  assert.deepEqual(await store.guaranteesOff(0), ["none"]);
});
