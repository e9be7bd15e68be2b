import assert from "node:assert/strict";
import { withMembers } from "../../tests/contract/embedded_parts.ts";
import { ManualWorld } from "../../tests/manual_world.ts";
import type { MadeAdjustment } from "../domain/adjustment.ts";
import type { Adjust, Command, Return, Sale } from "../domain/command.ts";
import { MemoryStore } from "./memory/store.ts";
import { type RememberedLine, unsettled } from "../domain/outcome.ts";
import { Router } from "./router.ts";
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

/** What the ledger has: both shards up to `appliedSeq`. */
interface LedgerContents {
  lines: readonly RememberedLine[];
  returned: readonly RememberedLine[];
  adjusted: MadeAdjustment | undefined;
  appliedSeq: number;
  isAway: boolean;
}

/** Two armed shards in memory, and a ledger with what the test puts there. */
async function setup({ batchMax = 256, behindMs = 0 } = {}) {
  const world = new ManualWorld();
  const limits = { userLimitMs: 0, idempotencyWindowMs: windowMs, backlogMax: 1_000_000 };
  const store = new MemoryStore(world, limits, shards);
  for (let shard = 0; shard < shards; shard++) {
    const seen = await store.inspect(shard);
    await store.arm(shard, { seen, epoch: 1, deployment: "d", shards, applied: 0, token: "", chunks: 0 });
  }
  const ledger: LedgerContents = {
    lines: [],
    returned: [],
    adjusted: undefined,
    appliedSeq: 1_000_000,
    isAway: false,
  };
  let asked = 0;
  const apiWorld = withMembers(world, { now: () => world.now() - behindMs });
  const inventory = new InventoryService(store, apiWorld, {
    shards,
    batchMax,
    callsMax: 2,
    queueMax: 1000,
    requestTimeoutMs: 1000,
    guaranteesOff: () => [],
    decisions: null,
    archive: {
      findOrder() {
        asked++;
        const appliedSeqs = new Map([[0, ledger.appliedSeq], [1, ledger.appliedSeq]]);
        return ledger.isAway
          ? Promise.reject(new Error("away"))
          : Promise.resolve({ lines: ledger.lines, appliedSeqs });
      },
      findReturn: () => Promise.resolve(ledger.returned),
      findAdjustment() {
        asked++;
        const { adjusted: made, appliedSeq, isAway } = ledger;
        return isAway ? Promise.reject(new Error("away")) : Promise.resolve({ made, appliedSeq });
      },
    },
    onBroken() {},
  });
  const accept = async (...commands: Command[]) => {
    for (const command of commands) assert.equal((await inventory.submit(command)).kind, "accepted");
  };
  await accept(adjust(inFirst, "1"), adjust(inSecond, "1"));
  /** Makes a shard forget what it has: two windows pass, and everything is applied. */
  const forget = async (sku: string) => {
    for (let turn = 0; turn < 2; turn++) {
      const shard = inventory.shardOf(sku);
      await store.acknowledge(shard, { epoch: 1, seq: (await store.inspect(shard)).position.seq }, "d");
      await world.advance(windowMs);
      await accept(adjust(sku, `turn-${++turns}`));
    }
  };
  return { world, store, inventory, accept, forget, ledger, asked: () => asked };
}

let turns = 0;
const skusOf = (lines: readonly RememberedLine[]) => lines.map(({ sku }) => sku);

async function linesOf(inventory: InventoryService, orderId: string): Promise<readonly RememberedLine[]> {
  const found = await inventory.findOrder(orderId);
  return found.kind === "order_found" ? found.lines : assert.fail(found.kind);
}

Deno.test("service: an order that one shard has forgotten and another has not is found whole", async () => {
  const { inventory, accept, forget, ledger, asked } = await setup();
  await accept(deduct("o", inFirst), deduct("o", inSecond));
  const before = await linesOf(inventory, "o");
  assert.deepEqual(skusOf(before), [inFirst, inSecond]);
  assert.equal(asked(), 0);

  ledger.lines = before;
  await forget(inSecond); // shards forget at moments of their own
  assert.deepEqual(skusOf(await linesOf(inventory, "o")), [inFirst, inSecond]);
});

