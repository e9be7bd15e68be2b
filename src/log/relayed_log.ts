/**
 * The log read through a topic: reading it relays it. While the ledger applies one read, the next one is in flight.
 * The holder of a shard's lease reads its log, so one process relays and reads.
 *
 * A reader that waits is not held up by a topic that is away: it gets nothing, keeps its lease, and selling goes on
 * while the stream holds the log. A reader that does not wait wants to know where the log ends: it is refused.
 *
 * @module
 */
import { sleep, type World } from "../runtime/world.ts";
import { comparePositions, type LogEntry, type Position } from "../domain/event.ts";
import type { EventLog, ReadOptions } from "./event_log.ts";
import { Relay, type RelayProgress } from "./relay.ts";
import { type Topic, TopicAway } from "./topic.ts";

/** What is worth telling. */
export type RelayEvent =
  /** The topic lacked what follows `after`; it was relayed again. */
  | { readonly kind: "gap"; readonly shard: number; readonly after: Position }
  /** Said once, until it is back. */
  | { readonly kind: "away"; readonly shard: number; readonly error: unknown }
  /** The topic works again after `awayMs`. */
  | { readonly kind: "back"; readonly shard: number; readonly awayMs: number }
  /** The topic was missing, and was made: for a shard that had none, or because somebody deleted it. */
  | { readonly kind: "created"; readonly shard: number }
  /** The numbers after `from`, up to `to`, do not come into the topic; a message in it says so. */
  | { readonly kind: "jump"; readonly shard: number; readonly from: number; readonly to: number }
  /** A record that is of another deployment, or not of our schema, was passed over. */
  | { readonly kind: "unreadable"; readonly shard: number; readonly offset: number; readonly error: unknown };

/** What a relayed log works with. */
export interface RelayedLogParts {
  /** What the store writes; closed with this log. */
  readonly stream: EventLog;
  /** Closed with this log. */
  readonly topic: Topic;
  /** Id of the deployment whose log this is. */
  readonly deployment: string;
  /** Its clock and timers. */
  readonly world: World;
  /** Told what went wrong, and that it is right again. */
  readonly onEvent: (event: RelayEvent) => void;
  /** Told what was appended to the topic, and when that began and ended (monotonic ms), for traces. */
  readonly onAppended?: (shard: number, entries: readonly LogEntry[], startMs: number, endMs: number) => void;
  /** Told after every read that went well, for metrics. */
  readonly onProgress?: (shard: number, progress: RelayProgress) => void;
}

/** Beyond a read's own wait, how long a reader waits for the topic before it gets nothing. A lease may be silent for 3 s. */
const graceMs = 500;
/** For a reader that wants to know where the log ends. */
const endWithinMs = 2000;

/** Sockets close at once; the rest of DRAIN_TIMEOUT_MS is for others. */
const closeWithinMs = 1000;

/** A step that is under way; a reader that could not wait for it finds it at its next read. */
interface Flight {
  readonly after: Position;
  readonly landing: Promise<Landing>;
}

type Landing =
  | { readonly kind: "read"; readonly entries: LogEntry[] }
  | { readonly kind: "failed"; readonly error: unknown };

interface ShardRelay {
  readonly relay: Relay;
  flight: Flight | undefined;
  /** When the topic was found away; undefined while it is not. */
  awaySinceMs: number | undefined;
}

/** See the head of this file. */
export class RelayedLog implements EventLog {
  readonly #parts: RelayedLogParts;
  readonly #shardRelays = new Map<number, ShardRelay>();

  /** Connects to nothing yet. */
  constructor(parts: RelayedLogParts) {
    this.#parts = parts;
  }

