import assert from "node:assert/strict";
import { HeldStore, names, warm } from "../../tests/decide/held_batcher.ts";
import { ManualWorld, settled } from "../../tests/manual_world.ts";
import { Batcher } from "./batcher.ts";
import type { BatchResult, Timed } from "./store.ts";

Deno.test("batcher: a deadline is the store's time, early rather than late", async () => {
  const { world, store, submit } = await warm();
  await world.advance(10);
  submit("a");
  await settled();
  assert.equal(store.call(0).batch[0]?.deadlineMs, world.now() + 5000 + 1000);
});

Deno.test("batcher: unanswered at its deadline, what left is unknown and what waited took no effect", async () => {
  const { world, store, submit } = await warm();
  const [left] = submit("left");
  await settled();
  const [waited] = submit("waited");
  await world.advance(999);
  let done = 0;
  left?.then(() => done++);
  await settled();
  assert.equal(done, 0);
  await world.advance(1);
  assert.deepEqual(await left, { kind: "outcome_unknown", deadlineMs: store.call(0).batch[0]?.deadlineMs });
  assert.deepEqual(await waited, { kind: "overloaded" });
});

Deno.test("batcher: a timed-out call keeps its place, so calls do not pile up on a frozen server", async () => {
  const { world, store, submit } = await warm();
  submit("a");
  await settled();
  await world.advance(1000);
  for (const name of ["b", "c", "d"]) {
    const [outcome] = submit(name);
    await world.advance(1000);
    assert.deepEqual(await outcome, { kind: "overloaded" });
  }
  assert.equal(store.calls.length, 1);
  store.call(0).answer();
  submit("e");
  await settled();
  assert.deepEqual(store.calls.map(names), [["a"], ["e"]]);
});

Deno.test("batcher: sets no timer when nothing waits", async () => {
  const { world, store, batcher, submit } = await warm();
  await world.advance(5000);
  assert.equal(world.timers, 0);
  submit("a");
  await settled();
  assert.equal(world.timers, 1);
  store.call(0).answer();
  await world.advance(1000);
  assert.equal(world.timers, 0);
  batcher.close();
});

Deno.test("batcher: of two commands on their way only the one whose time is over is settled", async () => {
  const { world, store, batcher } = await warm();
  const early = batcher.submit({ kind: "lookup", orderId: "a" }, undefined, world.elapsedMs() - 400);
  const late = batcher.submit({ kind: "lookup", orderId: "b" });
  await settled();
  assert.deepEqual(names(store.call(0)), ["a", "b"]);
  await world.advance(600);
  assert.equal((await early).kind, "outcome_unknown");
  store.call(0).answer();
  assert.equal((await late).kind, "order");
});

Deno.test("batcher: an answer without a time leaves the clock as it was", async () => {
  const { world, store, batcher } = await warm();
  const decide = store.decide.bind(store);
  store.decide = () => Promise.resolve({ kind: "unarmed", timeMs: 0 });
  assert.equal((await batcher.submit({ kind: "lookup", orderId: "a" })).kind, "unarmed");
  store.decide = decide;
  void batcher.submit({ kind: "lookup", orderId: "b" });
  await settled();
  assert.equal(store.call(0).batch[0]?.deadlineMs, world.now() + 5000 + 1000);
});

Deno.test("batcher: deadlines count on the clock of a new server at once, also those of a queue and of a former reply", async () => {
  const { world, store, submit } = await warm({ callsMax: 3 });
  const deadlineOf = (batch: readonly Timed[] | undefined) => batch?.[0]?.deadlineMs;
  const behindMs = -600_000;
  submit("a");
  await settled();
  submit("b");
  await settled();
  await world.advance(10);
  const again = store.call(1).retime(behindMs);
  assert.equal(deadlineOf(again), world.now() + behindMs + 990, "what is sent again");
  submit("c");
  await settled();
  const ofNew = world.now() + behindMs + 1000;
  assert.equal(deadlineOf(store.call(2).batch), ofNew, "what is sent before its first reply");
  store.call(0).answer(); // by the former server, 5 s ahead
  submit("d");
  await settled();
  assert.equal(deadlineOf(store.call(3).batch), ofNew, "a reply of the former server is none of its time");
  await world.advance(1);
  store.call(2).answer(); // 5 s ahead again, and by a call that came after
  submit("e");
  await settled();
  assert.equal(deadlineOf(store.call(4).batch), world.now() - 1 + 5000 + 1000);
});

