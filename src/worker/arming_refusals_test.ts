import assert from "node:assert/strict";
import { type EmbeddedParts, makeEmbeddedParts, withMembers } from "../../tests/contract/embedded_parts.ts";
import { adjust, deduct } from "../../tests/contract/store_suite.ts";
import { ManualWorld, settled } from "../../tests/manual_world.ts";
import type { ShardControl } from "../decide/shard_control.ts";
import type { LogEntry } from "../domain/event.ts";
import type { EventLog } from "../log/event_log.ts";
import { realWorld } from "../runtime/world.ts";

/** An armed shard that has sold; the ledger has three numbers of it. */
async function sold(world = new ManualWorld()): Promise<EmbeddedParts> {
  const parts = await makeEmbeddedParts(world);
  await parts.arm();
  await parts.decide(adjust("a", "S", 10), adjust("b", "T", 5), deduct("o", "S", 2));
  await parts.apply();
  return parts;
}

/** The same, and it has lost its right to sell. */
async function disarmed(): Promise<EmbeddedParts> {
  const parts = await sold();
  await parts.store.disarm(0, parts.deployment.id);
  return parts;
}

const isArmed = async ({ store }: EmbeddedParts) => (await store.inspect(0)).armed;
const issued = async ({ shard }: EmbeddedParts) => (await shard.cursor()).issuedEpoch;

/** A log that has lost all of its entries. */
const emptyLog: EventLog = {
  read: () => Promise.resolve([]),
  tail: () => Promise.resolve({ epoch: 0, seq: 0 }),
  close: () => Promise.resolve(),
};

Deno.test("arming: a replica is refused as such, and where to look is said", async () => {
  await using parts = await disarmed();
  const inspect = async (shard: number) => ({
    ...await parts.store.inspect(shard),
    refusal: "READONLY You can't write against a read only replica.",
  });
  const verdict = await parts.arm({ control: withMembers(parts.store, { inspect }) });
  assert.partialDeepStrictEqual(verdict, {
    kind: "refused",
    reason: "Cannot arm shard 0 as its server is a replica: REDIS_URL must lead to the master",
  });
});

Deno.test("arming: a server that must not be used is refused before the store is looked at", async () => {
  await using parts = await disarmed();
  const bad = { check: "policy", verdict: "bad", found: "evicts keys", promise: "once" } as const;
  const control = withMembers(parts.store, { checkResults: () => Promise.resolve([bad]) });
  const verdict = await parts.arm({ control, world: realWorld });
  assert.deepEqual(verdict, {
    kind: "refused",
    reason: "Cannot use this server as policy evicts keys",
    driftUnits: 0,
  });
  assert.deepEqual([await isArmed(parts), await issued(parts)], [false, 1]);
  // Nor does one go on that was armed before its settings changed.
  await using selling = await sold();
  assert.ok(await isArmed(selling));
  const checkResults = () => Promise.resolve([bad]);
  await selling.arm({ control: withMembers(selling.store, { checkResults }), world: realWorld });
  assert.ok(!await isArmed(selling));
});

Deno.test("arming: an armed store that does not fit its ledger is disarmed, unless a worker acknowledges it", async () => {
  const world = new ManualWorld();
  await using parts = await sold(world);
  const { shard, store } = parts;
  let beats = 0;
  const ledger = withMembers(shard, {
    cursor: async () => ({ ...await shard.cursor(), issuedEpoch: 2 }),
    beat: () => {
      beats++;
      return shard.beat();
    },
  });
  /** As Redis has it: the second call with a nonce disarms if no acknowledgement came between them. */
  const nonces = new Set<string>();
  const control = withMembers<ShardControl>(store, {
    async disarmUnacknowledged(shard: number, id: string, nonce: string) {
      if (!nonces.has(nonce)) {
        nonces.add(nonce);
        return "recorded" as const;
      }
      await store.disarm(shard, id);
      return "disarmed" as const;
    },
  });
  const armWhile = async (acknowledge: () => void) => {
    const verdict = parts.arm({ ledger, control });
    for (let tries = 0; tries < 1000 && world.timers === 0; tries++) await settled();
    assert.ok(await isArmed(parts), "a running worker has a second to acknowledge it");
    const before = beats;
    acknowledge();
    await world.advance(1000);
    return { ...await verdict, beats: [before, beats] };
  };
  const kept = await armWhile(() => nonces.clear());
  assert.equal(kept.kind, "refused");
  assert.match(kept.kind === "refused" ? kept.reason : "", /a worker with another ledger keeps it armed/);
  assert.ok(await isArmed(parts));
  beats = 0;
  const changed = { kind: "changed", beats: [1, 2] };
  assert.deepEqual(await armWhile(() => {}), changed, "the lease is kept before the wait and after it");
  assert.ok(!await isArmed(parts));
});

Deno.test("arming: a store whose acknowledged events are not those of the ledger belongs to another one", async () => {
  await using parts = await disarmed();
  const ledger = withMembers(parts.shard, { divergent: numbersOf(2, 3) });
  const inspect = async (shard: number) => ({ ...await parts.store.inspect(shard), applied: 2 });
  const verdict = await parts.arm({ ledger, control: withMembers(parts.store, { inspect }) });
  assert.match(
    verdict.kind === "refused" ? verdict.reason : verdict.kind,
    /belongs to another ledger: .* event 2/,
  );
  assert.equal(await issued(parts), 1);
});

/** Finds these numbers with other contents, where they are among the entries. */
function numbersOf(...numbers: number[]) {
  return (entries: readonly LogEntry[]) =>
    Promise.resolve(
      entries.flatMap(({ events }) => events.map(({ seq }) => seq)).filter((seq) => numbers.includes(seq)),
    );
}

