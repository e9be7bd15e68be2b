/**
 * The values of this process, sent once a second to every viewer. Without a viewer there is no timer and no call to the
 * ledger, and nothing is counted.
 *
 * @module
 */
import type { Inventory } from "../decide/service.ts";
import type { Cancel, World } from "../runtime/world.ts";
import { LagReader, type ProgressSource, type ShardLag } from "./ledger_lag.ts";
import { type Latency, RecentSales, type SalesRate, type TopSku } from "./sales.ts";

/** Bounds of a board. */
export const boardBounds = {
  /** Streams at once. */
  streamsMax: 32,
  /** Interval of snapshots, ms. */
  everyMs: 1000,
  /** Snapshots that wait for a reader; a reader further behind is disconnected. */
  waitingMax: 10,
  /**
   * Length of a stream, ms; the page then opens another. An unread socket buffers snapshots for an hour, so a stream that
   * is not read cannot be recognized by its backlog.
   */
  streamMaxMs: 60_000,
} as const;

/** A snapshot, as it is sent. */
export interface Snapshot {
  /** RFC 3339. */
  readonly at: string;
  /** Sales in the last second. */
  readonly sales_per_second: SalesRate;
  /** Null = no sale in the last ten seconds. */
  readonly latency_ms: Latency | null;
  /** At most ten. */
  readonly top_skus: readonly TopSku[];
  /** Commands that wait for a call to the store. */
  readonly waiting: number;
  /** Number of look-ups in the sold-out cache since the start. */
  readonly sold_out_cache: { readonly hits: number; readonly misses: number };
  /** All shards, and those that refused to sell at their last call. */
  readonly shards: { readonly total: number; readonly unarmed: number };
  /** Events that are not applied yet, by shard; null = unknown. */
  readonly log_lag: readonly ShardLag[] | null;
  /** Events that wait for an operator; null = unknown. */
  readonly dead_letters: number | null;
}

export interface BoardParts {
  readonly inventory: Pick<Inventory, "waiting" | "unarmedShards" | "soldOut">;
  /** Null where there is no ledger. */
  readonly ledger: ProgressSource | null;
  readonly shards: number;
  readonly world: World;
}

/** The client of a stream. */
export interface Viewer {
  /** The client's address, an IPv6 one by its /64; empty where there is none. */
  readonly address: string;
  /** Name of its token; empty when access is open. */
  readonly token: string;
}

type Reader = ReadableStreamDefaultController<Uint8Array>;

interface OpenStream {
  readonly viewer: Viewer;
  /** Start, monotonic. */
  readonly sinceMs: number;
}

const encoder = new TextEncoder();

export class Board {
  readonly #parts: BoardParts;
  /** Open streams, oldest first. */
  readonly #readers = new Map<Reader, OpenStream>();
  #cancel: Cancel | undefined;
  #closed = false;
  /** Sales; counted only while there are viewers. */
  readonly sales: RecentSales;
  readonly lag: LagReader;

  constructor(parts: BoardParts) {
    this.#parts = parts;
    this.sales = new RecentSales(parts.world);
    this.lag = new LagReader(parts.ledger, parts.world);
  }

  /** Whether there are viewers. */
  get isWatched(): boolean {
    return this.#readers.size > 0;
  }

  /**
   * Server-sent events, the first at once. At the limit of streams, the oldest stream of the address or token with the most
   * streams ends, if it has at least two more than the viewer: so no client can hold all streams.
   *
   * @returns undefined when the limit is reached and all clients have equally many, or the process stops
   */
  open(viewer: Viewer): ReadableStream<Uint8Array> | undefined {
    if (this.#closed) return undefined;
    if (this.#readers.size >= boardBounds.streamsMax) {
      const oldest = this.#oldestOfMost("address", viewer) ?? this.#oldestOfMost("token", viewer);
      if (oldest === undefined) return undefined;
      this.#end(oldest);
    }
    let reader: Reader;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        reader = controller;
        this.#readers.set(reader, { viewer, sinceMs: this.#parts.world.elapsedMs() });
        if (this.#cancel === undefined) this.#begin();
        reader.enqueue(toEvent(this.snapshot()));
      },
      cancel: () => this.#leave(reader),
    }, { highWaterMark: boardBounds.waitingMax });
  }

  /** Ends every stream, and refuses further ones. */
  close(): void {
    this.#closed = true;
    for (const reader of this.#readers.keys()) this.#end(reader);
  }

  snapshot(): Snapshot {
    const { inventory: { waiting, unarmedShards, soldOut: { hits, misses } }, shards, world } = this.#parts;
    const { lags, deadLetters } = this.lag.current();
    return {
      at: new Date(world.now()).toISOString(),
      sales_per_second: this.sales.rate(),
      latency_ms: this.sales.latency(),
      top_skus: this.sales.topSkus(),
      waiting,
      sold_out_cache: { hits, misses },
      shards: { total: shards, unarmed: unarmedShards },
      log_lag: lags,
      dead_letters: deadLetters,
    };
  }

  /** The oldest stream of the address or token with the most streams, if those are at least two more than the viewer's. */
  #oldestOfMost(by: keyof Viewer, viewer: Viewer): Reader | undefined {
    const groups = Map.groupBy(this.#readers.keys(), (reader) => this.#readers.get(reader)?.viewer[by]);
    const most = [...groups.values()].reduce((a, b) => b.length > a.length ? b : a, []);
    const own = groups.get(viewer[by])?.length ?? 0;
    return most.length >= own + 2 ? most[0] : undefined;
  }

  #begin(): void {
    this.sales.clear();
    void this.lag.ask();
    this.#wait();
  }

  #wait(): void {
    this.#cancel = this.#parts.world.after(boardBounds.everyMs, () => this.#tick());
  }

  #tick(): void {
    this.sales.turn();
    const event = toEvent(this.snapshot());
    const oldestMs = this.#parts.world.elapsedMs() - boardBounds.streamMaxMs;
    for (const [reader, { sinceMs }] of this.#readers) {
      // The client is gone, or too slow: its page connects again.
      if ((reader.desiredSize ?? 0) <= 0 || sinceMs <= oldestMs) this.#end(reader);
      else reader.enqueue(event);
    }
    if (!this.isWatched) return;
    void this.lag.ask();
    this.#wait();
  }

  #end(reader: Reader): void {
    reader.close();
    this.#leave(reader);
  }

  #leave(reader: Reader): void {
    this.#readers.delete(reader);
    if (this.isWatched) return;
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

function toEvent(snapshot: Snapshot): Uint8Array {
  return encoder.encode(`data: ${JSON.stringify(snapshot)}\n\n`);
}
