import assert from "node:assert/strict";
import { makeEmbeddedParts } from "../../tests/contract/embedded_parts.ts";
import { prepare, settle } from "../../tests/contract/order_commands.ts";
import { adjust, deduct } from "../../tests/contract/store_suite.ts";
import { ManualWorld } from "../../tests/manual_world.ts";
import { recall } from "./recall.ts";
import { rebuild } from "./rebuild.ts";

/** A store that has forgotten every order. */
const forgetful = {
  names: () => Promise.resolve({ names: [], next: null }),
  read: () => Promise.resolve({ head: 4, values: [] }),
};

Deno.test("recall: a reservation that is open in an older ledger and forgotten by the store has ended", async () => {
  const world = new ManualWorld();
  await using parts = await makeEmbeddedParts(world);
  const { store, ledger, shard, deployment } = parts;
  await parts.arm();
  await parts.decide(adjust("a", "S", 10), { ...deduct("r", "S", 2), kind: "reserve", holdMs: 60_000 });
  await parts.apply();
  const by = { orderId: "r", owner: "", actor: "", traceparent: "" };
  await parts.decide({ kind: "confirm", lines: null, ...by }, deduct("o", "S"));

  const lost = { fromSeq: 2, toSeq: 4, actor: "operator", reason: "restored" };
  const view = await store.inspect(0);
  const { corrections, events } = await recall(view, lost, {
    ...{ control: store, reader: forgetful, ledger: shard, world },
  });
  const before = { sku: "S", delta: -3, reservedDelta: 0, available: 5, reserved: 2 };
  assert.deepEqual(corrections, [before]);
  const line = { sku: "S", delta: 2, reservedDelta: -2, available: 7, reserved: 0 };
  assert.partialDeepStrictEqual(events, [{ kind: "expire", id: "r", seq: 4, lines: [line] }]);
  const epoch = await shard.issueEpoch(view.position.epoch, 0) ?? assert.fail("another worker");
  await shard.jump({ ...lost, to: { epoch, seq: 4 }, corrections, recalled: events });
  assert.partialDeepStrictEqual((await ledger.findOrder("r")).lines, [{ state: "expired", units: 0 }]);

  const { token, chunks, seq } = await rebuild(view, 4, { control: store, ledger: shard, deployment, world });
  const arming = { ...deployment, deployment: deployment.id, epoch: epoch + 1, applied: seq, token, chunks };
  assert.ok(await store.arm(0, { ...arming, seen: await store.inspect(0) }));
  await world.advance(60_001);
  const [stock] = await parts.decide({ kind: "stock", sku: "S" });
  assert.partialDeepStrictEqual(stock, { kind: "stock", available: 7, reserved: 0 });
});

Deno.test("recall: prepared lines of an older ledger are decided as they were in the store, and prepared again", async () => {
  const world = new ManualWorld();
  await using parts = await makeEmbeddedParts(world);
  const { store, ledger, shard } = parts;
  await parts.arm();
  await parts.decide(adjust("a", "S", 10), ...["sold", "gone", "again"].map((id) => prepare(id, { S: 1 })));
  await parts.apply();
  await parts.decide(
    settle("commit", "sold", 2),
    settle("abort", "gone", 3),
    settle("abort", "again", 4),
    prepare("again", { S: 2 }, "user-1", "0/second"),
    prepare("new", { S: 3 }, "user-1", "0/third"),
  );
  const reader = {
    names: () => Promise.resolve({ names: ["sold", "gone", "again", "new"], next: null }),
    read: async (_shard: number, _facet: unknown, names: readonly string[]) => {
      const found = await parts.decide(...names.map((orderId) => ({ kind: "lookup", orderId } as const)));
      return { head: 9, values: found.map((one) => one.kind === "order" ? one.lines : []) as never[] };
    },
  };

  const lost = { fromSeq: 4, toSeq: 9, actor: "operator", reason: "restored" };
  const view = await store.inspect(0);
  const recalled = await recall(view, lost, { control: store, reader, ledger: shard, world });
  const { corrections, events } = recalled;
  assert.deepEqual(corrections, []);
  const epoch = await shard.issueEpoch(view.position.epoch, 0) ?? assert.fail("another worker");
  await shard.jump({ ...lost, to: { epoch, seq: 9 }, corrections, recalled: events });

  const states = await Promise.all(["sold", "gone", "again", "new"].map(async (id) => {
    const { lines } = await ledger.findOrder(id);
    return [id, ...lines.map(({ seq, state, attempt }) => [seq, state, attempt])];
  }));
  assert.deepEqual(states, [
    ["sold", [2, "accepted", "0/sold"]],
    ["gone"],
    ["again", [8, "held", "0/second"]],
    ["new", [9, "held", "0/third"]],
  ]);
  for await (const fault of ledger.prove(0, 86_400_000, () => {})) assert.fail(JSON.stringify(fault));
});
