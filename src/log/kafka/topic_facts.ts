/**
 * Makes the topic, or says why the one that is there cannot be used.
 *
 * @module
 */
import type { TopicFacts } from "../topic.ts";
import type { KafkaAdmin } from "./client.ts";

/** What the topic must be. */
export interface TopicWish {
  /** Its name. */
  readonly topic: string;
  /** One a shard. */
  readonly partitions: number;
  /** How kafkajs calls a topic among what has settings. */
  readonly resourceType: number;
}

/** An event of 100 lines of the longest SKUs is 25 KB: four of them must fit. */
const maxMessageBytesLeast = 100_000;
/** Three copies survive one loss and a restart at once; brokers that are fewer hold what they can. */
const replicationFactorMost = 3;
const names = ["retention.ms", "min.insync.replicas", "max.message.bytes", "cleanup.policy"];

/**
 * Makes the topic when it is missing, checks it otherwise. Settings of a topic that is there are never changed.
 *
 * @throws {RangeError} when it cannot be used as it is
 */
export async function prepareTopic(admin: KafkaAdmin, wish: TopicWish): Promise<TopicFacts> {
  const { topic, partitions, resourceType } = wish;
  const created = !(await admin.listTopics()).includes(topic) && await create(admin, wish);
  const { topics: [metadata] } = await admin.fetchTopicMetadata({ topics: [topic] });
  const { resources: [config] } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: resourceType, name: topic, configNames: names }],
  });
  const values = new Map(config?.configEntries.map((entry) => [entry.configName, entry.configValue]));
  const found = metadata?.partitions.length ?? 0;
  const facts = {
    topic,
    partitions: found,
    used: partitions,
    replicationFactor: Math.min(...(metadata?.partitions ?? []).map(({ replicas }) => replicas.length)),
    minInsyncReplicas: Number(values.get("min.insync.replicas")),
    retentionMs: Number(values.get("retention.ms")),
    maxMessageBytes: Number(values.get("max.message.bytes")),
    created,
  };
  const cannot = `Cannot use topic '${topic}' as`;
  // More do no harm: a partition is chosen by its number, not by a key. Somebody raised them for other readers.
  if (found < partitions) {
    throw new RangeError(
      `${cannot} it must have a partition a shard: it has ${found}, SHARDS is ${partitions}`,
    );
  }
  const policy = values.get("cleanup.policy");
  if (policy !== "delete") {
    throw new RangeError(`${cannot} its cleanup.policy must be 'delete': current value is '${policy}'`);
  }
  if (facts.maxMessageBytes < maxMessageBytesLeast) {
    throw new RangeError(
      `${cannot} its max.message.bytes must be at least ${maxMessageBytesLeast}: current value is ` +
        facts.maxMessageBytes,
    );
  }
  return facts;
}

/** @returns false when another worker was faster */
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
        // One copy may be away without stopping the relay; none may be the only one that has a message.
        { name: "min.insync.replicas", value: String(Math.max(1, replicationFactor - 1)) },
      ],
    }],
  });
}
