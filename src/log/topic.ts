/**
 * The port to a topic: a copy of the shards' logs, for the ledger and for other systems.
 *
 * @module
 */
import type { TopicMessage } from "./message.ts";

/** A message with its offset. */
export interface TopicRecord extends TopicMessage {
  /** Offset in the partition; an offset is never reused. */
  readonly offset: number;
}

/** The offsets of a partition: from `first` up to, but not including, `end`. */
export interface TopicBounds {
  /** Offset of the oldest record; `end` when there is none. */
  readonly first: number;
  /** Offset of the next record. */
  readonly end: number;
}

/** Records of one read. */
export interface TopicPage {
  /** In order, all at or after the requested offset. */
  readonly records: readonly TopicRecord[];
  /** Next offset to read. When the requested offset was deleted, the oldest offset that exists. */
  readonly next: number;
  /** Current end of the partition. */
  readonly end: number;
}

/** The topic is unavailable or a call failed; whether the call had an effect is unknown. It may be tried again. */
export class TopicAway extends Error {
  /** What logs show; callers test with `instanceof`. */
  override name = "TopicAway";
}

/**
 * One partition per shard. Every call but `close` rejects with {@link TopicAway} when the broker does not answer within the
 * adapter's timeout.
 *
 * Guarantees: when `append` resolves, the messages are on as many brokers as the topic requires. Does not guarantee that
 * they can be read: a topic deletes records after its retention, may be truncated, and a client may lose a message that it
 * acknowledged. Does not fence: two processes may append at once.
 */
export interface Topic {
  /**
   * Creates the topic when it is missing, checks it otherwise.
   *
   * @throws {RangeError} when it does not fit the settings
   */
  prepare(): Promise<TopicFacts>;
  /** Current bounds of the shard's partition. */
  bounds(shard: number): Promise<TopicBounds>;
  /** Appends messages in order; after a rejection, some may have been appended. Calls of one shard must not overlap. */
  append(shard: number, messages: readonly TopicMessage[]): Promise<void>;
  /** About 1 MiB of records from `offset` on; empty at the end, without waiting. */
  read(shard: number, offset: number): Promise<TopicPage>;
  /** The committed offset; undefined when there is none. */
  committed(shard: number): Promise<number | undefined>;
  /** Commits an offset, for displays of lag and as a starting point. `note` is for people. */
  commit(shard: number, offset: number, note: string): Promise<void>;
  /** Closes connections. */
  close(): Promise<void>;
}

/** Name of the log of a worker that reads a topic; without one it is `stream`. */
export function logWayOf({ topic, clusterId }: TopicFacts): string {
  return `topic ${topic} of Kafka cluster ${clusterId}`;
}

/** Properties of a topic. */
export interface TopicFacts {
  /** Its name. */
  readonly topic: string;
  /** Cluster id from the brokers. */
  readonly clusterId: string;
  /** At least the number of shards. */
  readonly partitions: number;
  /** Number of partitions in use, from the first: one per shard. */
  readonly used: number;
  /** Copies of each partition; with 1, a lost broker loses it. */
  readonly replicationFactor: number;
  /** Copies that must have a message before it is acknowledged. */
  readonly minInsyncReplicas: number;
  /** Retention of messages, ms; -1 = unlimited. */
  readonly retentionMs: number;
  /** Longest batch of messages, bytes. */
  readonly maxMessageBytes: number;
  /** Whether this call created the topic. */
  readonly created: boolean;
}
