import assert from "node:assert/strict";
import { ownDescriptorsMax } from "../../http/listener.ts";
import { descriptorCheck, judgeLogWays, judgeTopic, reconciliationCheck } from "./doctor.ts";

const facts = {
  ...{
    topic: "inventory.events",
    clusterId: "c",
    partitions: 4,
    used: 4,
    replicationFactor: 3,
    minInsyncReplicas: 2,
  },
  ...{ retentionMs: 604_800_000, maxMessageBytes: 1_048_588, created: false },
};

function verdicts(changed: Partial<typeof facts>, whyUnusable?: string): string[] {
  return judgeTopic({ kind: "found", facts: { ...facts, ...changed }, whyUnusable }).map(({ verdict }) =>
    verdict
  );
}

Deno.test("judgeTopic() looks at the topic, its retention and min.insync.replicas", () => {
  assert.deepEqual(verdicts({}), ["ok", "ok", "ok"]);
  assert.deepEqual(verdicts({ retentionMs: -1 }), ["ok", "ok", "ok"]);
  assert.deepEqual(verdicts({ retentionMs: 86_400_000 }), ["ok", "off", "ok"]);
  assert.deepEqual(verdicts({ minInsyncReplicas: 1 }), ["ok", "ok", "off"]);
  assert.deepEqual(verdicts({ partitions: 3 }, "it must have a partition a shard"), ["bad", "ok", "ok"]);
});

Deno.test("judgeTopic() says when there is no topic, no broker that answers, and nothing without Kafka", () => {
  assert.deepEqual(judgeTopic(null), []);
  assert.deepEqual(judgeTopic({ kind: "missing" }).map(({ verdict }) => verdict), ["off"]);
  const [away] = judgeTopic({ kind: "away", why: "nothing listens there" });
  assert.deepEqual([away?.verdict, away?.found], ["bad", "nothing listens there"]);
});

Deno.test("judgeLogWays() finds workers that disagree about KAFKA_BROKERS, and a process with other settings", () => {
  assert.deepEqual(judgeLogWays(["", ""], "stream"), []);
  assert.deepEqual(judgeLogWays(["stream", "stream"], "stream"), []);
  assert.deepEqual(
    judgeLogWays(["topic a of Kafka cluster x", "topic a of Kafka cluster y"], undefined).map(({ verdict }) =>
      verdict
    ),
    ["bad"],
  );
  assert.deepEqual(judgeLogWays(["stream"], "topic a of Kafka cluster x").map(({ verdict }) => verdict), [
    "off",
  ]);
  assert.deepEqual(judgeLogWays(["stream"], undefined), [], "a broker that is away says nothing of it");
});

Deno.test("doctor: descriptors are enough for QUEUE_MAX and CONNECTIONS_MAX, or it says how many are needed", () => {
  for (const bounds of [{ queueMax: 1000, connectionsMax: 90 }, { queueMax: 90, connectionsMax: 1000 }]) {
    const wanted = 1000 + ownDescriptorsMax;
    assert.equal(descriptorCheck(bounds, wanted).verdict, "ok");
    const { verdict, found } = descriptorCheck(bounds, wanted - 1);
    assert.equal(verdict, "off");
    const { queueMax, connectionsMax } = bounds;
    const rule = `QUEUE_MAX=${queueMax} and CONNECTIONS_MAX=${connectionsMax} take ${wanted}: raise ulimit`;
    assert.match(found, new RegExp(`^${wanted - 1} can be open here, ${rule}`));
  }
});

Deno.test("reconciliationCheck() says when every SKU was compared, and which shards differ", () => {
  const shard = (atMs: number, differences: number) => ({ reconciled: { atMs, skus: 1, differences } });
  const check = (...views: Parameters<typeof reconciliationCheck>[0]) => {
    const { verdict, found } = reconciliationCheck(views);
    return `${verdict}: ${found}`;
  };
  assert.match(check(shard(5000, 0), shard(1000, 0)), /^ok: .* at 1970-01-01T00:00:01.000Z$/, "the oldest");
  assert.match(check(shard(5000, 0), { reconciled: null }), /^unknown: not every SKU was compared yet/);
  assert.match(check(shard(0, 0)), /^unknown/);
  assert.match(check(shard(5000, 0), shard(0, 2)), /^off: store and ledger differ \(shard 1: 2\)/);
});
