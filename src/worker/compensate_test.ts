import assert from "node:assert/strict";
import { makeEmbeddedParts, withMembers } from "../../tests/contract/embedded_parts.ts";
import { prepare, settle } from "../../tests/contract/order_commands.ts";
import { adjust, deduct, readAll } from "../../tests/contract/store_suite.ts";
import { ManualWorld } from "../../tests/manual_world.ts";
import { compensationId } from "../ledger/compensation_id.ts";
import { Compensator } from "./compensate.ts";
import { recall } from "./recall.ts";
import { rebuild } from "./rebuild.ts";

const windowMs = 60_000;

/** An order of two units that was sold again after the window: 6 of 10 units are left, and 2 are to be given back. */
async function soldTwice() {
  const world = new ManualWorld();
  const parts = await makeEmbeddedParts(world, { idempotencyWindowMs: windowMs });
  await parts.arm();
  await parts.decide(adjust("a", "S", 10), deduct("o", "S", 2));
  for (let turn = 0; turn < 2; turn++) {
    await parts.apply();
    await parts.store.acknowledge(0, await position(), parts.deployment.id);
    await world.advance(windowMs);
    await parts.decide(adjust(`turn-${turn}`, "S", 0));
  }
  const [again] = await parts.decide(deduct("o", "S", 2));
  assert.ok(again?.kind === "accepted" && !again.replayed, "the store has forgotten it");
  const applied = await parts.shard.apply(await entries());
  assert.ok(applied.kind === "applied" && applied.compensations === 1, JSON.stringify(applied));

  async function position() {
    return { epoch: 1, seq: (await parts.store.inspect(0)).position.seq };
  }
  async function entries() {
    return await parts.store.entries(0, { epoch: 1, seq: (await parts.shard.cursor()).seq }, 1000);
  }
  const available = async () => {
    const [stock] = await parts.decide({ kind: "stock", sku: "S" });
    return stock?.kind === "stock" ? stock.available : assert.fail(stock?.kind);
  };
  return { world, parts, position, entries, available };
}

Deno.test("compensator: units that an order took twice are given back once, by an adjustment that names the number", async () => {
  const { world, parts, position, entries, available } = await soldTwice();
  await using _ = parts;
  const { seq } = await position();
  assert.equal(await available(), 6);
  let asked = 0;
  const store = withMembers(parts.store, {
    decide(...args) {
      asked++;
      return parts.store.decide(...args);
    },
  });
  const compensator = new Compensator(parts.shard, store, world);
  assert.deepEqual(await compensator.step(seq, seq), { returned: 1, refused: [] });
  assert.equal(await available(), 8);
  assert.equal(asked, 1);
  const [event] = (await entries()).flatMap(({ events }) => events);
  assert.deepEqual([event?.kind, event?.id, event?.reference], [
    "adjust",
    compensationId(0, seq),
    String(seq),
  ]);
  // Not applied yet: the same adjustment is asked for again, and is a replay.
  await compensator.step(seq, seq);
  assert.equal(asked, 1, "nothing is due");
  compensator.due();
  await compensator.step(seq, seq);
  assert.deepEqual([asked, await available()], [2, 8]);
  await parts.shard.apply(await entries());
  compensator.due();
  assert.deepEqual(await compensator.step(seq + 1, seq + 1), { returned: 0, refused: [] });
  assert.equal(await available(), 8);
});

/** A basket that was prepared and sold, and is prepared again after the window. */
async function preparedTwice() {
  const world = new ManualWorld();
  const parts = await makeEmbeddedParts(world, { idempotencyWindowMs: windowMs });
  const { store, shard, deployment } = parts;
  await parts.arm();
  const amounts = { S: 2, T: 1 };
  await parts.decide(adjust("a", "S", 10), adjust("b", "T", 10), prepare("o", amounts));
  await parts.decide(settle("commit", "o", 3));
  for (const turn of ["once", "twice"]) {
    await parts.apply();
    await store.acknowledge(0, (await store.inspect(0)).position, deployment.id);
    await world.advance(windowMs);
    await parts.decide(adjust(turn, "S", 0));
  }
  const [again] = await parts.decide(prepare("o", amounts));
  assert.ok(again?.kind === "accepted" && !again.replayed, "the store has forgotten it");
  assert.partialDeepStrictEqual(await shard.apply(await readAll(store)), {
    compensations: 1,
    deadLetters: 0,
  });
  return { world, parts };
}

Deno.test("compensator: what a basket prepared again after the window is aborted, also in a store that was rebuilt since", async () => {
  const { world, parts } = await preparedTwice();
  await using _ = parts;
  const { store, shard, deployment } = parts;
  const rebuilt = await rebuild(await store.inspect(0), 0, {
    control: store,
    ledger: shard,
    deployment,
    world,
  });
  const { seq, token, chunks } = rebuilt;
  const arming = { ...deployment, deployment: deployment.id, epoch: 9, applied: seq, token, chunks };
  assert.ok(await store.arm(0, { ...arming, seen: await store.inspect(0) }));
  const stock = async () => (await parts.decide({ kind: "stock", sku: "S" }))[0];
  assert.partialDeepStrictEqual(await stock(), { available: 6, reserved: 2 });
  const compensator = new Compensator(shard, store, world);
  assert.deepEqual(await compensator.step(seq, seq), { returned: 2, refused: [] });
  assert.partialDeepStrictEqual(await stock(), { available: 8, reserved: 0 });
  const cursor = await shard.cursor();
  assert.partialDeepStrictEqual(await shard.apply(await store.entries(0, cursor, 1000)), { kind: "applied" });
  assert.deepEqual(await shard.compensations({ seq: 0, sku: "" }, 10), []);
});