Deno.test("arming: a store that went back is rebuilt, and each of its events that is lost counts as a number", async () => {
  await using parts = await disarmed();
  const ledger = withMembers(parts.shard, { divergent: numbersOf(3) });
  assert.partialDeepStrictEqual(await parts.arm({ ledger }), {
    kind: "armed",
    rebuilt: "the store went back: 1 of its events have numbers that are applied with other contents; " +
      "lost: 1 orders of 2 units: o",
    lost: 1,
  });
  assert.equal((await parts.shard.cursor()).seq, 4);
});

Deno.test("arming: entries by which store and ledger differ are a refusal, and a gap is the reason of one", async () => {
  await using parts = await disarmed();
  await parts.arm();
  await parts.decide(deduct("p", "S"));
  await parts.store.disarm(0, parts.deployment.id);
  const side = (available: number) => ({ available, reserved: 0 });
  const mismatch = {
    kind: "mismatch",
    cursor: { epoch: 1, seq: 3 },
    differences: [{ sku: "S", ledger: side(9), store: side(7) }],
  } as const;
  const armWith = async (applied: Awaited<ReturnType<typeof parts.shard.apply>>) => {
    const ledger = withMembers(parts.shard, { apply: () => Promise.resolve(applied) });
    const verdict = await parts.arm({ ledger });
    return verdict.kind === "refused" ? [verdict.reason, verdict.driftUnits] : assert.fail(verdict.kind);
  };
  assert.deepEqual(await armWith(mismatch), [
    "Cannot arm shard 0 as 1 SKUs differ: 'S' is 9+0 in the ledger and 7+0 in the store",
    2,
  ]);
  const at = { epoch: 2, seq: 6 };
  const [reason, drift] = await armWith({ kind: "gap", cursor: { epoch: 1, seq: 3 }, found: at });
  assert.match(String(reason), /as the log continues at 6 after 3\. 1 numbers, 4 to 4,/);
  assert.equal(drift, 0);
});

Deno.test("arming: a store that refuses writes is refused before an epoch is issued, one without memory is not", async () => {
  await using parts = await disarmed();
  const showing = (refusal: string) =>
    withMembers(parts.store, {
      inspect: async (shard: number) => ({ ...await parts.store.inspect(shard), refusal }),
    });
  const refused = await parts.arm({ control: showing("MISCONF no disk") });
  assert.match(refused.kind === "refused" ? refused.reason : refused.kind, /refuses writes: MISCONF no disk/);
  assert.equal(await issued(parts), 1);
  assert.equal((await parts.arm({ control: showing("OOM") })).kind, "armed");
});

Deno.test("arming: a worker whose epoch is overtaken arms nothing", async () => {
  await using parts = await disarmed();
  const ledger = withMembers(parts.shard, { issueEpoch: () => Promise.resolve(undefined) });
  assert.deepEqual(await parts.arm({ ledger }), { kind: "changed" });
  assert.ok(!await isArmed(parts));
});

Deno.test("arming: a whole store without its log needs an accepted loss, once, and every SKU of the ledger", async () => {
  await using parts = await disarmed();
  await parts.arm();
  await parts.decide(deduct("p", "S", 3));
  await parts.store.disarm(0, parts.deployment.id);
  const inspect = async (shard: number) => ({ ...await parts.store.inspect(shard), log: null });
  const control = withMembers(parts.store, { inspect });
  const armNow = (instead = control) => parts.arm({ control: instead, log: emptyLog });
  const refused = await armNow();
  assert.match(refused.kind === "refused" ? refused.reason : refused.kind, /the log ends before 4/);
  const loss = { fromSeq: 3, toSeq: 4, source: "store", actor: "cli:test", reason: "trimmed" } as const;
  await parts.ledger.acceptLoss(0, loss);
  const stock = async (shard: number) => {
    const { rows } = await parts.store.stock(shard, "0");
    return { rows: rows.filter(({ sku }) => sku !== "T"), next: null };
  };
  const lacking = await armNow(withMembers(parts.store, { inspect, stock }));
  assert.match(
    lacking.kind === "refused" ? lacking.reason : lacking.kind,
    /'T' is 5\+0 .* unknown in the store/,
  );
  assert.partialDeepStrictEqual(await armNow(), { kind: "armed", rebuilt: "", lost: 1 });
  assert.equal(await parts.shard.recovery(), undefined, "it is used up");
  const [left] = await parts.shard.stock("", 1);
  assert.equal(left?.available, 5);
});

Deno.test("arming: a store of another deployment is refused as it is", async () => {
  await using parts = await disarmed();
  const inspect = async (shard: number) => ({ ...await parts.store.inspect(shard), deployment: "another" });
  const verdict = await parts.arm({ control: withMembers(parts.store, { inspect }) });
  assert.match(verdict.kind === "refused" ? verdict.reason : verdict.kind, /belongs to another deployment/);
  assert.equal(await issued(parts), 1);
});

Deno.test("arming: an empty store is filled from a ledger that has all that a store knew to be applied, and from no other", async () => {
  await using parts = await disarmed();
  await using empty = await makeEmbeddedParts(new ManualWorld());
  const armEmpty = () => parts.arm({ control: empty.store, log: empty.store });
  await parts.shard.recordSeen({ epoch: 1, seq: 4 }, 4);
  const behind = await armEmpty();
  assert.match(behind.kind === "refused" ? behind.reason : behind.kind, /the ledger went back: it ends at 3/);
  const cursor = async () => ({ ...await parts.shard.cursor(), seenApplied: 3 });
  const ledger = withMembers(parts.shard, { cursor });
  const verdict = await parts.arm({ control: empty.store, log: empty.store, ledger });
  assert.partialDeepStrictEqual(verdict, { kind: "armed", rebuilt: "the store is empty", lost: 1 });
});
