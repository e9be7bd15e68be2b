/**
 * The log read through a topic: reading it relays it. While the ledger applies one read, the next one is in flight.
 * The worker with a shard's lease reads its log, so one process relays and reads.
 *
 * An unavailable topic does not block a reader that waits: it gets no entries and keeps its lease, and selling continues
 * while the stream keeps the log. A reader that does not wait must know where the log ends: its read is rejected.
 *
 * @module
 */
import { onAbort, sleep, type World } from "../runtime/world.ts";
import { comparePositions, type LogEntry, type Position } from "../domain/event.ts";
import type { EventLog, ReadOptions } from "./event_log.ts";
import { Relay, type RelayProgress } from "./relay.ts";
import { type Topic, TopicAway } from "./topic.ts";

/** An event of the relay, for log lines. */
export type RelayEvent =
  /** The topic lacked the entries after `after`; they are relayed again. */
  | { readonly kind: "gap"; readonly shard: number; readonly after: Position }
  /** The topic is unavailable. Reported once, until it is back. */
  | { readonly kind: "away"; readonly shard: number; readonly error: unknown }
  /** The topic works again after `awayMs`. */
  | { readonly kind: "back"; readonly shard: number; readonly awayMs: number }
  /** The topic was missing and has been created: at the first start, or after it was deleted. */
  | { readonly kind: "created"; readonly shard: number }
  /** The numbers after `from`, up to `to`, are missing from the topic, which has a jump instead. */
  | { readonly kind: "jump"; readonly shard: number; readonly from: number; readonly to: number }
  /** A record of another deployment or schema was skipped. */
  | { readonly kind: "unreadable"; readonly shard: number; readonly offset: number; readonly error: unknown };

export interface RelayedLogParts {
  /** The store's log; closed with this log. */
  readonly stream: EventLog;
  /** Closed with this log. */
  readonly topic: Topic;
  /** Id of the deployment. */
  readonly deployment: string;
  readonly world: World;
  readonly onEvent: (event: RelayEvent) => void;
  /** Called after entries were appended to the topic, between two readings of the monotonic clock; for traces. */
  readonly onAppended?: (shard: number, entries: readonly LogEntry[], startMs: number, endMs: number) => void;
  /** Called after every successful read, for metrics. */
  readonly onProgress?: (shard: number, progress: RelayProgress) => void;
}

/** Added to the wait of a read: then it returns no entries. A lease ends after 3 s of silence. */
const graceMs = 500;
/** For a reader that must know where the log ends. */
const endWithinMs = 2000;

/** Sockets close at once; the rest of DRAIN_TIMEOUT_MS is for other parts. */
const closeWithinMs = 1000;

/** A running step of the relay. A read that timed out leaves it to the next read. */
interface PendingRead {
  readonly after: Position;
  readonly result: Promise<ReadResult>;
}

type ReadResult =
  | { readonly kind: "read"; readonly entries: LogEntry[] }
  | { readonly kind: "failed"; readonly error: unknown };

interface ShardRelay {
  readonly relay: Relay;
  pending: PendingRead | undefined;
  /** When the topic became unavailable; undefined while it is available. */
  awaySinceMs: number | undefined;
}

export class RelayedLog implements EventLog {
  readonly #parts: RelayedLogParts;
  readonly #shardRelays = new Map<number, ShardRelay>();

  constructor(parts: RelayedLogParts) {
    this.#parts = parts;
  }

  /**
   * @throws {TopicAway} when a read that does not wait cannot be answered
   * @throws {RangeError} when the topic does not fit the settings
   */
  async read(shard: number, after: Position, options: ReadOptions): Promise<LogEntry[]> {
    const { world } = this.#parts;
    const shardRelay = this.#shardRelay(shard);
    // A reader that does not wait, such as the verification, may not have applied everything up to `after`.
    if (options.waitMs > 0) shardRelay.relay.applied(after);
    let untilMs = world.elapsedMs() + (options.waitMs > 0 ? options.waitMs + graceMs : endWithinMs);
    let pagesRead = shardRelay.relay.pagesRead;
    while (!options.signal.aborted) {
      const isEarlier = shardRelay.pending !== undefined;
      const pending = shardRelay.pending ??= this.#start(shardRelay, after, options);
      const result = await this.#resultWithin(untilMs - world.elapsedMs(), pending, options.signal);
      if (!result) {
        if (options.waitMs > 0 || options.signal.aborted) return [];
        if (shardRelay.relay.pagesRead > pagesRead) { // a long topic is read from its start
          pagesRead = shardRelay.relay.pagesRead;
          untilMs = world.elapsedMs() + endWithinMs;
          continue;
        }
        throw new TopicAway(
          `Cannot find the end of the log of shard ${shard} as Kafka took over ${endWithinMs} ms`,
        );
      }
      shardRelay.pending = undefined;
      if (comparePositions(pending.after, after) !== 0) continue; // the result of an earlier read
      // A read of an earlier lease may have found the end of the log before its last entries came. A verification would
      // take them for lost, and rebuild the store without them.
      if (isEarlier && options.waitMs === 0 && !hasEntries(result)) continue;
      if (result.kind === "read") {
        this.#available(shard, shardRelay);
        const last = result.entries.at(-1);
        // Reads ahead: of 70 to 95 µs an order, 50 to 60 are this process's; gzip, broker and PostgreSQL use other cores.
        if (last && options.waitMs > 0) shardRelay.pending = this.#start(shardRelay, last.position, options);
        return result.entries;
      }
      if (!(result.error instanceof TopicAway) || options.waitMs === 0) throw result.error;
      this.#unavailable(shard, shardRelay, result.error);
      await sleep(world, options.waitMs, options.signal);
      return [];
    }
    return [];
  }

