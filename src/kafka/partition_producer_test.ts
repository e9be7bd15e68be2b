import assert from "node:assert/strict";
import { describeError } from "../runtime/logger.ts";
import type { KafkaCluster, OutgoingMessage } from "./client.ts";
import { PartitionProducer } from "./partition_producer.ts";

function message(value: string): OutgoingMessage {
  return { partition: 3, key: "k", value, valueBytes: value.length, headers: {} };
}

/** Connections to a broker that fails as often as is set, and records its requests. */
function setup() {
  const heard: unknown[] = [];
  const broker = {
    failures: 0,
    initProducerId: () => Promise.resolve({ producerId: "9", producerEpoch: 2 }),
    // deno-lint-ignore no-explicit-any -- a request of the protocol
    produce({ producerId, producerEpoch, acks, topicData: [{ topic, partitions: [one] }] }: any) {
      const values = one.messages.map(({ value }: OutgoingMessage) => value).join("");
      heard.push([producerId, producerEpoch, acks, topic, one.partition, one.firstSequence, values]);
      return broker.failures-- > 0 ? Promise.reject(new Error("away")) : Promise.resolve();
    },
  };
  const cluster = {
    findLeaderForPartitions: (_topic: string, [partition]: number[]) => ({ 7: [partition] }),
    findBroker: ({ nodeId }: { nodeId: string }) => (assert.equal(nodeId, "7"), Promise.resolve(broker)),
    refreshMetadata: () => Promise.resolve(void heard.push("metadata")),
    disconnect: () => Promise.resolve(void heard.push("closed")),
  } as unknown as KafkaCluster;
  return { heard, broker, parts: { cluster, topic: "t", partition: 3, compression: 1 } };
}

Deno.test("partition producer: the sequence number of a batch follows that of the records before it", async () => {
  const { heard, parts } = setup();
  const producer = await PartitionProducer.open(parts);
  await producer.send(["a", "b", "c"].map(message));
  await producer.send([message("d")]);
  await producer.close();
  assert.deepEqual(heard, [["9", 2, -1, "t", 3, 0, "abc"], ["9", 2, -1, "t", 3, 3, "d"], "closed"]);
});

Deno.test("partition producer: a failed batch is sent once more, under its number, to who leads then", async () => {
  const { heard, broker, parts } = setup();
  const producer = await PartitionProducer.open(parts);
  broker.failures = 1;
  await producer.send(["a", "b"].map(message));
  await producer.send([message("c")]);
  const first = ["9", 2, -1, "t", 3, 0, "ab"];
  assert.deepEqual(heard.splice(0), [first, "metadata", first, ["9", 2, -1, "t", 3, 2, "c"]]);
  broker.failures = 2;
  await assert.rejects(producer.send([message("d")]), /away/);
  assert.equal(heard.length, 3);
});

Deno.test("partition producer: of two failures both are reported", async () => {
  const { broker, parts } = setup();
  const producer = await PartitionProducer.open(parts);
  broker.failures = 1;
  parts.cluster.refreshMetadata = () => Promise.reject(new Error("no broker"));
  const failed = await producer.send([message("a")]).catch((error: unknown) => error);
  assert.equal(describeError(failed), "no broker: away");
});

Deno.test("partition producer: a batch that fails while the producer is closed is not sent again", async () => {
  const { heard, broker, parts } = setup();
  const producer = await PartitionProducer.open(parts);
  broker.failures = 1;
  const sent = producer.send([message("a")]);
  for (let turn = 0; turn < 100 && heard.length === 0; turn++) await Promise.resolve();
  await producer.close();
  await assert.rejects(sent, /away/);
  assert.deepEqual(heard, [["9", 2, -1, "t", 3, 0, "a"], "closed"]);
});

Deno.test("partition producer: a batch is refused while another is on its way", async () => {
  const { heard, parts } = setup();
  const producer = await PartitionProducer.open(parts);
  const first = producer.send([message("a")]);
  await assert.rejects(producer.send([message("b")]), /another one is on its way/);
  await first;
  await producer.send([message("c")]);
  assert.deepEqual(heard, [["9", 2, -1, "t", 3, 0, "a"], ["9", 2, -1, "t", 3, 1, "c"]]);
});

Deno.test("partition producer: a partition without a leader is refused", async () => {
  const { parts } = setup();
  const cluster = { ...parts.cluster, findLeaderForPartitions: () => ({}) };
  await assert.rejects(PartitionProducer.open({ ...parts, cluster }), /no leader/);
});

Deno.test("partition producer: a broker that has just started is asked for an id again", async () => {
  const { heard, broker, parts } = setup();
  let asked = 0;
  const init = broker.initProducerId;
  const loading = Object.assign(new Error("loading"), { type: "GROUP_LOAD_IN_PROGRESS" });
  broker.initProducerId = () => ++asked < 3 ? Promise.reject(loading) : init();
  const producer = await PartitionProducer.open(parts);
  await producer.send([message("a")]);
  assert.deepEqual([asked, heard.length], [3, 1]);
  broker.initProducerId = () => Promise.reject(Object.assign(new Error("denied"), { type: "DENIED" }));
  await assert.rejects(PartitionProducer.open(parts), /denied/);
});
