/**
 * The port to a topic that keeps what a shard's log had, for the ledger and for other systems.
 *
 * @module
 */
import type { TopicMessage } from "./message.ts";

/** A message in its place. */
export interface TopicRecord extends TopicMessage {
  /** Its place in the partition; places are never given twice. */
  readonly offset: number;
}

/** What a partition has: places from `first` up to, but not including, `end`. */
export interface TopicBounds {
  /** The oldest record's place; `end` when there is none. */
  readonly first: number;
  /** Where the next record will be. */
  readonly end: number;
}

/** Records of one read. */
export interface TopicPage {
  /** In order, all at or after the place that was asked for. */
  readonly records: readonly TopicRecord[];
  /** Where to read on. Not behind the last record when the place that was asked for is gone: then the first there is. */
  readonly next: number;
  /** Where the partition ends now. */
  readonly end: number;
}

/** The topic is away, or did not do what it was asked for: whether it did is not known. Ask again later. */
export class TopicAway extends Error {
  /** What logs show; callers test with `instanceof`. */
  override name = "TopicAway";
}

/**
 * One partition a shard. Everything but `close` rejects with {@link TopicAway} when the broker does not answer, within
 * a time of the adapter's own.
 *
 * Guarantees: what `append` resolved for is on as many brokers as the topic asks for. Does not guarantee that it can
 * be read: a topic forgets what is older than its retention, may be truncated, and a client may lose a message that it
 * acknowledged. Does not fence: two processes may append at once.
 */
export interface Topic {
  /**
   * Makes the topic when it is missing, checks it otherwise.
   *
   * @throws {RangeError} when it cannot be used as it is
   */
  prepare(): Promise<TopicFacts>;
  /** What the shard's partition has now. */
  bounds(shard: number): Promise<TopicBounds>;
  /** Appends messages in order, all in this order behind one another; after a rejection perhaps some of them. */
  append(shard: number, messages: readonly TopicMessage[]): Promise<void>;
  /** Records from `offset` on, about 1 MiB of them, or none; does not wait for any. */
  read(shard: number, offset: number): Promise<TopicPage>;
  /** Where the reader said that it was; undefined when it never did. */
  committed(shard: number): Promise<number | undefined>;
  /** Says where the reader is: for displays of lag, and as a place to start from. `note` is for people. */
  commit(shard: number, offset: number, note: string): Promise<void>;
  /** Closes connections. */
  close(): Promise<void>;
}

/** How a worker names the log that it reads when it reads a topic; `stream` without one. */
export function logWayOf({ topic, clusterId }: TopicFacts): string {
  return `topic ${topic} of Kafka cluster ${clusterId}`;
}

/** What is worth knowing of a topic. */
export interface TopicFacts {
  /** Its name. */
  readonly topic: string;
  /** Names the cluster, as the brokers have it. */
  readonly clusterId: string;
  /** At least as many as there are shards. */
  readonly partitions: number;
  /** How many of them are in use, the first: one a shard. */
  readonly used: number;
  /** Copies of each partition; 1 = a broker that is lost loses it. */
  readonly replicationFactor: number;
  /** Copies that must have a message before it counts as sent. */
  readonly minInsyncReplicas: number;
  /** How long messages are kept, ms; -1 = for ever. */
  readonly retentionMs: number;
  /** Longest batch of messages, bytes. */
  readonly maxMessageBytes: number;
  /** Whether this call made it. */
  readonly created: boolean;
}
