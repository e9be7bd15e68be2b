/**
 * What the worker and a shard in Redis exchange in an acknowledgement, in addition to the numbers.
 */
import assert from "node:assert/strict";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { adjust, armAgain, armedNonce, armEmpty, decide, deployment } from "./store_suite.ts";
import { makeRedisStore, type RedisUnderTest } from "./stores.ts";

const MARGIN = 10_000;

function test(title: string, body: (parts: RedisUnderTest) => Promise<void>): void {
  Deno.test(`acknowledge: ${title}`, async () => {
    await using under = await makeRedisStore(sharedRedis().url);
    await armEmpty(under.control);
    await body(under);
  });
}

test("the log keeps 10,000 events behind the ledger, also when the shard was armed again", async ({ store, control }) => {
  const batch = 200;
  const first = Array.from({ length: MARGIN + 2000 }, (_, i) => adjust(`a-${i}`, "S", 1));
  for (let i = 0; i < first.length; i += batch) await decide(store, ...first.slice(i, i + batch));
  await control.disarm(0, deployment);
  await armAgain(control, 2);
  await decide(store, adjust("b", "S", 1));
  const applied = first.length + 1;
  assert.equal(
    (await control.acknowledge(0, { epoch: 2, seq: applied }, deployment, nonce("2"))).kind,
    "armed",
  );
  const { log } = await control.inspect(0);
  assert.deepEqual(
    log?.first,
    { epoch: 1, seq: 2000 + batch },
    "the first entry that ends behind the margin",
  );
  assert.deepEqual(log?.last, { epoch: 2, seq: applied });
});

test("the nonce is renewed when the head has moved, and an idle shard is not written to", async ({ store, control }) => {
  const acknowledge = (known: string, next: string) =>
    control.acknowledge(0, { epoch: 1, seq: 0 }, deployment, { known, next });
  assert.deepEqual(await acknowledge("1", "n1"), { kind: "armed", head: 0, nonce: "1", silentReplicas: 0 });
  await decide(store, adjust("a", "S", 5));
  assert.deepEqual(await acknowledge("1", "n1"), { kind: "armed", head: 1, nonce: "n1", silentReplicas: 0 });
  assert.deepEqual(await acknowledge("n1", "n2"), { kind: "armed", head: 1, nonce: "n1", silentReplicas: 0 });
  assert.equal((await control.inspect(0)).nonce, "n1");
});

test("an acknowledgement whose reply was lost is no reason for alarm, an older nonce is", async ({ store, control }) => {
  const acknowledge = (known: string, next: string) =>
    control.acknowledge(0, { epoch: 1, seq: 0 }, deployment, { known, next });
  await decide(store, adjust("a", "S", 5));
  await acknowledge("1", "n1"); // its reply is lost
  assert.deepEqual(await acknowledge("1", "n1"), { kind: "armed", head: 1, nonce: "n1", silentReplicas: 0 });
  await decide(store, adjust("b", "S", 5));
  assert.deepEqual(await acknowledge("1", "n1"), { kind: "armed", head: 2, nonce: "n1", silentReplicas: 0 });
  assert.deepEqual(await acknowledge("n1", "n2"), { kind: "armed", head: 2, nonce: "n2", silentReplicas: 0 });
  assert.deepEqual(await acknowledge("n7", "n8"), {
    kind: "replaced",
    head: 2,
    nonce: "n2",
    silentReplicas: 0,
  });
  assert.ok((await control.inspect(0)).armed, "the worker that acknowledges with it may be the late one");
});

test("a head below the applied number disarms the shard at once", async ({ store, control }) => {
  await decide(store, adjust("a", "S", 5));
  const { kind } = await control.acknowledge(0, { epoch: 1, seq: 2 }, deployment, armedNonce);
  assert.equal(kind, "went_back");
  const { armed, suspect, applied } = await control.inspect(0);
  assert.deepEqual({ armed, suspect, applied }, { armed: false, suspect: true, applied: 0 });
  await armAgain(control, 2);
  assert.ok(!(await control.inspect(0)).suspect);
});

test("a shard that is acknowledged is not disarmed, another one is", async ({ control }) => {
  const someone = "00000000-0000-4000-8000-000000000002";
  assert.equal(await control.disarmUnacknowledged(0, deployment, "word"), "recorded");
  await control.acknowledge(0, { epoch: 1, seq: 0 }, deployment, armedNonce);
  assert.equal(await control.disarmUnacknowledged(0, deployment, "word"), "recorded");
  await control.disarmUnacknowledged(0, someone, "word");
  assert.ok((await control.inspect(0)).armed);
  assert.equal(await control.disarmUnacknowledged(0, deployment, "word"), "disarmed");
  assert.ok(!(await control.inspect(0)).armed);
});

function nonce(known: string) {
  return { known, next: "next" };
}
