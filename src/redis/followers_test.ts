import assert from "node:assert/strict";
import { acknowledging, hasWaitAof, replicasOf } from "./followers.ts";

Deno.test("followers: a replica counts once it has acknowledged something, until it has been silent for 10 s", () => {
  const replicas = (...lines: string[]) =>
    lines.map((line, i) => `slave${i}:ip=10.0.0.2,port=1,${line}`).join("\r\n");
  assert.equal(acknowledging("connected_slaves:0"), 0);
  assert.equal(acknowledging(replicas("state=online,offset=42,lag=0", "state=online,offset=7,lag=10")), 2);
  assert.equal(acknowledging(replicas("state=online,offset=42,lag=11")), 0, "silent");
  assert.equal(acknowledging(replicas("state=online,offset=0,lag=1")), 0, "loads its copy");
  assert.equal(acknowledging(replicas("state=send_bulk,offset=0,lag=0")), 0, "gets its copy");
  assert.equal(acknowledging(replicas("state=online,offset=9,lag=0,type=replica")), 1, "as Valkey says it");
});

Deno.test("followers: of a master's replicas in a cluster the failed and the empty are not electable", () => {
  const node = (id: string, role: string, health: string) => ["id", id, "role", role, "health", health];
  const shard = (...nodes: string[][]) => ["slots", ["0", "1"], "nodes", nodes];
  const shards = [
    shard(node("a", "master", "online"), node("b", "replica", "online"), node("c", "replica", "fail")),
    shard(node("d", "master", "online"), node("e", "replica", "loading")),
  ];
  assert.deepEqual(replicasOf(shards, "a"), { electable: 1, failed: 1 });
  assert.deepEqual(replicasOf(shards, "d"), { electable: 0, failed: 1 });
  assert.deepEqual(replicasOf(shards, "elsewhere"), { electable: 0, failed: 0 });
});

Deno.test("followers: WAITAOF is used where the server has it and answers it right", () => {
  const versions = ["7.0.15", "7.2.0", "7.4.0", "7.4.2", "7.4.3", "8.0.1", "8.2.0"];
  const has = versions.filter((version) => hasWaitAof(`redis_version:${version}\r\n`));
  assert.deepEqual(has, ["7.2.0", "7.4.3", "8.0.1", "8.2.0"]);
  assert.ok(hasWaitAof("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.0\r\n"));
});