  /**
   * Relays and reads.
   *
   * @throws {TopicAway} when a read that does not wait cannot be answered
   * @throws {RangeError} when the topic cannot be used as it is
   */
  async read(shard: number, after: Position, options: ReadOptions): Promise<LogEntry[]> {
    const { world } = this.#parts;
    const shardRelay = this.#shardRelay(shard);
    // Who looks for the end of the log may book nothing of it.
    if (options.waitMs > 0) shardRelay.relay.booked(after);
    let untilMs = world.elapsedMs() + (options.waitMs > 0 ? options.waitMs + graceMs : endWithinMs);
    let pagesRead = shardRelay.relay.pagesRead;
    while (!options.signal.aborted) {
      const flight = shardRelay.flight ??= this.#start(shardRelay, after, options);
      const landing = await this.#within(untilMs - world.elapsedMs(), flight, options.signal);
      if (!landing) {
        if (options.waitMs > 0 || options.signal.aborted) return [];
        if (shardRelay.relay.pagesRead > pagesRead) { // a long topic that is read from its start
          pagesRead = shardRelay.relay.pagesRead;
          untilMs = world.elapsedMs() + endWithinMs;
          continue;
        }
        throw new TopicAway(
          `Cannot tell where the log of shard ${shard} ends as Kafka took over ${endWithinMs} ms`,
        );
      }
      shardRelay.flight = undefined;
      if (comparePositions(flight.after, after) !== 0) continue; // the answer to an older question
      if (landing.kind === "read") {
        this.#found(shard, shardRelay);
        const last = landing.entries.at(-1);
        // Of 70 to 95 µs an order, 50 to 60 are this process's; gzip, broker and PostgreSQL have other cores.
        if (last && options.waitMs > 0) shardRelay.flight = this.#start(shardRelay, last.position, options);
        return landing.entries;
      }
      if (!(landing.error instanceof TopicAway) || options.waitMs === 0) throw landing.error;
      this.#lost(shard, shardRelay, landing.error);
      await sleep(world, options.waitMs, options.signal);
      return [];
    }
    return [];
  }

  /**
   * Of stream and topic, whichever is higher.
   *
   * @throws {TopicAway} when the topic cannot be read
   * @throws {RangeError} when the topic cannot be used as it is
   */
  async tail(shard: number): Promise<Position> {
    const [stream, topic] = await Promise.all([
      this.#parts.stream.tail(shard),
      this.#shardRelay(shard).relay.tail(),
    ]);
    return comparePositions(stream, topic) > 0 ? stream : topic;
  }

  /** Closes stream and topic; what does not answer is not waited for, as it would hold up the end of a process. */
  async close(): Promise<void> {
    const { stream, topic, world } = this.#parts;
    const flights = [...this.#shardRelays.values()].map((shardRelay) => shardRelay.flight?.landing);
    const closed = new AbortController();
    const closing = Promise.all([stream.close(), topic.close(), ...flights]).finally(() => closed.abort());
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
      this.#shardRelays.set(shard, shardRelay = { relay, flight: undefined, awaySinceMs: undefined });
    }
    return shardRelay;
  }

  #start({ relay }: ShardRelay, after: Position, options: ReadOptions): Flight {
    const landing = relay.step(after, options).then(
      (entries): Landing => ({ kind: "read", entries }),
      (error): Landing => ({ kind: "failed", error }),
    );
    return { after, landing };
  }

  /** The landing, or undefined when it takes longer than `ms` or `signal` aborts. */
  async #within(ms: number, { landing }: Flight, signal: AbortSignal): Promise<Landing | undefined> {
    const enough = new AbortController();
    try {
      return await Promise.race([
        landing,
        sleep(this.#parts.world, Math.max(0, ms), AbortSignal.any([signal, enough.signal])).then(() =>
          undefined
        ),
      ]);
    } finally {
      enough.abort();
    }
  }

  #lost(shard: number, shardRelay: ShardRelay, error: unknown): void {
    if (shardRelay.awaySinceMs !== undefined) return;
    shardRelay.awaySinceMs = this.#parts.world.elapsedMs();
    this.#parts.onEvent({ kind: "away", shard, error });
  }

  #found(shard: number, shardRelay: ShardRelay): void {
    const { world, onEvent, onProgress } = this.#parts;
    if (shardRelay.awaySinceMs !== undefined) {
      onEvent({ kind: "back", shard, awayMs: Math.round(world.elapsedMs() - shardRelay.awaySinceMs) });
      shardRelay.awaySinceMs = undefined;
    }
    const progress = shardRelay.relay.progress;
    if (progress) onProgress?.(shard, progress);
  }
}
