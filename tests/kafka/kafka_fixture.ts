/**
 * A store on a real Redis, a topic on a real Kafka, and between them whatever a test does to either.
 *
 * @module
 */
import kafkajs from "kafkajs";
import { RedisControl } from "../../src/redis/control.ts";
import { RedisStore } from "../../src/redis/store.ts";
import type { LogEntry, Position } from "../../src/domain/event.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { KafkaTopic } from "../../src/kafka/topic.ts";
import { RedisStream } from "../../src/redis/stream.ts";
import { RelayedLog, type RelayEvent } from "../../src/log/relayed_log.ts";
import { type Topic, TopicAway } from "../../src/log/topic.ts";
import { allShardKeys } from "../../src/redis/keys.ts";
import { ShardConnections } from "../../src/redis/shard_connections.ts";
import { ClusterMap } from "../../src/redis/cluster_map.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { adjust, armEmpty, decide, deduct, deployment } from "../contract/store_suite.ts";
import type { KafkaServer } from "../../tools/servers/kafka.ts";
import { freshNamespace, sharedRedis } from "../../tools/servers/shared.ts";

const COORDINATOR_DEADLINE_MS = 60_000;
const NEVER = new AbortController().signal;

/** A log read through a topic, and the calls of its observer. */
export interface Way {
  readonly log: RelayedLog;
  readonly reported: RelayEvent[];
}

/** One shard's parts. */
export class Fixture implements AsyncDisposable {
  readonly namespace: string = freshNamespace();
  readonly store: RedisStore;
  readonly control: RedisControl;
  readonly #place = { namespace: this.namespace, shards: 1 };
  readonly #servers: ClusterMap;
  readonly #open: { close(): Promise<void> }[] = [];
  #orders = 0;

  private constructor(readonly kafka: KafkaServer) {
    const limits = {
      userLimitMs: 0,
      idempotencyWindowMs: 86_400_000,
      backlogMax: 1_000_000,
      replicaTimeoutMs: 1000,
    };
    const options = { name: "test", world: realWorld, onError() {} };
    this.#servers = this.#closing(new ClusterMap([sharedRedis().url], this.#place, options));
    this.control = this.#closing(
      new RedisControl(this.#links(), {
        ...this.#place,
        limits,
        world: realWorld,
        replicaTimeoutMs: 5000,
      }),
    );
    this.store = this.#closing(
      new RedisStore(this.#links(), { ...this.#place, deployment: "" }, limits),
    );
  }

  /** Arms an empty shard and puts a million units into it: event 1. */
  static async open(kafka: KafkaServer): Promise<Fixture> {
    const fixture = new Fixture(kafka);
    await armEmpty(fixture.control);
    await decide(fixture.store, adjust("stock", "S", 1_000_000));
    return fixture;
  }

  /** A topic as the worker uses it. */
  topic(shards: number = 1): KafkaTopic {
    return this.#closing(
      new KafkaTopic({ brokers: [this.kafka.broker], namespace: this.namespace, shards, onLog: () => {} }),
    );
  }

  /** A worker's log. */
  way(topic: Topic = this.topic()): Way {
    const reported: RelayEvent[] = [];
    const stream = new RedisStream(this.#links(), this.#place); // closed with the log
    const onEvent = (event: RelayEvent) => void reported.push(event);
    const log = new RelayedLog({ stream, topic, deployment, world: realWorld, onEvent });
    return { log: this.#closing(log), reported };
  }

  /** What the store wrote, past the topic. */
  stream(): RedisStream {
    return this.#closing(new RedisStream(this.#links(), this.#place));
  }

  /** Sells one unit to each of so many, one after the other: an entry each. */
  async sell(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await decide(this.store, deduct(`order-${this.#orders++}`, "S"));
  }

  /** Everything after a position, as a worker that applies it reads it. */
  async readAll(
    { log }: { readonly log: EventLog },
    after: Position = { epoch: 0, seq: 0 },
  ): Promise<LogEntry[]> {
    const all: LogEntry[] = [];
    for (let last: Position | undefined = after; last;) {
      const entries = await this.#read(log, last);
      all.push(...entries);
      last = entries.at(-1)?.position;
    }
    return all;
  }

  /** A broker that has just started says for a while that its coordinator is loading or elsewhere; a worker asks again. */
  async #read(log: EventLog, after: Position): Promise<LogEntry[]> {
    const deadline = Date.now() + COORDINATOR_DEADLINE_MS;
    for (;;) {
      try {
        return await log.read(0, after, { entriesMax: 16, waitMs: 0, signal: NEVER });
      } catch (error) {
        const why = error instanceof TopicAway ? String(error.cause) : "";
        if (!/coordinator/i.test(why) || Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  }

  /** Cuts off what the stream has before an entry. */
  async trimTo(id: string): Promise<void> {
    const events = allShardKeys(this.#place)[0]?.at(-1) ?? "";
    const links = this.#closing(this.#links());
    await links.whenReady(0, 1000);
    await links.call(0, "XTRIM", events, "MINID", "=", id);
  }

  /** Does something as Kafka's administrator. */
  async admin<T>(work: (admin: kafkajs.Admin, topic: string) => Promise<T>): Promise<T> {
    const admin = this.client().admin();
    await admin.connect();
    try {
      return await work(admin, `${this.namespace}.events`);
    } finally {
      await admin.disconnect();
    }
  }

  /** Cuts off everything before `offset`; -1 = all there is. */
  truncate(offset: number): Promise<void> {
    return this.admin(async (admin, topic) => {
      await admin.fetchTopicOffsets(topic); // kafkajs must have heard of the topic
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
    });
  }

  /** A client of another program. */
  client(): kafkajs.Kafka {
    return new kafkajs.Kafka({ brokers: [this.kafka.broker], logLevel: kafkajs.logLevel.NOTHING });
  }

  /** Closes what the test opened. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of this.#open.toReversed()) await part.close();
  }

  #links(): ShardConnections {
    return new ShardConnections(this.#servers, "shard");
  }

  #closing<T extends { close(): Promise<void> }>(part: T): T {
    this.#open.push(part);
    return part;
  }
}

/** The numbers of entries, in the order they were read. */
export function numbersOf(entries: readonly LogEntry[]): number[] {
  return entries.flatMap(({ events }) => events.map(({ seq }) => seq));
}

/** 1 to `last`. */
export function upTo(last: number, first: number = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
