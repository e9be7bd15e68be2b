import assert from "node:assert/strict";
import {
  countReplicas,
  hasWaitAof,
  lagsOf,
  type ReplicaCount,
  type ReplicaFacts,
  replicasOf,
} from "./replicas.ts";

const timeoutMs = 5000;

Deno.test("replicas: a replica counts once it has acknowledged something", () => {
  const replicas = (...lines: string[]) =>
    lines.map((line, i) => `slave${i}:ip=10.0.0.2,port=1,${line}`).join("\r\n");
  assert.deepEqual(lagsOf("connected_slaves:0"), []);
  assert.deepEqual(lagsOf(replicas("state=online,offset=42,lag=0", "state=online,offset=7,lag=10")), [0, 10]);
  assert.deepEqual(lagsOf(replicas("state=online,offset=0,lag=1")), [], "loads its copy");
  assert.deepEqual(lagsOf(replicas("state=send_bulk,offset=0,lag=0")), [], "gets its copy");
  assert.deepEqual(lagsOf(replicas("state=online,offset=9,lag=0,type=replica")), [0], "as Valkey says it");
});

/** One look a second at what `facts` says of that second; returns what each found. */
function checks(seconds: number, facts: (second: number) => Partial<ReplicaFacts>): ReplicaCount[] {
  const found: ReplicaCount[] = [];
  for (let second = 0; second < seconds; second++) {
    const now = { electable: 0, failed: 0, lagsS: [], ...facts(second) };
    found.push(countReplicas(now, found.at(-1), { atMs: second * 1000, timeoutMs }));
  }
  return found;
}

/** When the number of replicas is certainly 0, in seconds. */
function goneAtS(found: readonly ReplicaCount[]): number {
  return found.findIndex(({ replicas, isCertain }) => replicas === 0 && isCertain);
}

Deno.test("replicas: a replica that the cluster calls healthy is not waited for once it was silent for the limit", () => {
  const found = checks(20, (second) => ({ electable: 1, lagsS: [second < 3 ? 0 : second - 2] }));
  assert.equal(goneAtS(found), 2 + timeoutMs / 1000);
  assert.equal(found[6]?.replicas, 1, "waited for until then");
  assert.deepEqual(found.map(({ silent }) => silent).slice(6), [0, ...Array(13).fill(1)]);
});

Deno.test("replicas: a silent replica whose connection the master has closed stays silent, and counts when it is back", () => {
  const lag = (second: number) => second < 3 ? [0] : second < 9 ? [second - 2] : second < 15 ? [] : [0];
  const found = checks(18, (second) => ({ electable: 1, lagsS: lag(second) }));
  assert.equal(found[14]?.silent, 1);
  assert.deepEqual(found.slice(15).map(({ replicas, silent }) => [replicas, silent]), Array(3).fill([1, 0]));
});

Deno.test("replicas: of two replicas the one that is silent is not waited for, the other is", () => {
  const found = checks(12, (second) => ({ electable: 2, lagsS: [1, second < 3 ? 0 : second - 2] }));
  assert.deepEqual([found[6], found[8]].map((count) => [count?.replicas, count?.silent]), [[2, 0], [1, 1]]);
});

Deno.test("replicas: one that was declared failed is not waited for at once", () => {
  const found = checks(5, (second) => second < 3 ? { electable: 1, lagsS: [0] } : { failed: 1 });
  assert.equal(goneAtS(found), 3);
});

Deno.test("replicas: of one server, a replica that is gone or silent is waited for until the limit", () => {
  const gone = checks(20, (second) => ({ lagsS: second < 3 ? [0] : [] }));
  assert.equal(goneAtS(gone), 2 + timeoutMs / 1000);
  assert.equal(gone.at(-1)?.silent, 0, "it is no longer known");
  const silent = checks(20, (second) => ({ lagsS: [second < 3 ? 0 : second - 2] }));
  assert.equal(goneAtS(silent), 2 + timeoutMs / 1000);
  assert.equal(silent.at(-1)?.silent, 1);
});

Deno.test("replicas: a worker that has just begun counts a replica that is overdue already as silent", () => {
  assert.deepEqual(
    checks(1, () => ({ electable: 1, lagsS: [30] })).map(({ replicas, silent }) => [replicas, silent]),
    [
      [0, 1],
    ],
  );
  assert.equal(goneAtS(checks(20, () => ({ electable: 1 }))), timeoutMs / 1000, "it may be about to connect");
});

Deno.test("replicas: of a master's replicas in a cluster the failed and the empty are not electable", () => {
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

Deno.test("replicas: WAITAOF is used where the server has it and answers it right", () => {
  const versions = ["7.0.15", "7.2.0", "7.4.0", "7.4.2", "7.4.3", "8.0.1", "8.2.0"];
  const has = versions.filter((version) => hasWaitAof(`redis_version:${version}\r\n`));
  assert.deepEqual(has, ["7.2.0", "7.4.3", "8.0.1", "8.2.0"]);
  assert.ok(hasWaitAof("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.0\r\n"));
});