Deno.test("compensator: what was prepared again and sold nevertheless is given back once, as of any second sale", async () => {
  const { world, parts } = await preparedTwice();
  await using _ = parts;
  const { store, shard } = parts;
  const { seq } = (await store.inspect(0)).position;
  await parts.decide(settle("commit", "o", seq));
  await shard.apply(await readAll(store));
  const compensator = new Compensator(shard, store, world);
  assert.deepEqual(await compensator.step(seq, seq + 1), { returned: 2, refused: [] });
  await shard.apply(await readAll(store));
  assert.deepEqual(await shard.compensations({ seq: 0, sku: "" }, 10), []);
  const [stock] = await parts.decide({ kind: "stock", sku: "S" });
  assert.partialDeepStrictEqual(stock, { available: 8, reserved: 0 });
});

Deno.test("compensator: an abort whose number is lost is taken from the store, and closes the compensation", async () => {
  const { world, parts } = await preparedTwice();
  await using _ = parts;
  const { store, shard } = parts;
  const { seq } = (await store.inspect(0)).position;
  await parts.decide(settle("abort", "o", seq));
  const lost = { fromSeq: seq, toSeq: seq + 1, actor: "operator", reason: "restored" };
  const reader = {
    names: () => Promise.resolve({ names: [], next: null }),
    read: () => Promise.resolve({ head: seq + 1, values: [] }),
  };
  const { corrections, events } = await recall(await store.inspect(0), lost, {
    ...{ control: store, reader, ledger: shard, world },
  });
  assert.deepEqual(corrections, []);
  assert.partialDeepStrictEqual(events, [{ kind: "abort", id: "o", seq: seq + 1 }]);
  await shard.jump({ ...lost, to: { epoch: 1, seq: seq + 1 }, corrections, recalled: events });
  assert.deepEqual(await shard.compensations({ seq: 0, sku: "" }, 10), []);
});

Deno.test("compensator: nothing is looked up before the ledger has all that the store had issued", async () => {
  const { world, parts, position, available } = await soldTwice();
  await using _ = parts;
  const { seq } = await position();
  const compensator = new Compensator(parts.shard, parts.store, world);
  assert.deepEqual(await compensator.step(seq + 3, seq + 2), { returned: 0, refused: [] });
  assert.deepEqual(await compensator.step(seq + 9, seq + 2), { returned: 0, refused: [] });
  assert.equal(await available(), 6);
  assert.equal(
    (await compensator.step(seq + 9, seq + 3)).returned,
    1,
    "what the first look saw is what counts",
  );
});

Deno.test("compensator: what was refused is tried again after ten seconds, and not before", async () => {
  const { world, parts, position } = await soldTwice();
  await using _ = parts;
  const { seq } = await position();
  const compensator = new Compensator(parts.shard, parts.store, world);
  await parts.store.disarm(0, parts.deployment.id);
  assert.deepEqual(await compensator.step(seq, seq), { returned: 0, refused: ["2 units of 'S': unarmed"] });
  await parts.arm();
  await world.advance(9_999);
  assert.deepEqual(await compensator.step(seq, seq), { returned: 0, refused: [] });
  await world.advance(1);
  assert.deepEqual(await compensator.step(seq, seq), { returned: 1, refused: [] });
});

Deno.test("compensator: each check waits for what the store had issued by then, and ten seconds count from the last", async () => {
  const { world, parts, position } = await soldTwice();
  await using _ = parts;
  const { seq } = await position();
  let checks = 0;
  const ledger = withMembers(parts.shard, {
    compensations: () => {
      checks++;
      return Promise.resolve([]);
    },
  });
  const compensator = new Compensator(ledger, parts.store, world);
  await compensator.step(seq, seq);
  compensator.due();
  await compensator.step(seq + 9, seq + 3);
  assert.equal(checks, 1, "the ledger is behind again");
  await world.advance(10_000);
  await compensator.step(seq + 9, seq + 9);
  await compensator.step(seq + 9, seq + 9);
  assert.equal(checks, 2);
});

Deno.test("compensator: compensations are read page by page, each page behind the last of the one before", async () => {
  const { world, parts, position } = await soldTwice();
  await using _ = parts;
  const { seq } = await position();
  const [due = assert.fail("no compensation")] = await parts.shard.compensations({ seq: 0, sku: "" }, 1);
  const asked: unknown[] = [];
  const ledger = withMembers(parts.shard, {
    compensations: ({ seq, sku }: { seq: number; sku: string }, limit: number) => {
      asked.push([seq, sku]);
      const first = (asked.length - 1) * limit;
      const rows = Array.from({ length: limit }, (_, i) => ({ ...due, seq: 1000 + first + i, amount: 0 }));
      return Promise.resolve(asked.length < 3 ? rows : rows.slice(1));
    },
  });
  const { returned, refused } = await new Compensator(ledger, parts.store, world).step(seq, seq);
  assert.deepEqual(asked, [[0, ""], [1099, "S"], [1199, "S"]]);
  assert.deepEqual([returned, refused], [299, []]);
});
