/**
 * A topic: a log per shard that loses, repeats and forgets messages although it acknowledged them.
 *
 * @module
 */
import type { TopicMessage } from "../../src/log/message.ts";
import {
  type Topic,
  TopicAway,
  type TopicFacts,
  type TopicPage,
  type TopicRecord,
} from "../../src/log/topic.ts";
import type { Network } from "./network.ts";
import type { Chance, Process, Scheduler } from "./scheduler.ts";

/** What happens to one of the next appends. */
export type AppendFault =
  /** Acknowledged and never written. */
  | "topic-loses"
  /** Written, and written again 0.1 to 3 s later. */
  | "topic-doubles"
  /** Written in part, and refused. */
  | "topic-breaks";

interface Partition {
  /** Offset of the first record. */
  first: number;
  records: TopicRecord[];
  committed: number | undefined;
}

const pageRecords = 20;
const silentMs = 5000;

/** The brokers. */
export class SimulatedTopic {
  readonly #partitions: Partition[];
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  readonly pending: AppendFault[] = [];
  awayUntilMs = 0;
  #isMissing = true;

  constructor(scheduler: Scheduler, chance: Chance, readonly shards: number) {
    this.#scheduler = scheduler;
    this.#chance = chance;
    this.#partitions = Array.from({ length: shards }, empty);
  }

  /** Some of the last records are gone, and their offsets are given again: a broker that lagged behind became the leader. */
  truncate(dice: number): void {
    for (const { records } of this.#partitions) records.splice(Math.ceil(records.length * (1 - dice * 0.3)));
  }

  /** Some of the first records are gone: their time is over. */
  expire(dice: number): void {
    for (const partition of this.#partitions) {
      const gone = Math.floor(partition.records.length * dice);
      partition.records.splice(0, gone);
      partition.first += gone;
    }
  }

  /** The topic is gone; the committed offsets stay. */
  drop(): void {
    this.#isMissing = true;
    for (const partition of this.#partitions) Object.assign(partition, { first: 0, records: [] });
  }

  /** The port as a process sees it. */
  openFor(process: Process, network: Network): Topic {
    const call = <T>(name: string, serve: () => T): Promise<T> =>
      network.call(process, {
        ...{ to: "topic", name, silentMs },
        serve: () => {
          if (this.awayUntilMs > this.#scheduler.nowMs) throw new TopicAway("the brokers are away");
          return serve();
        },
        lost: () => new TopicAway("no answer"),
      });
    return {
      prepare: () => call("prepare", () => this.#prepare()),
      bounds: (shard) => call("bounds", () => this.#bounds(this.#partition(shard))),
      append: (shard, messages) => call("append", () => this.#append(this.#partition(shard), messages)),
      read: (shard, offset) => call("fetch", () => this.#read(this.#partition(shard), offset)),
      committed: (shard) => call("committed", () => this.#partition(shard).committed),
      commit: (shard, offset) => call("offset", () => void (this.#partition(shard).committed = offset)),
      close: () => Promise.resolve(),
    };
  }

  #prepare(): TopicFacts {
    const created = this.#isMissing;
    this.#isMissing = false;
    return {
      ...{ topic: "inventory", clusterId: "cluster", partitions: this.shards, used: this.shards },
      ...{ replicationFactor: 3, minInsyncReplicas: 2, retentionMs: -1, maxMessageBytes: 1_000_000, created },
    };
  }

  #bounds({ first, records }: Partition): { readonly first: number; readonly end: number } {
    return { first, end: first + records.length };
  }

  #append(partition: Partition, messages: readonly TopicMessage[]): void {
    const fault = this.pending.shift();
    const write = (written: readonly TopicMessage[]) => {
      for (const message of written) {
        partition.records.push({ ...message, offset: partition.first + partition.records.length });
      }
    };
    if (fault) this.#scheduler.note(`${fault} ${messages.length} messages`);
    switch (fault) {
      case "topic-loses":
        return;
      case "topic-breaks":
        write(messages.slice(0, messages.length >> 1));
        throw new TopicAway("the append broke off");
      case "topic-doubles":
        this.#scheduler.after(this.#chance.between(100, 3000), undefined, () => write(messages));
    }
    write(messages);
  }

  #read(partition: Partition, offset: number): TopicPage {
    const { first, end } = this.#bounds(partition);
    if (offset < first || offset > end) return { records: [], next: first, end };
    const records = partition.records.slice(offset - first, offset - first + pageRecords);
    return { records, next: offset + records.length, end };
  }

  #partition(shard: number): Partition {
    const partition = this.#partitions[shard];
    if (!partition) throw new RangeError(`Cannot use partition ${shard} as there are ${this.shards}`);
    return partition;
  }
}

function empty(): Partition {
  return { first: 0, records: [], committed: undefined };
}