Deno.test("service: an API whose clock is behind asks the ledger for an order that a shard may have forgotten", async () => {
  const { inventory, accept, forget, ledger } = await setup({ behindMs: 3 * windowMs });
  await accept(deduct("o", inFirst), deduct("o", inSecond));
  ledger.lines = await linesOf(inventory, "o");
  await forget(inSecond);
  assert.deepEqual(skusOf(await linesOf(inventory, "o")), [inFirst, inSecond]);
});

Deno.test("service: half of an old order is not shown as all of it when the ledger cannot be asked, or is behind", async () => {
  const { inventory, accept, forget, ledger, asked } = await setup();
  await accept(deduct("o", inFirst));
  await linesOf(inventory, "o");
  await forget(inSecond);
  ledger.isAway = true;
  assert.deepEqual(await inventory.findOrder("o"), { kind: "store_unavailable", reason: "ledger" });
  ledger.isAway = false;
  ledger.appliedSeq = 0;
  assert.deepEqual(await inventory.findOrder("o"), { kind: "ledger_behind" });
  ledger.appliedSeq = 1;
  assert.deepEqual(skusOf(await linesOf(inventory, "o")), [inFirst]);
  assert.equal(asked(), 3);
});

Deno.test("service: an order that no shard remembers is not called unknown while the ledger is behind", async () => {
  const { inventory, accept, forget, ledger } = await setup();
  await accept(deduct("o", inFirst));
  const lines = await linesOf(inventory, "o");
  await forget(inFirst);
  ledger.appliedSeq = 1; // the order is number 2
  assert.deepEqual(await inventory.findOrder("o"), { kind: "ledger_behind" });
  ledger.appliedSeq = 2;
  ledger.lines = lines;
  assert.deepEqual(await linesOf(inventory, "o"), lines);
});

const returnUnits = (returnId: string, sku: string): Return => {
  const lines = [{ sku, amount: 1 }];
  return { kind: "return", owner: "", orderId: "o", returnId, lines, reason: "", ledger: null, ...origin };
};

Deno.test("service: a return past the window is decided with what the ledger has, and not while that is too old", async () => {
  const { inventory, accept, forget, ledger, asked } = await setup();
  await accept(deduct("o", inFirst), deduct("o", inSecond));
  ledger.lines = await linesOf(inventory, "o");
  assert.equal((await inventory.submit(returnUnits("none", inFirst))).kind, "accepted");
  assert.equal(asked(), 0);
  await forget(inSecond);
  ledger.appliedSeq = 1;
  assert.deepEqual(await inventory.submit(returnUnits("r", inSecond)), { kind: "ledger_behind" });
  ledger.isAway = true;
  assert.equal((await inventory.submit(returnUnits("r", inSecond))).kind, "store_unavailable");
  ledger.isAway = false;
  ledger.appliedSeq = 2;
  assert.equal((await inventory.submit(returnUnits("r", inSecond))).kind, "accepted");
  assert.equal((await inventory.submit(returnUnits("s", inSecond))).kind, "exceeds");
});

Deno.test("service: a return that is sent again past the window hears its first answer from the ledger", async () => {
  const { inventory, accept, forget, ledger } = await setup();
  await accept(deduct("o", inFirst));
  const [line = assert.fail()] = await linesOf(inventory, "o");
  const first = await inventory.submit(returnUnits("r", inFirst));
  assert.ok(first.kind === "accepted");
  await forget(inFirst);
  ledger.lines = [{ ...line, units: 0 }];
  const returned = {
    ...line,
    ...unsettled,
    kind: "return",
    owner: "",
    seq: first.seq,
    newStock: first.newStock[0] ?? -1,
  };
  ledger.returned = [returned];
  assert.deepEqual(await inventory.submit(returnUnits("r", inFirst)), { ...first, replayed: true });
});

