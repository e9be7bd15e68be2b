import assert from "node:assert/strict";
import { makeEmbeddedParts, withMembers } from "../../tests/contract/embedded_parts.ts";
import { adjust, deduct, readAll } from "../../tests/contract/store_suite.ts";
import { ManualWorld } from "../../tests/manual_world.ts";
import { rebuild } from "./rebuild.ts";

const windowMs = 600_000;

Deno.test("rebuild: lines of the whole idempotency window are remembered, and older ones are not", async () => {
  const world = new ManualWorld();
  await using parts = await makeEmbeddedParts(world, { idempotencyWindowMs: windowMs });
  const { store, shard, deployment } = parts;
  await parts.arm();
  await parts.decide(adjust("a", "S", 10), deduct("too-old", "S"));
  await world.advance(1);
  await parts.decide(deduct("oldest", "S", 2));
  await world.advance(windowMs / 2 + 1);
  await parts.decide(deduct("older-than-half", "S", 3));
  await world.advance(windowMs / 2 - 1);
  await parts.apply();

  const view = await store.inspect(0);
  let beats = 0;
  const ledger = withMembers(shard, { beat: () => Promise.resolve(void beats++) });
  const rebuilt = await rebuild(view, 0, { control: store, ledger, deployment, world });
  assert.equal(beats, 2, "after stock and quotas: no reservation is set aside");
  assert.deepEqual({ seq: rebuilt.seq, lost: rebuilt.lost, skus: rebuilt.skus, lines: rebuilt.lines }, {
    ...{ seq: 4, lost: 0, skus: 1, lines: 2 },
  });
  const { seq, token, chunks } = rebuilt;
  const arming = { ...deployment, deployment: deployment.id, epoch: 9, applied: seq, token, chunks };
  assert.ok(await store.arm(0, { ...arming, seen: await store.inspect(0) }));
  const outcomes = await parts.decide(deduct("oldest", "S", 2), deduct("older-than-half", "S", 3));
  assert.deepEqual(
    outcomes.map((outcome) => outcome.kind === "accepted" && [outcome.seq, outcome.replayed]),
    [
      [3, true],
      [4, true],
    ],
  );
  const [old] = await parts.decide({ kind: "lookup", orderId: "too-old" });
  assert.ok(old?.kind === "order" && old.lines.length === 0, JSON.stringify(old));
});

Deno.test("rebuild: a worker whose clock is ahead leaves out no line of the window", async () => {
  const world = new ManualWorld();
  await using parts = await makeEmbeddedParts(world, { idempotencyWindowMs: windowMs });
  const { store, shard, deployment } = parts;
  await parts.arm();
  await parts.decide(adjust("a", "S", 10), deduct("o", "S", 2));
  await parts.apply();
  const ahead = withMembers(world, { now: () => world.now() + 2 * windowMs });
  const view = await store.inspect(0);
  const { lines } = await rebuild(view, 0, { control: store, ledger: shard, deployment, world: ahead });
  assert.equal(lines, 2);
});

Deno.test("rebuild: stock of more than one chunk is restored whole, and the last chunk may be a full one", async () => {
  const world = new ManualWorld();
  await using parts = await makeEmbeddedParts(world);
  const { store, shard, deployment } = parts;
  await parts.arm();
  const all = Array.from({ length: 2000 }, (_, i) => `S${1000 + i}`);
  const rows = all.map((sku) => ({ sku, available: 1, reserved: 0, policy: null }));
  const stock = (after: string, limit: number) =>
    Promise.resolve(rows.filter(({ sku }) => sku > after).slice(0, limit));
  const ledger = withMembers(shard, { stock });
  const rebuilt = await rebuild(await store.inspect(0), 0, { control: store, ledger, deployment, world });
  assert.equal(rebuilt.skus, 2000);
});

