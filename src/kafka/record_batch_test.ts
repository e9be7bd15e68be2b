import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import zlib from "node:zlib";
import crc32C from "kafkajs/src/protocol/recordBatch/crc32C/index.js";
import Decoder from "kafkajs/src/protocol/decoder.js";
import readBatch from "kafkajs/src/protocol/recordBatch/v0/decoder.js";
import { RecordBatch } from "kafkajs/src/protocol/recordBatch/v0/index.js";
import makeRecord from "kafkajs/src/protocol/recordBatch/record/v0/index.js";
import type { FetchedMessage, OutgoingMessage } from "./client.ts";
import { decompress, unpackedBytesMax } from "./gzip.ts";
import { decodeBatches, encodeBatch } from "./record_batch.ts";

const gunzip = (bytes: Buffer) => zlib.gunzipSync(bytes);
const options = {
  ...{ producerId: "4294967299", producerEpoch: 3, firstSequence: 70_000, timestampMs: 1_795_856_400_000 },
  ...{ compress: (bytes: Buffer) => zlib.gzipSync(bytes), crc32C },
};

function message(
  key: string,
  value: string,
  headers: Record<string, string> = { schema: "1" },
): OutgoingMessage {
  return { partition: 0, key, value, valueBytes: Buffer.byteLength(value), headers };
}

/** Of a message, in texts. */
function textsOf({ offset, key, value, headers }: FetchedMessage) {
  const texts = Object.entries(headers).map(([name, bytes]) => [name, String(bytes)]);
  return [offset, key && String(key), value && String(value), Object.fromEntries(texts)];
}

const messages = [
  message("1-1", "short"),
  message("1-2", "ü".repeat(5000), { schema: "1", traceparent: "00-1-2-01" }),
  message("", ""),
  ...Array.from({ length: 200 }, (_, i) => message(`2-${i}`, "x".repeat(i))),
];
const expected = messages.map(({ key, value, headers }, i) => [String(i), key, value, headers]);

Deno.test("record batch: kafkajs reads what is written here, with its sequence numbers", async () => {
  const batch = await encodeBatch(messages, options);
  const read = await readBatch(new Decoder(batch));
  assert.deepEqual(read.records.map(textsOf), expected);
  const { producerId, producerEpoch, firstSequence, lastOffsetDelta, firstTimestamp, maxTimestamp } = read;
  assert.deepEqual(
    { producerId, producerEpoch, firstSequence, lastOffsetDelta, firstTimestamp, maxTimestamp },
    {
      ...{ producerId: "4294967299", producerEpoch: 3, firstSequence: 70_000, lastOffsetDelta: 202 },
      ...{ firstTimestamp: "1795856400000", maxTimestamp: "1795856400000" },
    },
  );
  assert.equal(batch.readUInt32BE(17), crc32C(batch.subarray(21)));
});

Deno.test("record batch: batches are read one after the other, and a part of one at the end is left out", async () => {
  const batch = await encodeBatch(messages.slice(0, 3), options);
  const later = Buffer.from(batch);
  later.writeBigInt64BE(3n, 0);
  const read = (bytes: Buffer) => decodeBatches(bytes, gunzip)?.map(textsOf);
  assert.deepEqual(read(batch), expected.slice(0, 3));
  const moved = expected.slice(0, 3).map(([, ...rest], i) => [String(i + 3), ...rest]);
  assert.deepEqual(read(Buffer.concat([batch, later])), [...expected.slice(0, 3), ...moved]);
  assert.deepEqual(read(Buffer.concat([batch, later.subarray(0, later.length - 1)])), expected.slice(0, 3));
  assert.deepEqual(read(Buffer.concat([batch, later.subarray(0, 30)])), expected.slice(0, 3));
});

Deno.test("record batch: what kafkajs writes is read, compressed or not, and a record without a value is null", async () => {
  const records = [{ key: Buffer.from("k"), value: Buffer.from("v"), headers: { a: "1" } }, {
    key: null,
    value: null,
  }]
    .map((record, i) => makeRecord({ ...record, offsetDelta: i, timestampDelta: 900 * i }));
  for (const compression of [0, 1]) {
    const { buffer } = await RecordBatch({ compression, records, lastOffsetDelta: 1 });
    assert.deepEqual(decodeBatches(buffer, gunzip)?.map(textsOf), [["0", "k", "v", { a: "1" }], [
      "1",
      null,
      null,
      {},
    ]]);
  }
});

