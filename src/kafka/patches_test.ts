import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import zlib from "node:zlib";
import { loadKafka, type OutgoingMessage } from "./client.ts";
import { encodeBatch } from "./record_batch.ts";
import { replaceBatchCodec, type Requests, stopPolling } from "./patches.ts";

Deno.test("kafkajs patches: a queue sets its timer only while a request is pending", () => {
  class Queue {
    pending: unknown[] = [];
    timers = 0;
    scheduleCheckPendingRequests(): void {
      this.timers++;
    }
  }
  stopPolling(Queue);
  const queue = new Queue();
  queue.scheduleCheckPendingRequests();
  assert.equal(queue.timers, 0);
  queue.pending.push("request");
  queue.scheduleCheckPendingRequests();
  assert.equal(queue.timers, 1);
});

Deno.test("kafkajs patches: the queue of kafkajs has what is corrected, once", async () => {
  const load = () => loadKafka({ brokers: ["127.0.0.1:1"], onLog: () => {} }, "test");
  const { default: Queue } = await import("kafkajs/src/network/requestQueue/index.js");
  await load();
  const { scheduleCheckPendingRequests: first } = Queue.prototype;
  await load();
  assert.equal(Queue.prototype.scheduleCheckPendingRequests, first);
  assert.match(String(first), /pending\.length > 0/);
});

const none = { encode: () => Promise.reject(new Error("kafkajs encodes")) };
const message: OutgoingMessage = { partition: 5, key: "1-1", value: "{}", valueBytes: 2, headers: {} };

/** Requests of kafkajs that only say that they were asked. */
function setup() {
  const requests = {
    Produce: { protocol: () => () => ({ request: none, response: { decode: () => Promise.resolve() } }) },
    Fetch: {
      protocol: () => () => ({
        request: none,
        response: { decode: () => Promise.reject(new Error("kafkajs decodes")) },
      }),
    },
  } as Requests;
  replaceBatchCodec(requests, { crc32C: () => 7, now: () => 5 });
  return requests;
}

const produced = {
  ...{ acks: -1, timeout: 4000, producerId: "9", producerEpoch: 0, compression: 1 },
  topicData: [{ topic: "t.events", partitions: [{ partition: 5, firstSequence: 2, messages: [message] }] }],
};

Deno.test("kafkajs patches: a request with batches of one partition is encoded here, any other by kafkajs", async () => {
  const { Produce } = setup();
  const { buffer } = await Produce.protocol({ version: 7 })(produced).request.encode();
  assert.equal(buffer.toString("hex", 0, 8), "ffffffff00000fa0");
  assert.equal(buffer.toString("utf8", 14, 22), "t.events");
  assert.deepEqual([buffer.readInt32BE(26), buffer.readInt32BE(30)], [5, buffer.length - 34]);
  assert.equal(buffer.readInt32BE(34 + 53), 2);
  const [topic = assert.fail()] = produced.topicData;
  const others = [
    { ...produced, transactionalId: "x" },
    { ...produced, compression: 0 },
    { ...produced, topicData: [topic, topic] },
    { ...produced, topicData: [{ ...topic, partitions: [...topic.partitions, ...topic.partitions] }] },
  ];
  for (const other of others) {
    await assert.rejects(Produce.protocol({ version: 7 })(other).request.encode(), /kafkajs encodes/);
  }
  await assert.rejects(Produce.protocol({ version: 2 })(produced).request.encode(), /kafkajs encodes/);
});

interface Change {
  topic?: string;
  batch?: Buffer;
  topics?: number;
  partitions?: number;
  aborted?: number;
  codec?: number;
}

/** A response to a fetch of version 11. */
async function fetched(change: Change) {
  const options = { producerId: "9", producerEpoch: 0, firstSequence: 0, timestampMs: 0 };
  const compress = (bytes: Buffer) => zlib.gzipSync(bytes);
  const batch = change.batch ?? await encodeBatch([message], { ...options, compress, crc32C: () => 0 });
  if (change.codec) batch.writeInt16BE(change.codec, 21);
  const { topic = "t", topics = 1, partitions = 1, aborted = -1 } = change;
  const [head, body] = [Buffer.alloc(20 + topic.length), Buffer.alloc(42 + Math.max(0, aborted) * 16)];
  head.writeInt32BE(250, 0); // throttled
  head.writeInt32BE(topics, 10);
  head.writeInt16BE(topic.length, 14);
  head.write(topic, 16);
  head.writeInt32BE(partitions, 16 + topic.length);
  body.writeInt32BE(5, 0);
  body.writeInt16BE(3, 4);
  body.writeBigInt64BE(8n, 6);
  body.writeInt32BE(aborted, 30);
  body.writeInt32BE(batch.length, body.length - 4);
  return Buffer.concat([head, body, batch]);
}

Deno.test("kafkajs patches: a fetch of one partition is decoded here, any other by kafkajs", async () => {
  const { Fetch } = setup();
  const { decode } = Fetch.protocol({ version: 11 })({}).response;
  for (const aborted of [-1, 2]) {
    const { clientSideThrottleTime, responses: [topic] } = await decode(await fetched({ aborted }));
    const { messages = [], ...partition } = topic?.partitions[0] ?? {};
    assert.deepEqual([clientSideThrottleTime, topic?.topicName], [250, "t"]);
    assert.deepEqual(partition, { partition: 5, errorCode: 3, highWatermark: "8" });
    assert.deepEqual(messages.map(({ offset, key }) => [offset, String(key)]), [["0", "1-1"]]);
  }
  for (const change of [{ topics: 0 }, { topics: 2 }, { partitions: 2 }, { codec: 4 }]) {
    await assert.rejects(decode(await fetched(change)), /kafkajs decodes/);
  }
  const older = Fetch.protocol({ version: 10 })({}).response;
  await assert.rejects(older.decode(await fetched({})), /kafkajs decodes/);
});

Deno.test("kafkajs patches: a batch that comes back as it was sent is not decoded, once", async () => {
  const { Produce, Fetch } = setup();
  const { buffer } = await Produce.protocol({ version: 7 })(produced).request.encode();
  const batch = Buffer.from(buffer.subarray(34));
  batch.writeBigInt64BE(40n, 0); // as a broker does
  batch.writeInt32BE(2, 12);
  const { decode } = Fetch.protocol({ version: 11 })({}).response;
  const read = async (topic: string, bytes: Buffer) => {
    const { responses } = await decode(await fetched({ topic, batch: bytes }));
    return responses[0]?.partitions[0]?.messages.map((
      { offset, key, sent },
    ) => [offset, sent, key && String(key)]);
  };
  assert.deepEqual(await read("another", batch), [["40", undefined, "1-1"]]);
  const changed = Buffer.from(batch);
  changed.writeInt32BE(3, 53); // another sequence number
  assert.deepEqual(await read("t.events", changed), [["40", undefined, "1-1"]]);
  assert.deepEqual(await read("t.events", batch), [["40", message, null]]);
  assert.deepEqual(await read("t.events", batch), [["40", undefined, "1-1"]]);
});
