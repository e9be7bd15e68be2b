import assert from "node:assert/strict";
import { adjust, deduct, inFirst, inSecond, origin, setup, windowMs } from "../../tests/decide/two_shards.ts";
import type { Return } from "../domain/command.ts";
import { type RememberedLine, unsettled } from "../domain/outcome.ts";
import { InventoryService } from "./service.ts";

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
