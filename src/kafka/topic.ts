/**
 * The topic on Kafka.
 *
 * A partition is read by offset, without a consumer group: the shard's lease assigns it, and the ledger's cursor has its
 * position. So no rebalancing can take it away, and a worker that takes over does not wait for a session timeout of Kafka.
 * Committed offsets are for displays of lag.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { TopicMessage } from "../log/message.ts";
import {
  type Topic,
  TopicAway,
  type TopicBounds,
  type TopicFacts,
  type TopicPage,
  type TopicRecord,
} from "../log/topic.ts";
import {
  type FetchedMessage,
  type KafkaAdmin,
  type KafkaClient,
  type KafkaCluster,
  leaderOf,
  loadKafka,
  type OutgoingMessage,
  type TopicSpace,
} from "./client.ts";
import { unpackedBytesMax } from "./gzip.ts";
import { PartitionProducer } from "./partition_producer.ts";
import { SharedCluster, typeOf } from "./shared_cluster.ts";
import { prepareTopic, readTopic, type TopicState, type TopicWish } from "./topic_facts.ts";

/** The topic is `<namespace>.events`, with a partition per shard. Offsets are committed under `<namespace>-ledger`. */
export interface KafkaTopicOptions extends TopicSpace {
  /** Several deployments can share brokers under different namespaces. */
  readonly namespace: string;
  /** Fixed for a deployment. */
  readonly shards: number;
}

/** Bytes of one read, compressed; the broker returns at least one batch of any length. */
const fetchBytesMax = 1_048_576;
/** Overhead of a message in addition to its value: key, headers, lengths. */
const frameBytes = 300;
/** The part of a batch's limit that uncompressed messages may fill. */
const batchShare = 0.9;
/** Kafka's default, until the topic's own limit is known. */
const maxMessageBytesDefault = 1_048_588;

/** See {@link Topic}. Connects at the first call. */
export class KafkaTopic implements Topic {
  readonly #options: KafkaTopicOptions;
  readonly #topic: string;
  readonly #groupId: string;
  #client: Promise<KafkaClient> | undefined;
  readonly #cluster = new SharedCluster(() => this.#connect());
  readonly #producers = new Map<number, Promise<PartitionProducer>>();
  #preparing: Promise<TopicFacts> | undefined;
  #maxMessageBytes = maxMessageBytesDefault;

  constructor(options: KafkaTopicOptions) {
    this.#options = options;
    this.#topic = `${options.namespace}.events`;
    this.#groupId = `${options.namespace}-ledger`;
  }

  /** Concurrent calls share one result. */
  prepare(): Promise<TopicFacts> {
    this.#preparing ??= this.#prepare().finally(() => this.#preparing = undefined);
    return this.#preparing;
  }

