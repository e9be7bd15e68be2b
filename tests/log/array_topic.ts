/**
 * A relay between a stream and a topic that are lists.
 *
 * @module
 */
import { comparePositions, type LogEntry, type Position } from "../../src/domain/event.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import type { TopicMessage } from "../../src/log/message.ts";
import { Relay, type RelayParts } from "../../src/log/relay.ts";
import {
  type Topic,
  TopicAway,
  type TopicBounds,
  type TopicFacts,
  type TopicPage,
  type TopicRecord,
} from "../../src/log/topic.ts";

/** Shard and deployment of all messages. */
export const origin = { shard: 0, deployment: "d" };
/** Before the first entry. */
export const start: Position = { epoch: 0, seq: 0 };
const { signal } = new AbortController();
/** Of a read that does not wait. */
export const options = { entriesMax: 64, waitMs: 0, signal };

/** An entry of one event. */
export function entry(epoch: number, seq: number): LogEntry {
  const none = { actor: "", traceparent: "", reason: "", reference: "", data: {}, atMs: 5, userId: "u" };
  const lines = [{ sku: "S", delta: -1, reservedDelta: 0, available: 9, reserved: 0 }];
  return { position: { epoch, seq }, events: [{ seq, kind: "deduct", id: `o-${seq}`, lines, ...none }] };
}

/** What the store wrote: entries after a position, as a stream has them. */
export class ArrayStream implements EventLog {
  entries: LogEntry[] = [];
  /** How long each reader was ready to wait, ms. */
  readonly waits: number[] = [];

  read(
    _shard: number,
    after: Position,
    { entriesMax, waitMs }: { entriesMax: number; waitMs: number },
  ): Promise<LogEntry[]> {
    this.waits.push(waitMs);
    const later = this.entries.filter(({ position }) => comparePositions(position, after) > 0);
    return Promise.resolve(later.slice(0, entriesMax));
  }

  tail(): Promise<Position> {
    return Promise.resolve(this.entries.at(-1)?.position ?? start);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A partition in memory, which can lose what it acknowledged, or be away. */
export class ArrayTopic implements Topic {
  readonly records: TopicRecord[] = [];
  readonly commits: string[] = [];
  isAway = false;
  /** It was missing, and is made by the next who prepares it. */
  isCreated = false;
  /** Where a reader said that it was. */
  place: number | undefined;
  /** Messages with these keys are acknowledged and lost, each once. */
  readonly toLose = new Set<string>();

  prepare(): Promise<TopicFacts> {
    const sizes = { partitions: 1, used: 1, replicationFactor: 1, minInsyncReplicas: 1 };
    return this.#here({
      ...{ topic: "t", clusterId: "c", ...sizes },
      ...{ retentionMs: -1, maxMessageBytes: 1_000_000, created: this.isCreated },
    });
  }

  bounds(): Promise<TopicBounds> {
    return this.#here({ first: this.records[0]?.offset ?? 0, end: this.records.length });
  }

  append(_shard: number, messages: readonly TopicMessage[]): Promise<void> {
    const kept = this.isAway ? [] : messages.filter(({ key }) => !this.toLose.delete(key));
    for (const message of kept) this.records.push({ ...message, offset: this.records.length });
    return this.#here(undefined);
  }

  read(_shard: number, offset: number): Promise<TopicPage> {
    const records = this.records.slice(offset, offset + 3); // small pages
    return this.#here({ records, next: offset + records.length, end: this.records.length });
  }

  committed(): Promise<number | undefined> {
    return this.#here(this.place);
  }

  commit(_shard: number, offset: number, note: string): Promise<void> {
    this.commits.push(`${offset} ${note}`);
    return this.#here(undefined);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #here<T>(value: T): Promise<T> {
    return this.isAway ? Promise.reject(new TopicAway("away")) : Promise.resolve(value);
  }
}

/** A relay and its surroundings. */
export interface ArrayRelay {
  readonly relay: Relay;
  readonly parts: RelayParts;
  readonly stream: ArrayStream;
  readonly topic: ArrayTopic;
  /** What the relay reported, a line each. */
  readonly reported: string[];
  /** The monotonic clock, ms. */
  readonly clock: { ms: number };
}

/** A relay from a stream with these entries to an empty topic. */
export function setup(...entries: LogEntry[]): ArrayRelay {
  const [stream, topic] = [new ArrayStream(), new ArrayTopic()];
  stream.entries = entries;
  const reported: string[] = [];
  const clock = { ms: 0 };
  const parts: RelayParts = {
    ...{ stream, topic, origin, now: () => 7, elapsedMs: () => clock.ms },
    onJump: (from, to) => reported.push(`jump ${from}-${to}`),
    onCreated: () => reported.push("created"),
    onGap: ({ seq }) => reported.push(`gap ${seq}`),
    onUnreadable: (offset) => reported.push(`unreadable ${offset}`),
  };
  return { stream, topic, reported, clock, parts, relay: new Relay(parts) };
}

/** Steps until nothing comes any more. Returns the numbers. */
export async function readAll(relay: Relay, after: Position = start): Promise<number[]> {
  const numbers: number[] = [];
  for (let last: Position | undefined = after; last;) {
    const entries: LogEntry[] = await relay.step(last, options);
    numbers.push(...entries.flatMap(({ events }) => events.map(({ seq }) => seq)));
    last = entries.at(-1)?.position;
  }
  return numbers;
}

/** 1 to `last`. */
export const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);
/** Entries 1 to `last` of an epoch. */
export const logOf = (epoch: number, last: number): LogEntry[] => upTo(last).map((seq) => entry(epoch, seq));
