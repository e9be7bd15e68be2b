import assert from "node:assert/strict";
import { makeEmbeddedParts } from "../../tests/contract/embedded_parts.ts";
import { prepare, settle } from "../../tests/contract/order_commands.ts";
import { adjust } from "../../tests/contract/store_suite.ts";
import { ManualWorld } from "../../tests/manual_world.ts";
import { HomeDecisions } from "./home_decisions.ts";

Deno.test("home decisions: a shard commits what the lowest shard sold, and aborts what that one certainly did not", async () => {
  await using parts = await makeEmbeddedParts(new ManualWorld());
  const { shard, store } = parts;
  await parts.arm();
  await parts.decide(adjust("a", "S", 10), prepare("b", { S: 1 }, "user-1", "0/first"));
  await parts.apply();
  const orderOf = (name: string) => ({ orderId: "b", seq: 7, attempt: "", decision: "abort", name } as const);
  const home = new HomeDecisions(shard.baskets, store);
  /** The first call asks the store, the second one knows its answer. */
  const decide = async (name: string) => {
    await home.decide([orderOf(name)]);
    for (let turn = 0; turn < 50; turn++) await null;
    return (await home.decide([orderOf(name)])).map(([, kind]) => kind);
  };

  assert.deepEqual(await decide("0/first"), [], "it is held there");
  assert.deepEqual(await decide("0/other"), ["abort"], "it was never prepared there");
  await parts.decide(settle("commit", "b", 2));
  assert.deepEqual(
    await decide("0/first"),
    ["commit"],
    "its store sold it, and the ledger does not know it yet",
  );
  assert.deepEqual(await decide("0/late"), [], "the ledger lacks numbers of that shard");
  await parts.apply();
  assert.deepEqual(await decide("0/late"), ["abort"]);
  const silent = new HomeDecisions(shard.baskets, { decide: () => Promise.reject(new Error("away")) });
  assert.deepEqual(await silent.decide([orderOf("0/first")]), [[orderOf("0/first"), "commit"]]);
  assert.deepEqual(await silent.decide([orderOf("0/late")]), []);
});
