/**
 * Whose lines a token may change, on each store: those that were sold under its name.
 */
import assert from "node:assert/strict";
import type { Command, Sale } from "../../src/domain/command.ts";
import { type RememberedLine, unsettled } from "../../src/domain/outcome.ts";
import { cancel, confirm, extend, kinds, read, reserve, returnUnits } from "./order_commands.ts";
import {
  adjust,
  armEmpty,
  decide,
  deduct,
  deployment,
  type MakeStore,
  type StoreUnderTest,
  type SuiteOptions,
} from "./store_suite.ts";

const by = (actor: string, sale: Sale): Sale => ({ ...sale, actor });
const asOwner = <C extends Command>(owner: string, command: C): C => ({ ...command, owner });
const lookup = (orderId: string): Command => ({ kind: "lookup", orderId });

/** Registers the suite for one adapter. */
export function ownerSuite(name: string, make: MakeStore, options: SuiteOptions = {}): void {
  const test = (title: string, body: (parts: StoreUnderTest) => Promise<void>) =>
    Deno.test(`${name}: ${title}`, options, async () => {
      await using parts = await make({ userLimitMs: 0 });
      await armEmpty(parts.control);
      await decide(parts.store, adjust("a", "S", 10), adjust("a", "T", 10));
      await body(parts);
    });

  test("another token's reservation is not confirmed, extended or cancelled, held or settled", async (parts) => {
    const ask = async (owner: string, orderId: string) =>
      kinds(
        await decide(
          parts.store,
          asOwner(owner, extend(orderId, 700_000)),
          asOwner(owner, confirm(orderId, { S: 1 })),
          asOwner(owner, confirm(orderId)),
          asOwner(owner, cancel(orderId)),
        ),
      );
    await decide(parts.store, by("shop", reserve("held", { S: 2, T: 1 })));
    const forbidden = Array(4).fill("forbidden");
    assert.deepEqual(await ask("other", "held"), forbidden);
    assert.deepEqual(kinds(await decide(parts.store, confirm("held"))), ["settled"]);
    assert.deepEqual(await ask("other", "held"), forbidden, "nor does another hear the first answer again");
    assert.deepEqual(await ask("shop", "held"), [
      ...["already_confirmed", "already_confirmed", "settled", "already_confirmed"],
    ]);
    const [stock] = await decide(parts.store, read("S"));
    assert.deepEqual(stock?.kind === "stock" && [stock.available, stock.reserved, stock.seq], [8, 0, 4]);
  });

  test("the token that made a reservation may do everything with it, and so may a caller without an owner", async ({ store }) => {
    for (const owner of ["shop", ""]) {
      const outcomes = await decide(
        store,
        by("shop", reserve(`a${owner}`, { S: 1 })),
        asOwner(owner, extend(`a${owner}`, 700_000)),
        asOwner(owner, confirm(`a${owner}`)),
        asOwner(owner, returnUnits(`a${owner}`, "r", { S: 1 })),
        by("shop", reserve(`b${owner}`, { S: 1 })),
        asOwner(owner, cancel(`b${owner}`)),
      );
      assert.deepEqual(kinds(outcomes), [
        ...["accepted", "extended", "settled", "accepted", "accepted", "settled"],
      ]);
    }
  });

  test("units of another token's line are not returned; lines of one order may have several owners", async ({ store }) => {
    const outcomes = await decide(
      store,
      by("shop", deduct("o", "S", 2)),
      by("other", deduct("o", "T", 2)),
      asOwner("other", returnUnits("o", "r", { S: 1 })),
      asOwner("other", returnUnits("o", "r", { T: 1, S: 1 })),
      asOwner("other", returnUnits("o", "r", { T: 1 })),
      asOwner("shop", returnUnits("o", "r2", { S: 1 })),
      asOwner("other", returnUnits("o", "r2", { S: 1 })),
      asOwner("shop", returnUnits("o", "r2", { S: 1 })),
      asOwner("other", returnUnits("unknown", "r", { S: 1 })),
    );
    assert.deepEqual(kinds(outcomes), [
      ...["accepted", "accepted", "forbidden", "forbidden", "accepted", "accepted", "forbidden", "accepted"],
      "unknown_order",
    ]);
  });

  test("a line that was sold without a token belongs to every token", async ({ store }) => {
    const outcomes = await decide(
      store,
      by("", reserve("open", { S: 1 })),
      asOwner("shop", cancel("open")),
    );
    assert.deepEqual(kinds(outcomes), ["accepted", "settled"]);
  });

  test("who sold a line is remembered with it, through its whole life and a rebuild", async ({ store, control }) => {
    await decide(store, by("ショップ", reserve("o", { S: 2 })), by("", deduct("p", "S", 1)));
    await decide(store, confirm("o", { S: 1 }));
    const remembered = async () => {
      const found = await decide(store, lookup("o"), lookup("p"));
      return found.flatMap((outcome) => outcome.kind === "order" ? outcome.lines : []);
    };
    const lines = await remembered();
    assert.deepEqual(lines.map(({ actor }) => actor), ["ショップ", ""]);

    await control.beginRestore(0, "t", await control.inspect(0), {
      deployment,
      shards: 1,
      seq: 9,
      applied: 9,
    });
    await control.restoreStock(0, "t", [{ sku: "S", available: 8, reserved: 0, policy: null }]);
    await control.restoreLines(
      0,
      "t",
      lines.map((line, i) => ({ ...line, id: "op"[i] ?? "", returnId: "" })),
    );
    const seen = await control.inspect(0);
    assert.ok(
      await control.arm(0, { seen, epoch: 2, deployment, shards: 1, applied: 9, token: "t", chunks: 2 }),
    );
    assert.deepEqual(await remembered(), lines);
    const outcomes = await decide(
      store,
      asOwner("other", returnUnits("o", "r", { S: 1 })),
      asOwner("ショップ", returnUnits("o", "r", { S: 1 })),
      asOwner("other", returnUnits("p", "r", { S: 1 })),
    );
    assert.deepEqual(kinds(outcomes), ["forbidden", "accepted", "accepted"]);
  });

  test("the ledger says who sold what a shard has forgotten", async ({ store, control }) => {
    await control.beginRestore(0, "t", await control.inspect(0), {
      deployment,
      shards: 1,
      seq: 9,
      applied: 9,
    });
    await control.restoreStock(0, "t", [{ sku: "S", available: 8, reserved: 0, policy: null }]);
    const seen = await control.inspect(0);
    assert.ok(
      await control.arm(0, { seen, epoch: 2, deployment, shards: 1, applied: 9, token: "t", chunks: 1 }),
    );
    const what = { sku: "S", kind: "deduct", amount: 2, newStock: 8, seq: 1, atMs: 1, userId: "u" };
    const sold: RememberedLine = { ...unsettled, ...what, units: 2, actor: "shop" };
    const ledger = { appliedSeq: 9, sold: [sold], returned: [] };
    const outcomes = await decide(
      store,
      { ...asOwner("other", returnUnits("o", "r", { S: 1 })), ledger },
      { ...asOwner("shop", returnUnits("o", "r", { S: 1 })), ledger },
      asOwner("other", returnUnits("o", "s", { S: 1 })),
    );
    // The last one: the shard remembers the order again, with its owner, and has no word about the return.
    assert.deepEqual(kinds(outcomes), ["forbidden", "accepted", "forgotten"]);
  });
}
