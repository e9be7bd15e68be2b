import assert from "node:assert/strict";
import { HeldStore, names, warm } from "../../tests/decide/held_batcher.ts";
import { ManualWorld, settled } from "../../tests/manual_world.ts";
import type { Command } from "../domain/command.ts";
import { Batcher } from "./batcher.ts";
import { StoreError } from "../domain/errors.ts";
import type { BatchResult } from "./store.ts";

Deno.test("batcher: an idle batcher sends at once, without a timer", async () => {
  const { store, submit } = await warm();
  const [outcome] = submit("a");
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(store.calls.length, 1);
  store.call(0).answer();
  assert.equal((await outcome)?.kind, "order");
});

Deno.test("batcher: one command after another leaves at once, several wait for the end of the turn", async () => {
  const { world, store, submit } = await warm({ batchMax: 10, callsMax: 2 });
  const answers = async () => {
    await settled();
    store.call(store.calls.length - 1).answer();
    await settled();
  };
  submit("a");
  await answers();
  submit("b");
  await answers();
  assert.equal(world.turns, 0, "alone");
  submit("c", "d");
  await answers();
  submit("e");
  await answers();
  assert.equal(world.turns, 1, "the call before had two");
  submit("f");
  await settled();
  submit("g");
  await settled();
  assert.equal(world.turns, 2, "a call is on its way");
  assert.deepEqual(store.calls.map(names), [["a"], ["b"], ["c", "d"], ["e"], ["f"], ["g"]]);
});

Deno.test("batcher: what arrives while a call is on its way leaves together in the next, in order", async () => {
  const { store, submit } = await warm({ batchMax: 10 });
  submit("a");
  await settled();
  submit("b", "c");
  await settled();
  submit("d");
  await settled();
  assert.equal(store.calls.length, 1);
  store.call(0).answer();
  await settled();
  assert.deepEqual(store.calls.map(names), [["a"], ["b", "c", "d"]]);
});

Deno.test("batcher: a batch holds no more lines than it may, but always one command", async () => {
  const { store, batcher, submit } = await warm({ batchMax: 3 });
  submit("a");
  await settled();
  submit("b", "c", "d", "e");
  const lines = Array.from({ length: 5 }, (_, i) => ({ sku: `S${i}`, amount: 1 }));
  const big: Command = {
    kind: "deduct",
    orderId: "big",
    userId: "u",
    lines,
    hasToken: false,
    holdMs: 0,
    actor: "",
    traceparent: "",
  };
  void batcher.submit(big);
  for (const _ of [0, 1, 2, 3]) {
    await settled();
    store.call(store.calls.length - 1).answer();
  }
  await settled();
  assert.deepEqual(store.calls.map(names), [["a"], ["b", "c", "d"], ["e"], ["big"]]);
});

Deno.test("batcher: keeps no more calls on their way than it may", async () => {
  const { store, submit } = await warm({ callsMax: 2 });
  submit("a");
  await settled();
  submit("b");
  await settled();
  submit("c");
  await settled();
  assert.deepEqual(store.calls.map(names), [["a"], ["b"]]);
});

Deno.test("batcher: while the next call is full more of them may be on their way, and it does not wait for the turn", async () => {
  const { store, submit } = await warm({ callsMax: 1, fullCallsMax: 3 });
  submit("a", "b", "c", "d", "e", "f", "g");
  await settled();
  assert.deepEqual(store.calls.map(names), [["a", "b", "c"], ["d", "e", "f"]], "the rest is no full call");
  submit("h", "i", "j", "k", "l", "m");
  await settled();
  assert.deepEqual(store.calls.map(names).slice(2), [["g", "h", "i"]], "and three are on their way");
});

