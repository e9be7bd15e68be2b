import assert from "node:assert/strict";
import { ManualWorld } from "../../tests/manual_world.ts";
import type { Sale } from "../domain/command.ts";
import type { BasketDecisions } from "./basket_decisions.ts";
import { MemoryStore } from "./memory/store.ts";
import { Router } from "./router.ts";
import { InventoryService } from "./service.ts";

const shards = 3;
const limits = { userLimitMs: 0, idempotencyWindowMs: 60_000, backlogMax: 1_000_000 };
const origin = { actor: "", traceparent: "" };

/** One SKU in each shard. */
const skus = Array.from({ length: shards }, (_, shard) => {
  const names = Array.from({ length: 20 }, (_, i) => `sku-${i}`);
  return names.find((sku) => new Router(shards).route(sku) === shard) ?? "";
});

/** Every basket whose lines are prepared is committed. */
const decisions: BasketDecisions = {
  begin: () => Promise.resolve({ kind: "begun" }),
  commit: () => Promise.resolve("committed"),
  abort: () => Promise.resolve("aborted"),
  find: () => Promise.resolve(undefined),
};

/** Three shards in memory with units of each SKU, and an API. */
async function setup() {
  const world = new ManualWorld();
  const store = new MemoryStore(world, limits, shards);
  const arm = async (shard: number, epoch: number) => {
    const seen = await store.inspect(shard);
    const applied = seen.position.seq;
    await store.arm(shard, { seen, epoch, deployment: "d", shards, applied, token: "", chunks: 0 });
  };
  const inventory = new InventoryService(store, world, {
    ...{ shards, batchMax: 256, callsMax: 2, queueMax: 1000, requestTimeoutMs: 1000, decisions },
    guaranteesOff: () => [],
    archive: {
      findOrder: () => Promise.resolve({ lines: [], appliedSeqs: new Map() }),
      findReturn: () => Promise.resolve([]),
      findAdjustment: () => Promise.resolve({ made: undefined, appliedSeq: 0 }),
    },
    onBroken() {},
  });
  for (const [shard, sku] of skus.entries()) {
    await arm(shard, 1);
    const note = { reason: "", reference: "", ...origin };
    const outcome = await inventory.submit({ kind: "adjust", adjustmentId: "a", sku, delta: 100, ...note });
    assert.equal(outcome.kind, "accepted");
  }
  return {
    world,
    arm,
    disarm: (shard: number) => store.disarm(shard, "d"),
    /** Sends a basket of one unit of each shard; the kind of its outcome. */
    buy: async (orderId: string) => {
      const lines = skus.map((sku) => ({ sku, amount: 1 }));
      const rest = { hasToken: false, holdMs: 0, ...origin };
      const sale: Sale = { kind: "order", orderId, userId: "u", lines, ...rest };
      return (await inventory.submit(sale)).kind;
    },
    /** Number of the last event of each shard. */
    heads: () => Promise.all(skus.map(async (_, shard) => (await store.inspect(shard)).position.seq)),
  };
}

for (let away = 0; away < shards; away++) {
  Deno.test(`baskets: retries write nothing in other shards while shard ${away} does not decide`, async () => {
    const { arm, disarm, buy, heads } = await setup();
    await disarm(away);
    assert.equal(await buy("first"), "unarmed");
    const before = await heads();
    for (let i = 0; i < 20; i++) assert.equal(await buy(`order-${i % 4}`), "unarmed");
    assert.deepEqual(await heads(), before);

    await arm(away, 2);
    assert.equal(await buy("order-0"), "accepted");
    // Prepared and committed, in each shard.
    assert.deepEqual(await heads(), before.map((seq) => seq + 2));
  });
}

Deno.test("baskets: of two shards that did not decide, the last one is asked first", async () => {
  const { world, arm, disarm, buy, heads } = await setup();
  await disarm(0);
  assert.equal(await buy("first"), "unarmed");
  await arm(0, 2);
  await world.advance(100);
  await disarm(2);
  assert.equal(await buy("second"), "unarmed");
  const before = await heads();
  for (let i = 0; i < 20; i++) assert.equal(await buy(`order-${i % 4}`), "unarmed");
  assert.deepEqual(await heads(), before);
});
