/**
 * Record batches of Kafka's protocol, version 2: https://kafka.apache.org/documentation/#messageformat.
 *
 * kafkajs makes 4 growing buffers for each record that it writes and 5 objects for each that it reads, 55 and 12 µs. Here a
 * batch is one buffer, and a record is read where it lies.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { FetchedMessage, OutgoingMessage } from "./client.ts";
import { unpackedBytesMax } from "./gzip.ts";

/** How a batch is sent. */
export interface BatchOptions {
  /** Decimal digits; by it and the sequence number, a broker detects duplicates. */
  readonly producerId: string;
  readonly producerEpoch: number;
  /** Sequence number of the first record. */
  readonly firstSequence: number;
  /** ms since 1970. */
  readonly timestampMs: number;
  readonly compress: (records: Buffer) => Promise<Uint8Array> | Uint8Array;
  readonly crc32C: (bytes: Buffer) => number;
}

const gzipCodec = 1;
const codecMask = 7;
const controlFlag = 0x20;
const magic = 2;
/** First offset and length of what follows. */
const prefixBytes = 12;
/** From the first offset to the number of records. */
const headerBytes = 61;
const crcAt = 17;
const attributesAt = 21;
const lastDeltaAt = 23;
const recordCountAt = 57;

const unread = { key: null, value: null, headers: {} };
/** Shows as the key of the message in the log line about it. */
const tooLarge = Buffer.from(`of a batch that unpacks to more than ${unpackedBytesMax} bytes`);

/** Undefined when there are more than {@link unpackedBytesMax} bytes. */
type Decompress = (records: Buffer) => Buffer | undefined;

/** Encodes messages of one partition as a batch, compressed by gzip. */
export async function encodeBatch(
  messages: readonly OutgoingMessage[],
  { producerId, producerEpoch, firstSequence, timestampMs, compress, crc32C }: BatchOptions,
): Promise<Buffer> {
  const records = await compress(encodeRecords(messages));
  const batch = Buffer.allocUnsafe(headerBytes + records.length);
  batch.writeBigInt64BE(0n, 0); // the broker sets the offset
  batch.writeInt32BE(batch.length - prefixBytes, 8);
  batch.writeInt32BE(0, 12); // the broker sets the epoch of the partition's leader
  batch.writeInt8(magic, 16);
  batch.writeInt16BE(gzipCodec, attributesAt);
  batch.writeInt32BE(messages.length - 1, lastDeltaAt);
  batch.writeBigInt64BE(BigInt(timestampMs), 27);
  batch.writeBigInt64BE(BigInt(timestampMs), 35);
  batch.writeBigInt64BE(BigInt(producerId), 43);
  batch.writeInt16BE(producerEpoch, 51);
  batch.writeInt32BE(firstSequence, 53);
  batch.writeInt32BE(messages.length, recordCountAt);
  batch.set(records, headerBytes);
  batch.writeUInt32BE(crc32C(batch.subarray(attributesAt)), crcAt);
  return batch;
}

/** What a broker stores of a batch as it was sent. It sets offset and epoch of the partition's leader before it. */
export function storedPart(batch: Buffer): Buffer {
  return batch.subarray(crcAt);
}

/**
 * Reads the messages of a partition from a fetch. An incomplete batch at the end is left out, and so is what follows the
 * batch with which they have {@link unpackedBytesMax}: 1 MB of batches could unpack to 1 GB. A batch that alone has more is
 * not ours. It is one message that cannot be read, at its last offset: a refusal would end the reading of the partition
 * there, for all time.
 *
 * @param findSent the messages of a batch that this process sent, if they are known
 * @returns undefined when a batch has another version or compression than {@link encodeBatch} writes
 * @throws {RangeError} when a batch is shorter than its header, or a record is not inside of its batch
 */
export function decodeBatches(
  bytes: Buffer,
  decompress: Decompress,
  findSent: (batch: Buffer) => readonly OutgoingMessage[] | undefined = () => undefined,
): FetchedMessage[] | undefined {
  const messages: FetchedMessage[] = [];
  let unpackedBytes = 0;
  const unpack = (records: Buffer) => {
    const unpacked = decompress(records);
    unpackedBytes += unpacked?.length ?? unpackedBytesMax;
    return unpacked;
  };
  for (let at = 0; unpackedBytes < unpackedBytesMax && at + headerBytes <= bytes.length;) {
    const end = at + prefixBytes + bytes.readInt32BE(at + 8);
    // The next one would be sought here again, or before it, for ever.
    if (end < at + headerBytes) throw new RangeError("Cannot read a batch as it is shorter than its header");
    if (end > bytes.length) break;
    const batch = bytes.subarray(at, end);
    const codec = batch.readInt16BE(attributesAt) & codecMask;
    if (batch.readInt8(16) !== magic || codec > gzipCodec) return undefined;
    const ownMessages = findSent(batch);
    if (ownMessages) messages.push(...ownRecords(ownMessages, batch));
    else decodeBatch(batch, codec === gzipCodec ? unpack : (records) => records, messages);
    at = end;
  }
  return messages;
}

