import assert from "node:assert/strict";
import { ManualWorld } from "../../tests/manual_world.ts";
import type { Adjust, Command, Sale } from "./command.ts";
import { MemoryStore } from "./memory/store.ts";
import type { RememberedLine } from "./outcome.ts";
import { Router } from "./route.ts";
import { InventoryService } from "./service.ts";

const shards = 2;
const windowMs = 60_000;
const origin = { actor: "", traceparent: "" };

/** One SKU in each shard. */
const [inFirst = "", inSecond = ""] = [0, 1].map((shard) =>
  ["A", "B", "C", "D"].find((sku) => new Router(shards).route(sku) === shard) ?? ""
);

function adjust(sku: string, adjustmentId: string): Adjust {
  return { kind: "adjust", adjustmentId, sku, delta: 9, reason: "", reference: "", ...origin };
}

function deduct(orderId: string, sku: string): Sale {
  const lines = [{ sku, amount: 1 }];
  const rest = { firstAttempt: false, hasToken: false, holdMs: 0, ...origin };
  return { kind: "deduct", orderId, userId: "u", lines, ...rest };
}

function reserve(orderId: string, sku: string): Sale {
  return { ...deduct(orderId, sku), kind: "reserve", holdMs: windowMs };
}

/** Two armed shards in memory, and books that have what `archived` says. */
async function setup(archived: () => readonly RememberedLine[] | Error) {
  const world = new ManualWorld();
  const limits = { userLimitMs: 0, idempotencyWindowMs: windowMs, backlogMax: 1_000_000 };
  const store = new MemoryStore(world, limits, shards);
  for (let shard = 0; shard < shards; shard++) {
    const seen = await store.inspect(shard);
    await store.arm(shard, { seen, epoch: 1, deployment: "d", shards, applied: 0, token: "" });
  }
  let asked = 0;
  const inventory = new InventoryService(store, world, {
    shards,
    batchMax: 256,
    callsMax: 2,
    queueMax: 1000,
    requestTimeoutMs: 1000,
    idempotencyWindowMs: windowMs,
    promisesOff: [],
    archive: {
      findOrder() {
        asked++;
        const found = archived();
        return found instanceof Error ? Promise.reject(found) : Promise.resolve(found);
      },
    },
    onBroken() {},
  });
  const accept = async (...commands: Command[]) => {
    for (const command of commands) assert.equal((await inventory.submit(command)).kind, "accepted");
  };
  await accept(adjust(inFirst, "1"), adjust(inSecond, "1"));
  return { world, store, inventory, accept, asked: () => asked };
}

const skusOf = (lines: readonly RememberedLine[]) => lines.map(({ sku }) => sku);

Deno.test("service: an order that one shard has forgotten and another has not is found whole", async () => {
  let archived: readonly RememberedLine[] = [];
  const { world, inventory, accept, asked } = await setup(() => archived);
  await accept(deduct("o", inFirst), deduct("o", inSecond));
  const before = await inventory.findOrder("o");
  assert.ok(before.kind === "order_found");
  assert.deepEqual(skusOf(before.lines), [inFirst, inSecond]);
  assert.equal(asked(), 0);

  archived = before.lines;
  await world.advance(windowMs);
  await accept(adjust(inSecond, "2")); // shards forget at moments of their own: this one turns twice, the other not
  await world.advance(windowMs);
  await accept(adjust(inSecond, "3"));
  const after = await inventory.findOrder("o");
  assert.ok(after.kind === "order_found");
  assert.deepEqual(skusOf(after.lines), [inFirst, inSecond]);
});

Deno.test("service: half of an old order is not shown as all of it when the books cannot be asked", async () => {
  let archived: readonly RememberedLine[] | Error = new Error("away");
  const { world, inventory, accept } = await setup(() => archived);
  await accept(deduct("o", inFirst));
  assert.equal((await inventory.findOrder("o")).kind, "order_found");
  await world.advance(windowMs);
  assert.deepEqual(await inventory.findOrder("o"), { kind: "store_unavailable", reason: "ledger" });
  archived = [];
  assert.equal((await inventory.findOrder("o")).kind, "order_found");
});

Deno.test("service: while one shard does not answer nothing is reserved or confirmed anywhere, and deducts go on", async () => {
  const { store, inventory, accept } = await setup(() => []);
  await accept(reserve("held", inFirst));
  await store.disarm(1, "d");
  const confirm = { kind: "confirm", orderId: "held", lines: null, ...origin } as const;
  for (const command of [confirm, reserve("more", inFirst)]) {
    assert.equal((await inventory.submit(command)).kind, "unarmed");
  }
  await accept(deduct("sold", inFirst));
  const stock = await inventory.submit({ kind: "stock", sku: inFirst });
  assert.ok(stock.kind === "stock" && stock.available === 7 && stock.reserved === 1);
});

Deno.test("service: a call that asks all shards first takes effect by the deadline of its request or never", async () => {
  const { world, store, inventory, accept } = await setup(() => []);
  await accept(reserve("held", inFirst));
  const decide = store.decide.bind(store);
  const slowMs = { lookup: 900, confirm: 200 } as Partial<Record<Command["kind"], number>>;
  store.decide = async (shard, batch) => {
    const ms = slowMs[batch[0]?.command.kind ?? "stock"] ?? 0;
    if (ms > 0) await new Promise<void>((resolve) => world.after(ms, resolve));
    return await decide(shard, batch);
  };
  const outcome = inventory.submit({ kind: "confirm", orderId: "held", lines: null, ...origin });
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
