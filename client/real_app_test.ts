import { deepEqual, equal } from "node:assert/strict";
import { adjust, armEmpty, decide } from "../tests/contract/store_suite.ts";
import { makeMemoryStore } from "../tests/contract/stores.ts";
import { loadConfig } from "../src/runtime/settings/config.ts";
import { createApp } from "../src/http/app.ts";
import { InventoryService } from "../src/decide/service.ts";
import { realWorld } from "../src/runtime/world.ts";
import { type Client, createClient } from "./src/client.ts";

async function withRealApp(use: (client: Client) => Promise<void>): Promise<void> {
  await using parts = await makeMemoryStore();
  await armEmpty(parts.control);
  await decide(parts.store, adjust("a", "A", 10), adjust("b", "B", 10));
  const broken: unknown[] = [];
  const inventory = new InventoryService(parts.store, realWorld, {
    shards: 1,
    batchMax: 256,
    callsMax: 2,
    queueMax: 100,
    requestTimeoutMs: 2000,
    guaranteesOff: () => [],
    archive: null,
    decisions: null,
    onBroken: (error) => broken.push(error),
  });
  const reportError = (error: unknown) => broken.push(error);
  const app = createApp({
    inventory,
    config: loadConfig({ PURCHASE_TOKEN_KEY: "k".repeat(32) }),
    world: realWorld,
    reportError,
    deployment: () => "here",
  });
  await use(createClient({
    baseUrl: "http://127.0.0.1:8080",
    fetch: async (url, init) => await app.fetch(new Request(url, init)),
  }));
  await inventory.drained();
  deepEqual(broken, []);
}

Deno.test("every call is understood by the real app, and its answer by the client", async () => {
  await withRealApp(async (client) => {
    const one = { orderId: "o-1", userId: "u", sku: "A", amount: 2 };
    const bought = { kind: "accepted", orderId: "o-1", seq: 3, sku: "A", amount: 2, newStock: 8 };
    deepEqual(await client.deduct(one), { ...bought, replayed: false });
    deepEqual(await client.deduct({ ...one, sentBefore: true }), { ...bought, replayed: true });
    const soldOut = await client.deduct({ ...one, orderId: "o-2", amount: 9 });
    equal(soldOut.kind === "refused" && soldOut.code === "insufficient_stock" && soldOut.available, 8);

    const lines = [{ sku: "A", amount: 1 }, { sku: "B", amount: 1 }];
    const basket = await client.order({ orderId: "o-3", userId: "u", lines });
    deepEqual(basket.kind === "accepted" && basket.lines.map(({ newStock }) => newStock), [7, 9]);
    const returned = await client.giveBack("o-3", { returnId: "r-1", lines: [{ sku: "B", amount: 1 }] });
    deepEqual(returned.kind === "accepted" && [returned.returnId, returned.lines], [
      "r-1",
      [{ sku: "B", amount: 1, newStock: 10 }],
    ]);

    const held = await client.reserve({ orderId: "o-4", userId: "u", lines, ttlSeconds: 60 });
    const extended = await client.extend("o-4", 90);
    equal(
      held.kind === "accepted" && extended.kind === "extended" &&
        Date.parse(extended.expiresAt) - Date.parse(held.expiresAt),
      30_000,
    );
    const confirmed = await client.confirm("o-4", [{ sku: "A", amount: 1 }]);
    deepEqual(confirmed.kind === "settled" && [confirmed.state, confirmed.lines], ["confirmed", [
      { sku: "A", confirmed: 1, newStock: 6 },
      { sku: "B", confirmed: 0, newStock: 10 },
    ]]);
    await client.reserve({ orderId: "o-5", userId: "u", lines });
    const cancelled = await client.cancel("o-5");
    equal(cancelled.kind === "settled" && cancelled.state, "cancelled");
    const late = await client.confirm("o-5");
    equal(late.kind === "refused" && late.code, "already_cancelled");

    const found = await client.findOrder("o-3");
    deepEqual(
      found.kind === "found" && found.lines.map(({ sku, units, returned }) => [sku, units, returned]),
      [
        ["A", 1, 0],
        ["B", 0, 1],
      ],
    );
    const missing = await client.findOrder("o-2");
    equal(missing.kind === "refused" && missing.code, "unknown_order");
    const noRules = { opensAt: null, closesAt: null, quota: null, purchaseToken: false };
    const plain = { kind: "stock", reserved: 0, paused: false, ...noRules, rulesVersion: 0 };
    deepEqual(await client.stock("A"), { ...plain, sku: "A", available: 6 });

    const batch = await client.deductBatch([{ ...one, orderId: "o-7", amount: 1 }, {
      ...one,
      orderId: "o-8",
      amount: 99,
    }]);
    deepEqual(batch.kind === "batch" && batch.items.map((item) => item.kind), ["accepted", "refused"]);
    const made = await client.adjust({ adjustmentId: "new", sku: "C", delta: 7, reason: "delivery" });
    deepEqual(made, {
      kind: "changed",
      sku: "C",
      available: 7,
      created: true,
      seq: made.kind === "changed" && made.seq,
      replayed: false,
    });
    const set = await client.setStock({ adjustmentId: "set", sku: "C", available: 3, expected: 7 });
    deepEqual(set.kind === "changed" && [set.available, set.created], [3, false]);
    const stale = await client.setStock({ adjustmentId: "set-2", sku: "C", available: 4, expected: 7 });
    deepEqual(stale.kind === "refused" && stale.code === "stale" && stale.available, 3);
    const paused = await client.pause("C", "a look");
    equal(paused.kind, "paused");
    equal((await client.resume("C")).kind, "resumed");
    const issued = await client.issuePurchaseToken({ orderId: "o-9", userId: "u", lines, ttlSeconds: 60 });
    equal(issued.kind, "issued");
    if (issued.kind === "issued") {
      const { orderId, purchaseToken, expiresAt } = issued;
      deepEqual([orderId, Date.parse(expiresAt) > Date.now()], ["o-9", true]);
      const bought = await client.order({ orderId, userId: "u", lines, purchaseToken });
      equal(bought.kind, "accepted");
    }
    const unusable = await client.issuePurchaseToken({ orderId: "o-9", userId: "u", lines: [] });
    equal(unusable.kind === "refused" && unusable.code, "invalid_request");
    const asked = { ...noRules, sku: "D", opensAt: "2900-01-01T00:00:00.000Z", quota: 2 };
    const ruled = await client.setRules({ ...asked, expected: null });
    const version = ruled.kind === "ruled" ? ruled.rulesVersion : -1;
    deepEqual(ruled, { ...asked, kind: "ruled", created: true, rulesVersion: version });
    const early = await client.adjust({ adjustmentId: "d", sku: "D", delta: 7 });
    deepEqual(early.kind === "changed" && [early.available, early.created], [7, true]);
    const unseen = await client.setRules({ ...asked, quota: 3, expected: 0 });
    equal(unseen.kind === "refused" && unseen.code === "stale" && unseen.rulesVersion, version);
    const raised = await client.setRules({ ...asked, quota: 3, expected: version });
    equal(raised.kind === "ruled" && raised.quota, 3);
    const notYet = await client.deduct({ ...one, sku: "D", orderId: "o-9", amount: 1 });
    equal(notYet.kind === "refused" && notYet.code, "not_open");
    const wrong = await client.deduct({ ...one, orderId: "o-6", amount: 0 });
    deepEqual(wrong.kind === "refused" && wrong.code === "invalid_request" && wrong.errors, [
      { pointer: "/amount", detail: "must be an integer from 1 to 1000000" },
    ]);
  });
});
