import assert from "node:assert/strict";
import { makeEmbeddedParts } from "../../tests/contract/embedded_parts.ts";
import { prepare, settle } from "../../tests/contract/order_commands.ts";
import { adjust } from "../../tests/contract/store_suite.ts";
import { ManualWorld } from "../../tests/manual_world.ts";
import { HomeDecisions } from "./home_decisions.ts";

Deno.test("home decisions: a shard commits what the lowest shard sold, and aborts what that one certainly did not", async () => {
  const world = new ManualWorld();
  await using parts = await makeEmbeddedParts(world);
  const { shard, store, deployment } = parts;
  /** Two windows pass, and everything is applied. */
  const forget = async () => {
    for (const id of ["1", "2"]) {
      const { position } = await store.inspect(0);
      await store.acknowledge(0, position, deployment.id);
      await world.advance(600_000);
      await parts.decide(adjust(id, "S", 1));
      await parts.apply();
    }
  };
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
  await parts.apply();
  await forget();
  assert.deepEqual(
    await decide("0/first"),
    ["commit"],
    "the ledger knows it, and the store has forgotten it",
  );
  assert.deepEqual(await decide("0/other"), ["abort"]);
  const behind = new HomeDecisions({
    atHome: () => Promise.resolve([{ name: "0/first", applied: 1, state: "" }]),
  }, store);
  for (let i = 0; i < 50; i++) {
    assert.deepEqual(await behind.decide([orderOf("0/first")]), [], "the ledger went back");
  }
  const silent = new HomeDecisions(shard.baskets, { decide: () => Promise.reject(new Error("away")) });
  assert.deepEqual(await silent.decide([orderOf("0/first")]), [[orderOf("0/first"), "commit"]]);
  assert.deepEqual(await silent.decide([orderOf("0/other")]), []);
});