Deno.test("batcher: one with more calls on their way than usual is behind, though nothing waits for a call", async () => {
  const { world, store, batcher, submit } = await warm({ callsMax: 1, fullCallsMax: 4 });
  submit(...Array.from({ length: 12 }, (_, i) => `o${i}`));
  await settled();
  assert.deepEqual([store.calls.length, batcher.waiting], [4, 0]);
  for (const call of [0, 1]) {
    assert.ok(!batcher.isBehind, "its speed is not known yet");
    await world.advance(400);
    store.call(call).answer();
    await settled();
  }
  assert.ok(batcher.isBehind, "6 are before it at 133 ms each");
});

Deno.test("batcher: a lost connection leaves the outcome unknown, a refusal of the server does not", async () => {
  const { store, submit } = await warm();
  const [lost] = submit("a");
  await settled();
  store.call(0).fail(new StoreError("connection_lost", "unknown", "lost"));
  assert.equal((await lost)?.kind, "outcome_unknown");
  const [refused] = submit("b");
  await settled();
  store.call(1).fail(new StoreError("LOADING", "none", "loading"));
  assert.deepEqual(await refused, { kind: "store_unavailable", reason: "LOADING" });
});

Deno.test("batcher: a poisonous command does not take its batch with it", async () => {
  const { store, submit } = await warm();
  const [first] = submit("a");
  await settled();
  const rest = submit("b", "poison", "c");
  await settled();
  store.call(0).answer();
  await settled();
  const poison = new StoreError("script", "poison", "threw");
  store.call(1).fail(poison);
  await settled();
  store.call(2).answer();
  await settled();
  store.call(3).fail(poison);
  await settled();
  store.call(4).answer();
  assert.deepEqual(store.calls.slice(2).map(names), [["b"], ["poison"], ["c"]]);
  const outcomes = await Promise.all([first, ...rest]);
  assert.deepEqual(outcomes.map((outcome) => outcome?.kind), [
    "order",
    "order",
    "store_unavailable",
    "order",
  ]);
});

Deno.test("batcher: an error that no store should throw is reported, and the outcome is unknown", async () => {
  const { store, submit, broken } = await warm();
  const [outcome] = submit("a");
  await settled();
  const error = new TypeError("broken");
  store.call(0).fail(error);
  assert.equal((await outcome)?.kind, "outcome_unknown");
  assert.deepEqual(broken, [error]);
});

Deno.test("batcher: what a call had no time for goes into the next, and light commands pass heavy ones", async () => {
  const { store, submit } = await warm({ batchMax: 200 });
  const outcomes = submit("a", "b", "c");
  await settled();
  submit("d", "e");
  store.call(0).answer({ b: 100, c: 150 });
  await settled();
  assert.deepEqual(names(store.call(1)), ["b", "d", "e"]);
  store.call(1).answer();
  await settled();
  assert.deepEqual(names(store.call(2)), ["c"]);
  store.call(2).answer();
  assert.deepEqual((await Promise.all(outcomes)).map(({ kind }) => kind), ["order", "order", "order"]);
});

Deno.test("batcher: what is postponed until there is no time for another call was certainly not decided", async () => {
  const { world, store, submit } = await warm();
  const [outcome] = submit("a");
  for (let call = 0; call < 8; call++) {
    await settled();
    await world.advance(100);
    store.call(call).answer({ a: 0 });
  }
  assert.deepEqual(await outcome, { kind: "postponed", lines: 0 });
  assert.equal(store.calls.length, 8);
});

Deno.test("batcher: a store without memory is said to be full, and another refusal by its code", async () => {
  const { store, submit } = await warm();
  const [full] = submit("a");
  await settled();
  store.call(0).fail(new StoreError("OOM", "none", "OOM command not allowed"));
  assert.deepEqual(await full, { kind: "store_full" });
  const [away] = submit("b");
  await settled();
  store.call(1).fail(new StoreError("LOADING", "none", "LOADING"));
  assert.deepEqual(await away, { kind: "store_unavailable", reason: "LOADING" });
});