  #prepare(): Promise<TopicFacts> {
    return this.#orAway("prepare the topic", async () => {
      const facts = await this.#withAdmin(prepareTopic);
      this.#maxMessageBytes = facts.maxMessageBytes;
      return facts;
    });
  }

  async #withAdmin<T>(use: (admin: KafkaAdmin, wish: TopicWish) => Promise<T>): Promise<T> {
    const { admin: makeAdmin, topicResource: resourceType } = await this.#load();
    const admin = makeAdmin();
    try {
      await admin.connect();
      return await use(admin, { topic: this.#topic, partitions: this.#options.shards, resourceType });
    } finally {
      await admin.disconnect().catch(() => {}); // it never connected
    }
  }

  /** The existing topic; undefined when it is missing. Changes nothing. */
  inspect(): Promise<TopicState | undefined> {
    return this.#orAway("inspect the topic", () => this.#withAdmin(readTopic));
  }

  bounds(shard: number): Promise<TopicBounds> {
    return this.#onCluster("ask for a partition's bounds", async (cluster) => {
      await cluster.refreshMetadata(); // a topic that was created again has other leaders under the same name
      const [first, end] = await Promise.all([
        this.#edge(cluster, shard, "first"),
        this.#edge(cluster, shard, "end"),
      ]);
      return { first, end };
    });
  }

  append(shard: number, messages: readonly TopicMessage[]): Promise<void> {
    return this.#orAway("append to a partition", async () => {
      try {
        const producer = await this.#producer(shard);
        for (const batch of this.#batches(shard, messages)) await producer.send(batch);
      } catch (error) {
        // A next batch with the sequence number of the failed one, if the broker had written that, would be a duplicate: it
        // acknowledges and discards it.
        await this.#dropProducer(shard);
        throw error;
      }
    });
  }

  read(shard: number, offset: number): Promise<TopicPage> {
    return this.#onCluster("read a partition", async (cluster) => {
      const topic = this.#topic;
      const broker = await leaderOf(cluster, topic, shard);
      const partitions = [{ partition: shard, fetchOffset: String(offset), maxBytes: fetchBytesMax }];
      try {
        const { responses } = await broker.fetch({
          replicaId: -1,
          isolationLevel: 0,
          maxWaitTime: 0, // the relay knows when there are records; a wait would block the connection's other calls
          minBytes: 1,
          maxBytes: fetchBytesMax,
          topics: [{ topic, partitions }],
        });
        const reply = responses[0]?.partitions[0];
        // A compressed batch is returned whole, even if the requested offset is in the middle of it.
        const wanted = (reply?.messages ?? []).filter((message) => Number(message.offset) >= offset);
        return {
          records: wanted.filter(({ isControlRecord }) => !isControlRecord).map(toRecord),
          next: Number(wanted.at(-1)?.offset ?? offset - 1) + 1,
          end: Number(reply?.highWatermark ?? offset),
        };
      } catch (error) {
        if (typeOf(error) !== "OFFSET_OUT_OF_RANGE") throw error;
        const { first, end } = await this.bounds(shard);
        return { records: [], next: first, end };
      }
    });
  }

  committed(shard: number): Promise<number | undefined> {
    return this.#onCluster("ask for a committed offset", async (cluster) => {
      const [topic, groupId] = [this.#topic, this.#groupId];
      const coordinator = await cluster.findGroupCoordinator({ groupId });
      const topics = [{ topic, partitions: [{ partition: shard }] }];
      const { responses } = await coordinator.offsetFetch({ groupId, topics });
      const offset = Number(responses[0]?.partitions[0]?.offset ?? -1);
      return offset < 0 ? undefined : offset;
    });
  }

  commit(shard: number, offset: number, note: string): Promise<void> {
    return this.#onCluster("commit an offset", async (cluster) => {
      const [topic, groupId] = [this.#topic, this.#groupId];
      const coordinator = await cluster.findGroupCoordinator({ groupId });
      const partitions = [{ partition: shard, offset: String(offset), metadata: note }];
      // Generation -1 and no member: a reader without a group.
      const member = { groupGenerationId: -1, memberId: "", retentionTime: -1 };
      await coordinator.offsetCommit({ groupId, ...member, topics: [{ topic, partitions }] });
    });
  }

  async close(): Promise<void> {
    const producers = [...this.#producers.keys()].map((shard) => this.#dropProducer(shard));
    await Promise.all([...producers, this.#cluster.close()]);
  }

  async #edge(cluster: KafkaCluster, shard: number, edge: "first" | "end"): Promise<number> {
    const topic = this.#topic;
    const [reply] = await cluster.fetchTopicsOffset([{
      topic,
      partitions: [{ partition: shard }],
      fromBeginning: edge === "first",
    }]);
    const offset = reply?.partitions[0]?.offset;
    if (offset === undefined) throw new Error(`partition ${shard} of '${topic}' has no leader`);
    return Number(offset);
  }

  /** Splits messages into batches that fit even if they cannot be compressed. */
  *#batches(shard: number, messages: readonly TopicMessage[]): Generator<OutgoingMessage[]> {
    const bytesMax = Math.min(this.#maxMessageBytes * batchShare, unpackedBytesMax / 2);
    let batch: OutgoingMessage[] = [];
    let bytes = 0;
    for (const { key, value, headers } of messages) {
      const valueBytes = Buffer.byteLength(value);
      if (batch.length > 0 && bytes + valueBytes > bytesMax) {
        yield batch;
        [batch, bytes] = [[], 0];
      }
      batch.push({ key, value, valueBytes, headers, partition: shard });
      bytes += valueBytes + frameBytes;
    }
    if (batch.length > 0) yield batch;
  }

  /** One producer per shard: a failure of one shard must not affect the sequence numbers of another. */
  #producer(shard: number): Promise<PartitionProducer> {
    let producer = this.#producers.get(shard);
    if (!producer) this.#producers.set(shard, producer = this.#openProducer(shard));
    return producer;
  }

  async #openProducer(shard: number): Promise<PartitionProducer> {
    const { gzip: compression } = await this.#load();
    const cluster = await this.#connect();
    try {
      return await PartitionProducer.open({ cluster, topic: this.#topic, partition: shard, compression });
    } catch (error) {
      await cluster.disconnect().catch(() => {});
      throw error;
    }
  }

  async #dropProducer(shard: number): Promise<void> {
    const producer = this.#producers.get(shard);
    this.#producers.delete(shard);
    await producer?.then((open) => open.close()).catch(() => {}); // it never connected
  }

  #load(): Promise<KafkaClient> {
    return this.#client ??= loadKafka(this.#options, this.#groupId);
  }

  async #connect(): Promise<KafkaCluster> {
    const cluster = (await this.#load()).cluster();
    try {
      await cluster.connect();
      await cluster.addTargetTopic(this.#topic);
      return cluster;
    } catch (error) {
      await cluster.disconnect().catch(() => {}); // it never connected
      throw error;
    }
  }

  #onCluster<T>(what: string, ask: (cluster: KafkaCluster) => Promise<T>): Promise<T> {
    return this.#orAway(what, () => this.#cluster.use(ask));
  }

  async #orAway<T>(what: string, ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (cause) {
      if (cause instanceof RangeError || cause instanceof TopicAway) throw cause;
      throw new TopicAway(`Cannot ${what} of '${this.#topic}' as Kafka denies it`, { cause });
    }
  }
}

const decoder = new TextDecoder();

function toRecord({ offset, key, value, headers, sent }: FetchedMessage): TopicRecord {
  if (sent) return { offset: Number(offset), key: sent.key, value: sent.value, headers: sent.headers };
  const texts = Object.entries(headers).map(([name, bytes]) => [name, text(bytes)]);
  return { offset: Number(offset), key: text(key), value: text(value), headers: Object.fromEntries(texts) };
}

function text(bytes: Uint8Array | null | undefined): string {
  return bytes ? decoder.decode(bytes) : "";
}