Deno.test("service: an adjustment that is sent again past the window hears its first answer from the ledger", async () => {
  const { inventory, forget, ledger, asked } = await setup();
  const available = async () => {
    const stock = await inventory.submit({ kind: "stock", sku: inFirst });
    return stock.kind === "stock" && stock.available;
  };
  const first = await inventory.submit(adjust(inFirst, "a"));
  assert.ok(first.kind === "accepted");
  assert.deepEqual(await inventory.submit(adjust(inFirst, "a")), { ...first, replayed: true });
  assert.equal(asked(), 0, "the shard remembers it");
  await forget(inFirst);
  const before = await available();
  ledger.adjusted = { kind: "adjust", amount: 9, newStock: first.newStock[0] ?? -1, seq: first.seq };
  assert.deepEqual(await inventory.submit(adjust(inFirst, "a")), { ...first, replayed: true });
  const other = { ...adjust(inFirst, "a"), delta: 8 };
  assert.deepEqual(await inventory.submit(other), { kind: "conflict", sku: inFirst });
  ledger.adjusted = undefined;
  ledger.appliedSeq = 1; // the adjustment is number 2
  assert.deepEqual(await inventory.submit(adjust(inFirst, "a")), { kind: "ledger_behind" });
  ledger.isAway = true;
  assert.equal((await inventory.submit(adjust(inFirst, "a"))).kind, "store_unavailable");
  assert.equal(await available(), before, "nothing was added");
  Object.assign(ledger, { isAway: false, appliedSeq: 1_000_000 });
  assert.equal((await inventory.submit(adjust(inFirst, "new"))).kind, "accepted");
});

Deno.test("service: a stock that is set again past the window, when it is as expected again, is not set again", async () => {
  const { inventory, forget, ledger } = await setup();
  const { available } = await inventory.submit({ kind: "stock", sku: inFirst }) as { available: number };
  const set = { kind: "set", adjustmentId: "s", sku: inFirst, expected: available, available: 5 } as const;
  const command = { ...set, reason: "", reference: "", ...origin };
  const first = await inventory.submit(command);
  assert.ok(first.kind === "accepted");
  await forget(inFirst);
  ledger.adjusted = { kind: "set", amount: 5 - available, newStock: 5, seq: first.seq };
  assert.deepEqual(await inventory.submit(command), { ...first, replayed: true });
});

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
    firstAttempt: true,
    lines: [{ sku: inFirst, amount: 99 }],
  });
  const decide = store.decide.bind(store);
  let calls = 0;
  store.decide = async (shard, batch) => {
    const isSale = batch[0]?.command.kind === "deduct";
    if (isSale && ++calls === 1) await new Promise<void>((resolve) => world.after(600, resolve));
    return await decide(shard, batch);
  };
  const slow = inventory.submit(first("o-1"));
  await world.advance(0);
  await world.advance(600);
  assert.equal((await slow).kind, "insufficient");
  await world.advance(399); // 999 ms after it was asked
  assert.equal((await inventory.submit(first("o-2"))).kind, "insufficient");
  assert.equal(calls, 1, "answered out of the cache");
  await world.advance(1);
  assert.equal((await inventory.submit(first("o-3"))).kind, "insufficient");
  assert.equal(calls, 2, "asked again after a second");
});

Deno.test("service: as many commands as QUEUE_MAX are on their way at once, and not one more", async () => {
  const { world, store, inventory } = await setup();
  const decide = store.decide.bind(store);
  store.decide = async (shard, batch) => {
    await new Promise<void>((resolve) => world.after(100, resolve));
    return await decide(shard, batch);
  };
  const outcomes = Array.from({ length: 1001 }, () => inventory.submit({ kind: "stock", sku: inFirst }));
  assert.equal((await outcomes[1000])?.kind, "overloaded");
  await world.advance(0);
  for (let i = 0; i < 10; i++) await world.advance(100);
  const kinds = new Set((await Promise.all(outcomes.slice(0, 1000))).map(({ kind }) => kind));
  assert.deepEqual([...kinds], ["stock"]);
  const again = inventory.submit({ kind: "stock", sku: inFirst });
  await world.advance(0);
  await world.advance(100);
  assert.equal((await again).kind, "stock", "those that are answered count no longer");
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
