import assert from "node:assert/strict";
import type { KafkaCluster } from "./client.ts";
import { SharedCluster } from "./shared_cluster.ts";

/** Connections that are counted. */
function setup({ isBroken } = { isBroken: false }) {
  const opened: { closed: boolean }[] = [];
  const shared = new SharedCluster(() => {
    const link = { closed: false };
    opened.push(link);
    if (isBroken) return Promise.reject(new Error("refused"));
    return Promise.resolve({ disconnect: () => Promise.resolve(void (link.closed = true)) } as KafkaCluster);
  });
  const closed = () => opened.map((link) => link.closed);
  return { shared, closed };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("shared cluster: a call without a reply is the last on its connections, which close after all of their calls", async () => {
  const { shared, closed } = setup();
  const slow = Promise.withResolvers<void>();
  const other = shared.use(() => slow.promise);
  await assert.rejects(shared.use(() => Promise.reject(new Error("timed out"))), /timed out/);
  await shared.use(() => Promise.resolve());
  assert.deepEqual(closed(), [false, false]);
  slow.resolve();
  await other;
  await settled();
  assert.deepEqual(closed(), [true, false]);
  await shared.close();
  assert.deepEqual(closed(), [true, true]);
});

Deno.test("shared cluster: an error that a broker replied, also to the last of several attempts, leaves the connections", async () => {
  const { shared, closed } = setup();
  const reply = Object.assign(new Error("not the leader"), { type: "NOT_LEADER_FOR_PARTITION" });
  await assert.rejects(shared.use(() => Promise.reject(reply)), reply);
  await assert.rejects(shared.use(() => Promise.reject(new Error("retries", { cause: reply }))), /retries/);
  await shared.use(() => Promise.resolve());
  assert.deepEqual(closed(), [false]);
});

Deno.test("shared cluster: connections that could not be opened are opened at the next call", async () => {
  const { shared, closed } = setup({ isBroken: true });
  for (const count of [1, 2]) {
    await assert.rejects(shared.use(() => Promise.resolve()), /refused/);
    assert.equal(closed().length, count);
  }
});
