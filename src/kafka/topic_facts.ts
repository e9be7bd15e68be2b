/**
 * Creates the topic, or checks an existing one.
 *
 * @module
 */
import type { TopicFacts } from "../log/topic.ts";
import type { KafkaAdmin } from "./client.ts";

/** Requirements of the topic. */
export interface TopicWish {
  readonly topic: string;
  /** One per shard. */
  readonly partitions: number;
  /** kafkajs' number for the resource type topic. */
  readonly resourceType: number;
}

/** An event of 100 lines of the longest SKUs is 25 KB: four of them must fit. */
const maxMessageBytesLeast = 100_000;
/** Three copies survive a loss and a restart at the same time; with fewer brokers, one copy on each. */
const replicationFactorMost = 3;
/** With these a broker stores batches as they were sent, or not compressed. The worker can read no other compression. */
const compressions: readonly (string | undefined)[] = ["producer", "gzip", "uncompressed"];
const names = [
  "retention.ms",
  "min.insync.replicas",
  "max.message.bytes",
  "cleanup.policy",
  "compression.type",
];

/**
 * Creates the topic when it is missing, checks it otherwise. The settings of an existing topic are never changed.
 *
 * @throws {RangeError} when it does not meet the requirements
 */
export async function prepareTopic(admin: KafkaAdmin, wish: TopicWish): Promise<TopicFacts> {
  const { topic } = wish;
  const created = !(await admin.listTopics()).includes(topic) && await create(admin, wish);
  const { facts, whyUnusable } = await stateOf(admin, wish, { created });
  if (whyUnusable !== undefined) throw new RangeError(`Cannot use topic '${topic}' as ${whyUnusable}`);
  return facts;
}

export interface TopicState {
  readonly facts: TopicFacts;
  /** Why the worker cannot use it; undefined when it can. */
  readonly whyUnusable: string | undefined;
}

/** The existing topic; undefined when it is missing. */
export async function readTopic(
  admin: KafkaAdmin,
  wish: TopicWish,
): Promise<TopicState | undefined> {
  return (await admin.listTopics()).includes(wish.topic)
    ? await stateOf(admin, wish, { created: false })
    : undefined;
}

async function stateOf(
  admin: KafkaAdmin,
  wish: TopicWish,
  { created }: Pick<TopicFacts, "created">,
): Promise<TopicState> {
  const described = await describe(admin, wish);
  const { policy: _, compression: __, ...facts } = described;
  return { facts: { ...facts, created }, whyUnusable: whyNot(described) };
}

interface Described extends Omit<TopicFacts, "created"> {
  readonly policy: string | undefined;
  readonly compression: string | undefined;
}

async function describe(
  admin: KafkaAdmin,
  { topic, partitions, resourceType }: TopicWish,
): Promise<Described> {
  const { topics: [metadata] } = await admin.fetchTopicMetadata({ topics: [topic] });
  const { resources: [config] } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: resourceType, name: topic, configNames: names }],
  });
  const values = new Map(config?.configEntries.map((entry) => [entry.configName, entry.configValue]));
  const found = metadata?.partitions.length ?? 0;
  const { clusterId } = await admin.describeCluster();
  return {
    topic,
    clusterId,
    partitions: found,
    used: partitions,
    replicationFactor: Math.min(...(metadata?.partitions ?? []).map(({ replicas }) => replicas.length)),
    minInsyncReplicas: Number(values.get("min.insync.replicas")),
    retentionMs: Number(values.get("retention.ms")),
    maxMessageBytes: Number(values.get("max.message.bytes")),
    policy: values.get("cleanup.policy"),
    compression: values.get("compression.type"),
  };
}

function whyNot(
  { partitions, used, policy, compression, maxMessageBytes }: Described,
): string | undefined {
  // More are harmless: a partition is chosen by its number, not by a key.
  if (partitions < used) {
    return `it must have a partition per shard: it has ${partitions}, SHARDS is ${used}`;
  }
  if (policy !== "delete") {
    return `its cleanup.policy must be 'delete': current value is '${policy}'`;
  }
  if (!compressions.includes(compression)) {
    return `its compression.type must be one of ${compressions}: current value is '${compression}'`;
  }
  if (maxMessageBytes < maxMessageBytesLeast) {
    return `its max.message.bytes must be at least ${maxMessageBytesLeast}: current value is ${maxMessageBytes}`;
  }
  return undefined;
}

/** @returns false when another worker created it first */
async function create(admin: KafkaAdmin, { topic, partitions }: TopicWish): Promise<boolean> {
  const { brokers } = await admin.describeCluster();
  const replicationFactor = Math.min(brokers.length, replicationFactorMost);
  return await admin.createTopics({
    waitForLeaders: true,
    validateOnly: false,
    timeout: 4000,
    topics: [{
      topic,
      numPartitions: partitions,
      replicationFactor,
      configEntries: [
        { name: "cleanup.policy", value: "delete" },
        // The relay continues with one copy missing, and no message is on one broker only.
        { name: "min.insync.replicas", value: String(Math.max(1, replicationFactor - 1)) },
      ],
    }],
  });
}
