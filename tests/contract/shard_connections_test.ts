/** Connections by shard or by server, on a real Redis: how many there are, and how they end. */
import assert from "node:assert/strict";
import { StoreError } from "../../src/domain/errors.ts";
import { ClusterMap } from "../../src/redis/cluster_map.ts";
import { ShardConnections } from "../../src/redis/shard_connections.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";

const DEADLINE_MS = 60_000;

async function connect(each: "shard" | "server", shards: number) {
  const name = `test-${crypto.randomUUID().slice(0, 8)}`;
  const keySpace = { namespace: name, shards };
  const map = new ClusterMap([sharedRedis().url], keySpace, { name, world: realWorld, onError() {} });
  const connections = new ShardConnections(map, each);
  await connections.whenReady(0, DEADLINE_MS);
  return {
    connections,
    /** Connections with this name that the server has. */
    async count() {
      const list = String(await connections.call(0, "CLIENT", "LIST"));
      return list.split("\n").filter((line) => line.includes(` name=${name} `)).length;
    },
    async [Symbol.asyncDispose]() {
      await connections.close();
      await map.close();
    },
  };
}

Deno.test("shard connections: one for each shard, or one for all shards of a server", async () => {
  for (const [each, shards, expected] of [["shard", 3, 3], ["server", 3, 1]] as const) {
    await using open = await connect(each, shards);
    for (let round = 0; round < 2; round++) {
      for (let shard = 0; shard < shards; shard++) {
        assert.equal(await open.connections.call(shard, "PING"), "PONG");
      }
    }
    let count = 0;
    await waitFor(async () => (count = await open.count()) === expected, {
      deadlineMs: DEADLINE_MS,
      what: `${expected} connections, one a ${each}`, // the map's own may still be closing
      seen: () => count,
    });
  }
});

Deno.test("shard connections: a call that blocks holds up its own shard only, where each has a connection", async () => {
  await using open = await connect("shard", 2);
  await open.connections.call(1, "PING");
  const blocked = open.connections.call(0, "BLPOP", `test:${crypto.randomUUID()}`, 0.3);
  let isBlocked = true;
  const ended = blocked.then(() => isBlocked = false);
  await open.connections.call(1, "PING");
  assert.ok(isBlocked);
  await ended;
});

Deno.test("shard connections: closing them settles every call at once, and no other is made", async () => {
  await using open = await connect("shard", 1);
  const waiting = open.connections.call(0, "BLPOP", `test:${crypto.randomUUID()}`, 60);
  const isLost = assert.rejects(waiting, { code: "connection_lost", effect: "unknown" });
  const closing = open.connections.close();
  await isLost;
  await closing;
  await assert.rejects(
    open.connections.call(0, "PING"),
    (error) => error instanceof StoreError && error.code === "not_connected" && error.effect === "none",
  );
});