function ownRecords(messages: readonly OutgoingMessage[], batch: Buffer): FetchedMessage[] {
  const firstOffset = Number(batch.readBigInt64BE(0));
  return messages.map((sent, i) => ({ ...unread, offset: String(firstOffset + i), sent }));
}

function decodeBatch(
  batch: Buffer,
  decompress: Decompress,
  messages: FetchedMessage[],
): void {
  const count = batch.readInt32BE(recordCountAt);
  const packed = batch.subarray(headerBytes);
  const firstOffset = Number(batch.readBigInt64BE(0));
  const records = count > 0 ? decompress(packed) : packed;
  if (records === undefined) {
    messages.push({ ...unread, key: tooLarge, offset: String(firstOffset + batch.readInt32BE(lastDeltaAt)) });
    return;
  }
  const reader = new RecordReader(records);
  const isControlRecord = (batch.readInt16BE(attributesAt) & controlFlag) !== 0;
  for (let i = 0; i < count; i++) messages.push(reader.record(firstOffset, isControlRecord));
}

/** Records one after the other: each number is of variable length, zigzag-encoded. */
function encodeRecords(messages: readonly OutgoingMessage[]): Buffer {
  const headers = headersOf(messages);
  const sizes = messages.map(({ key, valueBytes }, i) => {
    const keyBytes = Buffer.byteLength(key);
    const headerBytes = headers[i]?.length ?? 0;
    // Two bytes: attributes, and the difference of time, which is 0.
    return 2 + sizeOf(i) + sizeOf(keyBytes) + keyBytes + sizeOf(valueBytes) + valueBytes + headerBytes;
  });
  const records = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + sizeOf(size) + size, 0));
  let at = 0;
  for (const [i, { key, value, valueBytes }] of messages.entries()) {
    at = writeVarint(records, sizes[i] ?? 0, at);
    records[at++] = 0;
    records[at++] = 0;
    at = writeVarint(records, i, at);
    at = writeVarint(records, Buffer.byteLength(key), at);
    at += records.write(key, at);
    at = writeVarint(records, valueBytes, at);
    at += records.write(value, at);
    at += headers[i]?.copy(records, at) ?? 0;
  }
  return records;
}

/** The headers of each message; most have the same as the one before. */
function headersOf(messages: readonly OutgoingMessage[]): Buffer[] {
  const all: Buffer[] = [];
  for (const [i, { headers }] of messages.entries()) {
    const previous = messages[i - 1]?.headers;
    const known = previous && isSame(previous, headers) ? all[i - 1] : undefined;
    all.push(known ?? encodeHeaders(headers));
  }
  return all;
}

function encodeHeaders(headers: Readonly<Record<string, string>>): Buffer {
  const texts = Object.entries(headers).flat().map((text) => Buffer.from(text));
  const size = texts.reduce((sum, { length }) => sum + sizeOf(length) + length, sizeOf(texts.length / 2));
  const bytes = Buffer.allocUnsafe(size);
  let at = writeVarint(bytes, texts.length / 2, 0);
  for (const text of texts) {
    at = writeVarint(bytes, text.length, at);
    bytes.set(text, at);
    at += text.length;
  }
  return bytes;
}

function isSame(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

/** Bytes that a number takes, which is not negative. */
function sizeOf(value: number): number {
  let bytes = 1;
  for (let rest = value * 2; rest > 127; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** @returns the position after it */
function writeVarint(bytes: Buffer, value: number, at: number): number {
  let rest = value * 2;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 128;
  bytes[at++] = rest;
  return at;
}

class RecordReader {
  readonly #bytes: Buffer;
  #at = 0;
  /** Of the record before: most are the same. */
  #headerBytes: Buffer | undefined;
  #headers: FetchedMessage["headers"] = {};

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  record(firstOffset: number, isControlRecord: boolean): FetchedMessage {
    const size = this.#varint();
    const end = this.#at + size;
    if (size < 0 || end > this.#bytes.length) {
      throw new RangeError("Cannot read a record as it is not in its batch");
    }
    this.#at++; // attributes: none are defined
    this.#varint(); // the difference of time
    const offset = String(firstOffset + this.#varint());
    const key = this.#data();
    const value = this.#data();
    const headers = this.#headersUntil(end);
    this.#at = end;
    return { offset, key, value, headers, isControlRecord };
  }

  #headersUntil(end: number): FetchedMessage["headers"] {
    const bytes = this.#bytes.subarray(this.#at, end);
    if (this.#headerBytes?.equals(bytes)) return this.#headers;
    const headers: Record<string, Uint8Array> = {};
    for (let left = this.#varint(); left > 0; left--) {
      const name = this.#data();
      const value = this.#data();
      if (name && value) headers[name.toString()] = value;
    }
    this.#headerBytes = bytes;
    return this.#headers = headers;
  }

  /** Bytes with their length before them; -1 = null. */
  #data(): Buffer | null {
    const length = this.#varint();
    if (length < 0) return null;
    return this.#bytes.subarray(this.#at, this.#at += length);
  }

  #varint(): number {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new RangeError("Cannot read a record as its batch ends before it");
      value += (byte & 127) * factor;
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= 128;
    }
  }
}
