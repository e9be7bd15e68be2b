/**
 * Corrections of kafkajs 2.2.4, made once when it is loaded: see `docs/adr/0022-kafkajs-and-its-faults.md`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { FetchedMessage, OutgoingMessage } from "./client.ts";
import { compress, decompress } from "./gzip.ts";
import { decodeBatches, encodeBatch } from "./record_batch.ts";
import { SentBatches } from "./sent_batches.ts";

/** The parts of kafkajs' queue of requests, one per connection, that are corrected here. */
interface RequestQueue {
  /** Requests that wait for a throttled broker, or for the number of requests in flight. */
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

/**
 * From its first request on, a connection wakes up each ms to look for pending requests, for ever: its timer is set to the
 * time since 1970, below zero, and sets itself again. What becomes pending sets the timer itself, so it is needed only
 * while something is.
 */
export function stopPolling({ prototype }: { readonly prototype: RequestQueue }): void {
  const schedule = prototype.scheduleCheckPendingRequests;
  prototype.scheduleCheckPendingRequests = function () {
    if (this.pending.length > 0) schedule.call(this);
  };
}

interface ProduceArgs {
  readonly acks: number;
  readonly timeout: number;
  readonly transactionalId?: string;
  readonly producerId: string;
  readonly producerEpoch: number;
  readonly compression: number;
  readonly topicData: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly firstSequence: number;
      readonly messages: readonly OutgoingMessage[];
    }[];
  }[];
}

interface FetchResponse {
  readonly throttleTime: number;
  readonly clientSideThrottleTime: number;
  readonly responses: readonly {
    readonly topicName: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly errorCode: number;
      readonly highWatermark: string;
      readonly messages: readonly FetchedMessage[];
    }[];
  }[];
}

/** What a request is encoded to; kafkajs copies it behind the head of the request. */
interface Payload {
  readonly buf: Buffer;
  readonly buffer: Buffer;
}

/** A kind of request, in the versions that kafkajs knows. */
interface Definition<Args, Response> {
  protocol(of: { version: number }): (args: Args) => {
    readonly request: { encode: () => Promise<Payload> };
    readonly response: { readonly decode: (bytes: Buffer) => Promise<Response> };
  };
}

/** kafkajs' requests by name. */
export interface Requests {
  readonly Produce: Definition<ProduceArgs, unknown>;
  readonly Fetch: Definition<object, FetchResponse>;
}

/** kafkajs' number for gzip. */
const gzipCodec = 1;
/** Of a produce request with record batches. */
const batchesSince = 3;
/** kafkajs' highest fetch request, which Kafka has since 2.3. */
const fetchVersion = 11;

export interface EncodeParts {
  readonly crc32C: (bytes: Buffer) => number;
  /** ms since 1970. */
  readonly now: () => number;
}

/** Encodes and decodes the batches of one partition by `record_batch.ts`; requests of any other form stay with kafkajs. */
export function replaceBatchCodec({ Produce, Fetch }: Requests, { crc32C, now }: EncodeParts): void {
  const sentBatches = new SentBatches();
  const produce = Produce.protocol;
  Produce.protocol = (of) => (args) => {
    const made = produce(of)(args);
    const [topic, ...topics] = args.topicData;
    const [partition, ...partitions] = topic?.partitions ?? [];
    const isOurs = of.version >= batchesSince && !args.transactionalId && args.compression === gzipCodec &&
      topics.length === 0 && partitions.length === 0;
    if (!isOurs || !topic || !partition) return made;
    const encode = async () => {
      const options = { ...args, ...partition, timestampMs: now(), compress, crc32C };
      const batch = await encodeBatch(partition.messages, options);
      sentBatches.remember(topic.topic, partition.partition, batch, partition.messages);
      const bytes = produceBody(args, topic.topic, partition.partition, batch);
      return { buf: bytes, buffer: bytes };
    };
    return { ...made, request: { ...made.request, encode } };
  };
  const fetch = Fetch.protocol;
  Fetch.protocol = (of) => (args) => {
    const made = fetch(of)(args);
    if (of.version !== fetchVersion) return made;
    const { decode } = made.response;
    const decodeOurs = async (bytes: Buffer) => decodeFetch(bytes, sentBatches) ?? await decode(bytes);
    return { ...made, response: { ...made.response, decode: decodeOurs } };
  };
}

function produceBody(args: ProduceArgs, topic: string, partition: number, batch: Buffer): Buffer {
  const name = Buffer.from(topic);
  const head = Buffer.allocUnsafe(26 + name.length);
  head.writeInt16BE(-1, 0); // no transaction
  head.writeInt16BE(args.acks, 2);
  head.writeInt32BE(args.timeout, 4);
  head.writeInt32BE(1, 8); // one topic
  head.writeInt16BE(name.length, 12);
  head.set(name, 14);
  head.writeInt32BE(1, 14 + name.length); // one partition
  head.writeInt32BE(partition, 18 + name.length);
  head.writeInt32BE(batch.length, 22 + name.length);
  return Buffer.concat([head, batch]);
}

/** A response with one partition; undefined of any other. */
function decodeFetch(bytes: Buffer, sentBatches: SentBatches): FetchResponse | undefined {
  if (bytes.length < 20 || bytes.readInt32BE(10) !== 1) return undefined;
  const nameEnd = 16 + bytes.readInt16BE(14);
  const topicName = bytes.toString("utf8", 16, nameEnd);
  if (bytes.readInt32BE(nameEnd) !== 1) return undefined;
  const at = nameEnd + 4;
  const partitionId = bytes.readInt32BE(at);
  const aborted = Math.max(0, bytes.readInt32BE(at + 30)); // transactions: -1 = none
  const sizeAt = at + 38 + aborted * 16; // behind the replica to read from
  const size = bytes.readInt32BE(sizeAt);
  const messages = decodeBatches(
    bytes.subarray(sizeAt + 4, sizeAt + 4 + Math.max(0, size)),
    decompress,
    (batch) => sentBatches.take(topicName, partitionId, batch),
  );
  if (!messages) return undefined;
  const partition = {
    partition: partitionId,
    errorCode: bytes.readInt16BE(at + 4),
    highWatermark: String(bytes.readBigInt64BE(at + 6)),
    messages,
  };
  const clientSideThrottleTime = bytes.readInt32BE(0);
  return { throttleTime: 0, clientSideThrottleTime, responses: [{ topicName, partitions: [partition] }] };
}
