/**
 * What kafkajs, with its corrections, costs this process: a message that is sent and read, without a network, and a
 * connection on which nothing happens.
 *
 *     deno task bench bench/kafka_client_cost.ts
 *
 * Prints the lowest of 8 runs: other programs of the machine only add to it.
 */
// deno-lint-ignore-file no-console no-explicit-any -- prints what it measured; kafkajs' inside has no types
import { Buffer } from "node:buffer";
import process from "node:process";
import protocol from "kafkajs/src/protocol/requests/index.js";
import { loadKafka } from "../src/kafka/client.ts";
import { KafkaTopic } from "../src/kafka/topic.ts";
import { startKafka } from "../tools/servers/kafka.ts";

const messagesEach = 64;
const [runs, callsEach] = [8, 100];
const [settleMs, idleMs] = [3000, 8000];
const requests = protocol.requests as any;

function event(seq: number) {
  const lines = [{
    sku: `SKU_${seq % 100}`,
    delta: -1,
    reserved_delta: 0,
    available: 1e6 - seq,
    reserved: 0,
  }];
  return {
    seq,
    kind: "deduct",
    id: crypto.randomUUID(),
    user_id: `user-${seq * 7919}`,
    actor: "shop",
    lines,
  };
}

/** µs of CPU a message. */
async function costOf(call: () => Promise<unknown>): Promise<string> {
  let lowest = Infinity;
  for (let run = 0; run < runs; run++) {
    const before = process.cpuUsage();
    for (let i = 0; i < callsEach; i++) await call();
    const { user, system } = process.cpuUsage(before);
    lowest = Math.min(lowest, (user + system) / callsEach / messagesEach);
  }
  return lowest.toFixed(1);
}

const { gzip: compression } = await loadKafka({ brokers: ["127.0.0.1:1"], onLog: () => {} }, "bench");
for (const step of [4, 32]) {
  const messages = Array.from({ length: messagesEach }, (_, i) => {
    const events = Array.from({ length: step }, (_, k) => event(i * step + k));
    const value = JSON.stringify({ shard: 0, epoch: 1, at_ms: Date.now(), events });
    const headers = { schema: "1", deployment: crypto.randomUUID() };
    return { partition: 0, key: `1-${i * step}`, value, valueBytes: Buffer.byteLength(value), headers };
  });
  const { request } = requests.Produce.protocol({ version: 7 })({
    ...{ acks: -1, timeout: 4000, compression, producerId: "5", producerEpoch: 0 },
    topicData: [{ topic: "t", partitions: [{ partition: 0, firstSequence: 7, messages }] }],
  });
  const batch = (await request.encode()).buffer.subarray(27); // behind the request's own members
  const head = Buffer.alloc(63); // of a response with one partition, topic 't'
  head.writeInt32BE(1, 10);
  head.write("\0\u0001t\0\0\0\u0001", 14);
  head.writeInt32BE(batch.length, 59);
  const { response } = requests.Fetch.protocol({ version: 11 })({ topics: [], maxWaitTime: 0 });
  const fetched = Buffer.concat([head, batch]);
  const [encode, decode] = [
    await costOf(() => request.encode()),
    await costOf(() => response.decode(fetched)),
  ];
  console.log(`a message of ${step} orders: ${encode} µs to encode, ${decode} to decode`);
}

await using kafka = await startKafka();
const topic = new KafkaTopic({ brokers: [kafka.broker], namespace: "bench", shards: 1, onLog: () => {} });
await topic.prepare();
await topic.append(0, [{ key: "1-1", value: "{}", headers: {} }]);
await topic.read(0, 0);
await new Promise((resolve) => setTimeout(resolve, settleMs));
const before = process.cpuUsage();
await new Promise((resolve) => setTimeout(resolve, idleMs));
const { user, system } = process.cpuUsage(before);
console.log(`idle: ${((user + system) / idleMs).toFixed(1)} ms of CPU a second`);
await topic.close();