Deno.test("batcher: a store that does not tell its time in time refuses, and is asked again", async () => {
  const world = new ManualWorld();
  const store = new HeldStore(world);
  const batcher = new Batcher(0, store, world, {
    ...{ batchMax: 3, callsMax: 1, requestTimeoutMs: 1000 },
    onBroken: (error) => assert.fail(String(error)),
  });
  const decide = store.decide.bind(store);
  const { promise, resolve } = Promise.withResolvers<BatchResult>();
  store.decide = () => promise;
  const late = batcher.submit({ kind: "lookup", orderId: "a" });
  await world.advance(1000);
  assert.deepEqual(await late, { kind: "store_unavailable", reason: "no answer in time" });
  assert.ok(!batcher.clock.isKnown);
  store.decide = decide;
  resolve(await decide(0, []));
  await settled();
  const next = batcher.submit({ kind: "lookup", orderId: "b" });
  await settled();
  store.call(0).answer();
  assert.equal((await next).kind, "order");
});

Deno.test("batcher: a store that fails at once instead of telling its time refuses, and is asked again", async () => {
  const world = new ManualWorld();
  const store = new HeldStore(world);
  const broken: unknown[] = [];
  const batcher = new Batcher(0, store, world, {
    ...{ batchMax: 3, callsMax: 1, requestTimeoutMs: 1000 },
    onBroken: (error) => broken.push(error),
  });
  const decide = store.decide.bind(store);
  const error = new TypeError("broken");
  store.decide = () => {
    throw error;
  };
  const outcome = batcher.submit({ kind: "lookup", orderId: "a" });
  await settled();
  assert.deepEqual(await outcome, { kind: "store_unavailable", reason: "broken" });
  assert.deepEqual([broken, world.timers], [[error], 0]);
  store.decide = decide;
  const next = batcher.submit({ kind: "lookup", orderId: "b" });
  await settled();
  store.call(0).answer();
  assert.equal((await next).kind, "order");
});

Deno.test("batcher: a clock that was learned leaves no timer behind", async () => {
  const world = new ManualWorld();
  const store = new HeldStore(world);
  const batcher = new Batcher(0, store, world, {
    ...{ batchMax: 3, callsMax: 1, requestTimeoutMs: 1000 },
    onBroken() {},
  });
  void batcher.submit({ kind: "lookup", orderId: "a" });
  await settled();
  assert.equal(world.timers, 1, "the deadline of the command alone");
  assert.equal(store.call(0).batch[0]?.deadlineMs, world.now() + 5000 + 1000, "by the time that was learned");
});

Deno.test("batcher: who has less time left goes first, whether it came later or the store had no time for it", async () => {
  const { world, store, batcher, submit } = await warm();
  submit("a");
  await settled();
  submit("b");
  await world.advance(10);
  submit("c");
  void batcher.submit({ kind: "lookup", orderId: "early" }, undefined, world.elapsedMs() - 400);
  store.call(0).answer({ a: 1 });
  await settled();
  assert.deepEqual(names(store.call(1)), ["early", "a", "b"]);
  store.call(1).answer();
  await settled();
  assert.deepEqual(names(store.call(2)), ["c"]);
});

Deno.test("batcher: what came late with little time left passes what waits", async () => {
  const { world, store, batcher, submit } = await warm();
  submit("a");
  await settled();
  submit("b", "c");
  void batcher.submit({ kind: "lookup", orderId: "early" }, undefined, world.elapsedMs() - 400);
  store.call(0).answer();
  await settled();
  assert.deepEqual(names(store.call(1)), ["early", "b", "c"]);
});

Deno.test("batcher: a deadline that is no earlier sets no timer, nor does an answered call", async () => {
  const { world, store, submit } = await warm();
  await world.advance(1000);
  let set = 0;
  const after = world.after.bind(world);
  world.after = (ms, run) => {
    set++;
    return after(ms, run);
  };
  submit("a");
  await settled();
  submit("b");
  await world.advance(1);
  submit("c");
  store.call(0).answer();
  await settled();
  assert.equal(set, 1, "for the deadline of the first");
});