  /**
   * The higher position of stream and topic.
   *
   * @throws {TopicAway} when the topic cannot be read
   * @throws {RangeError} when the topic does not fit the settings
   */
  async tail(shard: number): Promise<Position> {
    const [stream, topic] = await Promise.all([
      this.#parts.stream.tail(shard),
      this.#shardRelay(shard).relay.tail(),
    ]);
    return comparePositions(stream, topic) > 0 ? stream : topic;
  }

  /** Closes stream and topic, within 1 s: a server that does not answer must not delay the end of the process. */
  async close(): Promise<void> {
    const { stream, topic, world } = this.#parts;
    const pending = [...this.#shardRelays.values()].map((shardRelay) => shardRelay.pending?.result);
    const closed = new AbortController();
    const closing = Promise.all([stream.close(), topic.close(), ...pending]).finally(() => closed.abort());
    await Promise.race([closing, sleep(world, closeWithinMs, closed.signal)]);
  }

  #shardRelay(shard: number): ShardRelay {
    let shardRelay = this.#shardRelays.get(shard);
    if (!shardRelay) {
      const { stream, topic, deployment, world, onEvent, onAppended } = this.#parts;
      const relay = new Relay({
        stream,
        topic,
        origin: { shard, deployment },
        elapsedMs: () => world.elapsedMs(),
        ...onAppended && {
          onAppended: (entries, startMs, endMs) => onAppended(shard, entries, startMs, endMs),
        },
        onCreated: () => onEvent({ kind: "created", shard }),
        now: () => world.now(),
        onJump: (from, to) => onEvent({ kind: "jump", shard, from, to }),
        onGap: (after) => onEvent({ kind: "gap", shard, after }),
        onUnreadable: (offset, error) => onEvent({ kind: "unreadable", shard, offset, error }),
      });
      this.#shardRelays.set(shard, shardRelay = { relay, pending: undefined, awaySinceMs: undefined });
    }
    return shardRelay;
  }

  #start({ relay }: ShardRelay, after: Position, options: ReadOptions): PendingRead {
    const result = relay.step(after, options).then(
      (entries): ReadResult => ({ kind: "read", entries }),
      (error): ReadResult => ({ kind: "failed", error }),
    );
    return { after, result };
  }

  /** The result, or undefined when it takes longer than `ms` or `signal` aborts. Without a signal per read: 20 µs each. */
  #resultWithin(ms: number, { result }: PendingRead, signal: AbortSignal): Promise<ReadResult | undefined> {
    return new Promise((resolve) => {
      const end = (found?: ReadResult) => {
        cancel();
        release();
        resolve(found);
      };
      const stop = () => end();
      const cancel = this.#parts.world.after(Math.max(0, ms), stop);
      const release = onAbort(signal, stop);
      void result.then(end);
    });
  }

  #unavailable(shard: number, shardRelay: ShardRelay, error: unknown): void {
    if (shardRelay.awaySinceMs !== undefined) return;
    shardRelay.awaySinceMs = this.#parts.world.elapsedMs();
    this.#parts.onEvent({ kind: "away", shard, error });
  }

  #available(shard: number, shardRelay: ShardRelay): void {
    const { world, onEvent, onProgress } = this.#parts;
    if (shardRelay.awaySinceMs !== undefined) {
      onEvent({ kind: "back", shard, awayMs: Math.round(world.elapsedMs() - shardRelay.awaySinceMs) });
      shardRelay.awaySinceMs = undefined;
    }
    const progress = shardRelay.relay.progress;
    if (progress) onProgress?.(shard, progress);
  }
}

function hasEntries(result: ReadResult): boolean {
  return result.kind === "read" && result.entries.length > 0;
}