Deno.test("rebuild: numbers go on behind the highest that was seen anywhere, and the rest counts as lost", async () => {
  const world = new ManualWorld();
  await using parts = await makeEmbeddedParts(world);
  const { store, shard, deployment } = parts;
  await parts.arm();
  await parts.decide(adjust("a", "S", 10));
  await parts.apply();
  const view = await store.inspect(0);
  const rebuildTo = async (highest: number, seenSeq: number) => {
    const seen = { ...view, position: { ...view.position, seq: seenSeq } };
    const { seq, lost } = await rebuild(seen, highest, { control: store, ledger: shard, deployment, world });
    return [seq, lost, (await store.inspect(0)).position.seq];
  };
  assert.deepEqual(await rebuildTo(0, 1), [1, 0, 1]);
  assert.deepEqual(await rebuildTo(7, 1), [7, 6, 7]);
  assert.deepEqual(await rebuildTo(3, 9), [9, 8, 9]);
});

Deno.test("rebuild: what users bought of a SKU with a quota counts again, and reserved units stay reserved", async () => {
  const world = new ManualWorld();
  await using parts = await makeEmbeddedParts(world);
  const { store, shard, deployment } = parts;
  await parts.arm();
  const rules = { opensAtMs: null, closesAtMs: null, quota: 3, tokenRequired: false, expected: 0 } as const;
  const origin = { actor: "", traceparent: "" };
  await parts.decide(adjust("a", "S", 10), { kind: "rules", sku: "S", ...rules, ...origin });
  await parts.decide(deduct("o", "S", 2), {
    ...deduct("r", "S", 1, "user-2"),
    kind: "reserve",
    holdMs: 60_000,
  });
  await parts.apply();
  const { seq, token, chunks } = await rebuild(await store.inspect(0), 0, {
    control: store,
    ledger: shard,
    deployment,
    world,
  });
  const arming = { ...deployment, deployment: deployment.id, epoch: 9, applied: seq, token, chunks };
  assert.ok(await store.arm(0, { ...arming, seen: await store.inspect(0) }));
  const [tooMany, stock] = await parts.decide(deduct("p", "S", 2), { kind: "stock", sku: "S" });
  assert.deepEqual(tooMany, { kind: "quota_exceeded", sku: "S", quota: 3, left: 1 });
  assert.partialDeepStrictEqual(stock, { kind: "stock", available: 7, reserved: 1 });
});

Deno.test("rebuild: a reservation that was made again after the window ends, although it is a dead letter", async () => {
  const world = new ManualWorld();
  await using parts = await makeEmbeddedParts(world, { idempotencyWindowMs: 100_000 });
  const { store, shard, deployment } = parts;
  const reserve = { ...deduct("r", "S", 2), kind: "reserve", holdMs: 60_000 } as const;
  const by = { orderId: "r", owner: "", actor: "", traceparent: "" };
  await parts.arm();
  await parts.decide(adjust("a", "S", 10), reserve, { kind: "cancel", ...by });
  await parts.apply();
  for (const id of ["turn", "turn-again"]) {
    await world.advance(100_001);
    await store.acknowledge(0, (await store.inspect(0)).position, deployment.id);
    await parts.decide(deduct(id, "S"));
    await parts.apply();
  }
  const again = await parts.decide(reserve, { kind: "extend", holdMs: 90_000, ...by });
  assert.deepEqual(again.map(({ kind }) => kind), ["accepted", "extended"]);
  assert.partialDeepStrictEqual(await shard.apply(await readAll(store)), { kind: "applied", deadLetters: 2 });

  let beats = 0;
  const ledger = withMembers(shard, { beat: () => Promise.resolve(void beats++) });
  const { seq, token, chunks } = await rebuild(await store.inspect(0), 0, {
    control: store,
    ledger,
    deployment,
    world,
  });
  assert.equal(beats, 3, "after each chunk of stock, quotas and reservations that were set aside");
  const arming = { ...deployment, deployment: deployment.id, epoch: 9, applied: seq, token, chunks };
  assert.ok(await store.arm(0, { ...arming, seen: await store.inspect(0) }));
  const stock = { kind: "stock", sku: "S" } as const;
  await world.advance(89_000);
  assert.partialDeepStrictEqual((await parts.decide(stock))[0], { available: 6, reserved: 2 });
  await world.advance(2000);
  assert.partialDeepStrictEqual((await parts.decide(stock))[0], { available: 8, reserved: 0 });
});
