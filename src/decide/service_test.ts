import assert from "node:assert/strict";
import { deduct, inFirst, inSecond, origin, reserve, setup, shards } from "../../tests/decide/two_shards.ts";
import type { Command, Sale } from "../domain/command.ts";
import { CommandTimings } from "./command_timings.ts";

Deno.test("service: while one shard does not answer nothing is reserved or confirmed anywhere, and deducts go on", async () => {
  const { store, inventory, accept } = await setup();
  await accept(reserve("held", inFirst));
  await store.disarm(1, "d");
  const confirm = { kind: "confirm", owner: "", orderId: "held", lines: null, ...origin } as const;
  for (const command of [confirm, reserve("more", inFirst)]) {
    assert.equal((await inventory.submit(command)).kind, "unarmed");
  }
  await accept(deduct("sold", inFirst));
  const stock = await inventory.submit({ kind: "stock", sku: inFirst });
  assert.ok(stock.kind === "stock" && stock.available === 7 && stock.reserved === 1);
});

Deno.test("service: a call that asks all shards first takes effect by the deadline of its request or never", async () => {
  const { world, store, inventory, accept } = await setup();
  await accept(reserve("held", inFirst));
  const decide = store.decide.bind(store);
  const slowMs = { lookup: 900, confirm: 200 } as Partial<Record<Command["kind"], number>>;
  store.decide = async (shard, batch) => {
    const ms = slowMs[batch[0]?.command.kind ?? "stock"] ?? 0;
    if (ms > 0) await new Promise<void>((resolve) => world.after(ms, resolve));
    return await decide(shard, batch);
  };
  const outcome = inventory.submit({ kind: "confirm", owner: "", orderId: "held", lines: null, ...origin });
  await world.advance(0);
  await world.advance(900);
  await world.advance(100);
  assert.equal((await outcome).kind, "outcome_unknown");
  await world.advance(100); // the confirmation arrives now
  const lookup = { command: { kind: "lookup", orderId: "held" }, deadlineMs: Infinity } as const;
  const result = await decide(0, [lookup]);
  const [found] = result.kind === "decided" ? result.outcomes : [];
  assert.ok(found?.kind === "order" && found.lines[0]?.state === "held");
});

Deno.test("service: look-ups of orders count for QUEUE_MAX, as commands do", async () => {
  const { world, store, inventory } = await setup();
  const decide = store.decide.bind(store);
  store.decide = async (shard, batch) => {
    await new Promise<void>((resolve) => world.after(100, resolve));
    return await decide(shard, batch);
  };
  const lookUps = Array.from({ length: 1001 }, (_, i) => inventory.findOrder(`o-${i}`));
  assert.deepEqual(await lookUps[1000], { kind: "overloaded" });
  assert.deepEqual(await inventory.submit({ kind: "stock", sku: inFirst }), { kind: "overloaded" });
  let isDrained = false;
  const drained = inventory.drained().then(() => isDrained = true);
  await world.advance(0);
  assert.ok(!isDrained, "what stops waits for look-ups");
  for (let i = 0; i < 100 && !isDrained; i++) await world.advance(100);
  await drained;
  assert.equal((await lookUps[0])?.kind, "order_found");
});

Deno.test("service: one probe a second says whether it is ready, however many ask", async () => {
  const { world, store, inventory } = await setup();
  const decide = store.decide.bind(store);
  let calls = 0;
  store.decide = async (shard, batch) => {
    if (batch.length > 0) { // an empty one tells the time alone
      calls++;
      await new Promise<void>((resolve) => world.after(200, resolve));
    }
    return await decide(shard, batch);
  };
  const ask = async () => {
    const answer = inventory.readiness();
    await world.advance(0);
    await world.advance(200);
    return (await answer).ready;
  };
  const together = Array.from({ length: 100 }, () => inventory.readiness());
  assert.deepEqual([await ask(), calls], [true, shards]);
  assert.ok((await Promise.all(together)).every(({ ready }) => ready));
  await store.disarm(0, "d");
  assert.deepEqual([await ask(), calls], [true, shards], "400 ms after the probe began");
  await world.advance(600);
  assert.ok(!await ask() && calls > shards, "another probe");
});