Deno.test("batcher: a shard that may not sell is known as such until it decides again", async () => {
  const world = new ManualWorld();
  const store = new HeldStore(world);
  const batcher = new Batcher(0, store, world, {
    ...{ batchMax: 3, callsMax: 1, requestTimeoutMs: 1000 },
    onBroken() {},
  });
  const decide = store.decide.bind(store);
  let asked = 0;
  store.decide = () => {
    asked++;
    return Promise.resolve({ kind: "unarmed", timeMs: 0, reason: "it is verified" });
  };
  const ask = () => batcher.submit({ kind: "lookup", orderId: "a" });
  assert.deepEqual(await ask(), { kind: "unarmed", timeMs: 0, reason: "it is verified" });
  assert.deepEqual([asked, batcher.unarmed], [1, true], "the question for the time was enough");
  store.decide = decide;
  const answer = ask();
  await settled();
  assert.ok(!batcher.unarmed);
  assert.equal(store.calls.length, 1);
  store.decide = () => Promise.resolve({ kind: "unarmed", timeMs: 0 });
  store.call(0).answer();
  assert.equal((await answer).kind, "order");
  assert.equal((await ask()).kind, "unarmed");
  assert.ok(batcher.unarmed);
});

Deno.test("batcher: one that is behind says so, until its queue has been empty", async () => {
  const { world, store, batcher, submit } = await warm({ batchMax: 3 });
  const orders = submit(...Array.from({ length: 16 }, (_, i) => `o${i}`));
  await settled();
  const seen: boolean[] = [];
  // 3 commands a call of 100 ms: the 10 that are open after the second would take 333 ms, less than half of their time.
  for (const ms of [10, 100, 100, 100, 100, 100]) {
    await world.advance(ms);
    store.calls.at(-1)?.answer();
    await settled();
    seen.push(batcher.isBehind);
  }
  assert.deepEqual(seen, [false, false, false, false, false, false]);
  await Promise.all(orders);
  const slow = submit(...Array.from({ length: 19 }, (_, i) => `p${i}`));
  await settled();
  for (const ms of [10, 200, 200, 200]) {
    await world.advance(ms);
    store.calls.at(-1)?.answer();
    await settled();
    seen.push(batcher.isBehind);
  }
  assert.deepEqual(
    seen.slice(6),
    [false, true, true, false],
    "13 are before it at 67 ms each, then 10, then 7",
  );
  await world.advance(1_000);
  store.calls.at(-1)?.answer();
  await Promise.all(slow);
  assert.ok(!batcher.isBehind);
});

Deno.test("batcher: one whose commands are all on their way is not behind, and half of the time is not too long", async () => {
  const { world, store, batcher, submit } = await warm({ batchMax: 3 });
  const answerAfter = async (ms: number) => {
    await world.advance(ms);
    store.calls.at(-1)?.answer();
    await settled();
  };
  submit(...Array.from({ length: 9 }, (_, i) => `o${i}`));
  await settled();
  await answerAfter(10);
  await answerAfter(600);
  assert.deepEqual([batcher.waiting, batcher.isBehind], [0, false], "3 at 200 ms each, and none waits");
  await answerAfter(300);
  submit(...Array.from({ length: 8 }, (_, i) => `p${i}`));
  await settled();
  await answerAfter(10);
  await answerAfter(300);
  submit("q0", "q1", "q2");
  assert.ok(!batcher.isBehind, "5 at 100 ms each");
  submit("q3");
  assert.ok(batcher.isBehind, "6 at 100 ms each");
  batcher.close();
});

Deno.test("batcher: a probe says what is missing, with the reason if there is one", async () => {
  const { store, batcher } = await warm();
  const canary: Command = { kind: "lookup", orderId: "canary" };
  const probeOn = (result: BatchResult) => {
    store.decide = () => Promise.resolve(result);
    return batcher.probe(canary);
  };
  assert.equal(await probeOn({ kind: "unarmed", timeMs: 0 }), "unarmed");
  assert.equal(await probeOn({ kind: "unarmed", timeMs: 0, reason: "no worker" }), "unarmed: no worker");
});