Deno.test("record batch: a transaction marker is known by its flag", async () => {
  const batch = await encodeBatch([message("k", "v")], options);
  const flags = () => decodeBatches(batch, gunzip)?.map(({ isControlRecord }) => isControlRecord);
  assert.deepEqual(flags(), [false]);
  batch.writeInt16BE(0x21, 21);
  assert.deepEqual(flags(), [true]);
});

Deno.test("record batch: another compression or version is left to kafkajs", async () => {
  const batch = await encodeBatch([message("k", "v")], options);
  const [zstd, old] = [Buffer.from(batch), Buffer.from(batch)];
  zstd.writeInt16BE(4, 21);
  old.writeInt8(1, 16);
  assert.equal(decodeBatches(zstd, gunzip), undefined);
  assert.equal(decodeBatches(old, gunzip), undefined);
});

Deno.test("record batch: a batch that announces more records than it has is refused", async () => {
  const batch = await encodeBatch([message("k", "v")], options);
  batch.writeInt32BE(2, 57);
  assert.throws(() => decodeBatches(batch, gunzip), /its batch ends before it/);
});

Deno.test("record batch: a length that leads backwards is refused, of a batch and of a record", async () => {
  const batch = await encodeBatch([message("k", "v")], options);
  for (const length of [-12, -61, 48]) {
    batch.writeInt32BE(length, 8);
    assert.throws(() => decodeBatches(batch, gunzip), /shorter than its header/, `${length}`);
  }
  const oneRecord = await encodeBatch([message("k", "v")], { ...options, compress: (bytes) => bytes });
  oneRecord.writeInt16BE(0, 21);
  const { length } = oneRecord;
  for (const size of [1, length]) { // zigzag: -1, and half of the batch's length
    oneRecord[61] = size;
    assert.throws(() => decodeBatches(oneRecord, gunzip), /not in its batch/, `${size}`);
  }
});

Deno.test("record batch: a batch that this process sent has its messages, at the offsets that the broker gave", async () => {
  const sent = [message("k", "v"), message("l", "w")];
  const [known, other] = [await encodeBatch(sent, options), await encodeBatch([message("m", "x")], options)];
  known.writeBigInt64BE(70n, 0);
  const refuse = () => assert.fail("decompressed");
  const read = decodeBatches(known, refuse, (batch) => batch.equals(known) ? sent : undefined) ?? [];
  assert.deepEqual(read.map(({ offset, sent }) => [offset, sent]), [["70", sent[0]], ["71", sent[1]]]);
  const both = decodeBatches(
    Buffer.concat([known, other]),
    gunzip,
    (batch) => batch.equals(known) ? sent : undefined,
  );
  assert.deepEqual(both?.map(({ sent, key }) => sent?.key ?? String(key)), ["k", "l", "m"]);
});

Deno.test("record batch: a batch that unpacks to too much is one message without contents, and batches that do so together come one by one", async () => {
  const value = "x".repeat(unpackedBytesMax);
  const compress = (bytes: Buffer) => zlib.gzipSync(bytes, { level: 1 });
  const batchOf = (text: string) => encodeBatch([message("k", text)], { ...options, compress });
  const tooLarge = await batchOf(value);
  assert.ok(tooLarge.length < 1_000_000, "a fetch may have it");
  tooLarge.writeBigInt64BE(70n, 0);
  tooLarge.writeInt32BE(2, 23); // has three offsets
  const skipped = decodeBatches(tooLarge, decompress)?.map(textsOf);
  assert.deepEqual(skipped, [["72", "of a batch that unpacks to more than 67108864 bytes", null, {}]]);
  const large = await batchOf(value.slice(0, unpackedBytesMax - 100));
  const small = await batchOf("v");
  const read = decodeBatches(Buffer.concat([large, large, small]), decompress) ?? [];
  assert.deepEqual(read.map(({ value }) => value?.length), [unpackedBytesMax - 100, unpackedBytesMax - 100]);
});