Deno.test("service: what is sold out is known for a second from when the store was asked, however slow it was", async () => {
  const { world, store, inventory } = await setup();
  const first = (orderId: string): Sale => ({
    ...deduct(orderId, inFirst),
    lines: [{ sku: inFirst, amount: 99 }],
  });
  const decide = store.decide.bind(store);
  let calls = 0;
  store.decide = async (shard, batch) => {
    const isSale = batch[0]?.command.kind === "deduct";
    if (isSale && ++calls === 1) await new Promise<void>((resolve) => world.after(600, resolve));
    return await decide(shard, batch);
  };
  const timings = new CommandTimings(first(""));
  const submit = (orderId: string) => inventory.submit(first(orderId), timings, () => true);
  const slow = submit("o-1");
  await world.advance(0);
  await world.advance(600);
  assert.equal((await slow).kind, "insufficient");
  await world.advance(399); // 999 ms after it was asked
  assert.equal((await submit("o-2")).kind, "insufficient");
  assert.deepEqual([calls, timings.isFromCache], [1, true], "answered out of the cache");
  await world.advance(1);
  assert.equal((await submit("o-3")).kind, "insufficient");
  assert.deepEqual([calls, timings.isFromCache], [2, false], "asked again after a second");
  assert.equal((await inventory.submit(first("o-4"))).kind, "insufficient");
  assert.equal(calls, 3, "no sale is a first attempt that does not say so");
});

// A deduct is counted without the promise that counts the others.
for (const kind of ["stock", "deduct"] as const) {
  Deno.test(`service: as many commands (${kind}) as QUEUE_MAX are on their way at once, and not one more`, async () => {
    const { world, store, inventory } = await setup();
    const decide = store.decide.bind(store);
    store.decide = async (shard, batch) => {
      await new Promise<void>((resolve) => world.after(100, resolve));
      return await decide(shard, batch);
    };
    const submit = (_: unknown, i: number) =>
      inventory.submit(kind === "stock" ? { kind, sku: inFirst } : deduct(`o-${i}`, inFirst));
    for (const round of ["first", "those that are answered count no longer"]) {
      const outcomes = Array.from({ length: 1001 }, submit);
      assert.equal((await outcomes[1000])?.kind, "overloaded", round);
      await world.advance(0);
      for (let i = 0; i < 10; i++) await world.advance(100);
      const kinds = new Set((await Promise.all(outcomes.slice(0, 1000))).map(({ kind }) => kind));
      assert.ok(!kinds.has("overloaded"), round);
    }
    const last = submit(0, 0);
    let isDrained = false;
    const drained = inventory.drained().then(() => isDrained = true);
    await world.advance(0);
    assert.ok(!isDrained, "one is on its way");
    await world.advance(100);
    await Promise.all([last, drained]);
  });
}

Deno.test("service: a probe that fails counts no longer", async () => {
  const { store, inventory } = await setup();
  store.guaranteesOff = () => {
    throw new Error("Cannot read the guarantees of a store that is broken");
  };
  await assert.rejects(inventory.readiness(), /broken/);
  await inventory.drained();
});

Deno.test("service: a shard that would not decide in time refuses at once, the others and what is on its way go on", async () => {
  const { world, store, inventory } = await setup({ batchMax: 10 });
  const decide = store.decide.bind(store);
  let last = Promise.resolve();
  const callMs = 160; // one after the other: six of them end in time
  store.decide = async (shard, batch) => {
    if (shard === inventory.shardOf(inFirst)) {
      await (last = last.then(() => new Promise((resolve) => world.after(callMs, resolve))));
    }
    return await decide(shard, batch);
  };
  const ask = () => inventory.submit({ kind: "stock", sku: inFirst });
  const first = ask(); // it asks for the time
  for (const ms of [0, callMs, 0, callMs, 0]) await world.advance(ms);
  await first;
  const outcomes = Array.from({ length: 58 }, ask);
  for (const ms of [0, callMs, 0, callMs, 0]) await world.advance(ms);
  assert.equal((await ask()).kind, "overloaded", "38 wait, and half a second is enough for 31");
  assert.equal((await inventory.findOrder("o")).kind, "overloaded", "it needs every shard");
  assert.equal((await inventory.submit({ kind: "stock", sku: inSecond })).kind, "stock");
  for (let i = 0; i < 10; i++) {
    await world.advance(callMs);
    await world.advance(0);
  }
  const kinds = new Set((await Promise.all(outcomes)).map(({ kind }) => kind));
  assert.deepEqual([...kinds], ["stock"]);
  const again = ask();
  for (const ms of [0, callMs, 0]) await world.advance(ms);
  assert.equal((await again).kind, "stock", "as soon as nothing waits");
});
