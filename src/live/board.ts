/**
 * The figures of this process, told once a second to everybody who looks. Nobody looks: no timer, no question to the
 * books, nothing is counted.
 *
 * @module
 */
import type { Inventory } from "../decide/service.ts";
import type { Cancel, World } from "../runtime/world.ts";
import { type Books, BooksReader, type ShardLag } from "./books.ts";
import { type Latency, RecentSales, type SalesRate, type TopSku } from "./sales.ts";

/** Bounds of a board. */
export const boardBounds = {
  /** Streams at once. */
  streamsMax: 32,
  /** From one snapshot to the next. */
  everyMs: 1000,
  /** Snapshots that wait for a reader; a reader further behind is disconnected. */
  waitingMax: 10,
  /**
   * How long a stream lasts; the page then opens another. A socket that nobody reads from takes snapshots into its
   * buffers for an hour, so a stream that is not read cannot be recognized by what waits for it.
   */
  streamMaxMs: 60_000,
} as const;

/** What is told, as it is sent. */
export interface Snapshot {
  /** RFC 3339. */
  readonly at: string;
  /** Sales in the last second. */
  readonly sales_per_second: SalesRate;
  /** Null = nothing was sold in the last ten seconds. */
  readonly latency_ms: Latency | null;
  /** At most ten. */
  readonly top_skus: readonly TopSku[];
  /** Commands that wait for a call to the store. */
  readonly waiting: number;
  /** How often the memory of what is sold out was asked, since the start. */
  readonly sold_out_cache: { readonly hits: number; readonly misses: number };
  /** All of them, and those that refused to sell when they were last asked. */
  readonly shards: { readonly total: number; readonly unarmed: number };
  /** Events that are not applied yet, by shard; null = not known. */
  readonly log_lag: readonly ShardLag[] | null;
  /** Events that wait for a person; null = not known. */
  readonly dead_letters: number | null;
}

/** What a board is made of. */
export interface BoardParts {
  /** What decides. */
  readonly inventory: Pick<Inventory, "waiting" | "unarmedShards" | "soldOut">;
  /** Null where there are none. */
  readonly books: Books | null;
  /** How many there are. */
  readonly shards: number;
  /** Tells the time. */
  readonly world: World;
}

/** Who opens a stream. */
export interface Viewer {
  /** The client's address, an IPv6 one by its /64; empty where there is none. */
  readonly address: string;
  /** Name of its token; empty when access is open. */
  readonly token: string;
}

type Reader = ReadableStreamDefaultController<Uint8Array>;

interface OpenStream {
  readonly viewer: Viewer;
  /** When it began, monotonic. */
  readonly sinceMs: number;
}

const encoder = new TextEncoder();

/** See the module. */
export class Board {
  readonly #parts: BoardParts;
  /** Open streams, oldest first. */
  readonly #readers = new Map<Reader, OpenStream>();
  #cancel: Cancel | undefined;
  #closed = false;
  /** What was sold; told only while somebody looks. */
  readonly sales: RecentSales;
  /** How far the ledger is. */
  readonly books: BooksReader;

  /** Does nothing before somebody looks. */
  constructor(parts: BoardParts) {
    this.#parts = parts;
    this.sales = new RecentSales(parts.world);
    this.books = new BooksReader(parts.books, parts.world);
  }

  /** Whether somebody looks. */
  get isWatched(): boolean {
    return this.#readers.size > 0;
  }

  /**
   * Server-sent events, the first at once. When there are too many, the oldest stream of the address or token with the
   * most of them ends, if it has at least two more than the viewer: so none of them can hold all streams.
   *
   * @returns undefined when there are too many and all have an equal share, or the process stops
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

  /** Ends every stream; there will be no other. */
  close(): void {
    this.#closed = true;
    for (const reader of this.#readers.keys()) this.#end(reader);
  }

  /** The figures now. */
  snapshot(): Snapshot {
    const { inventory: { waiting, unarmedShards, soldOut: { hits, misses } }, shards, world } = this.#parts;
    const { lags, deadLetters } = this.books.figures();
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

  /** The oldest stream of the address or token that has the most, if that is at least two more than the viewer has. */
  #oldestOfMost(by: keyof Viewer, viewer: Viewer): Reader | undefined {
    const groups = Map.groupBy(this.#readers.keys(), (reader) => this.#readers.get(reader)?.viewer[by]);
    const most = [...groups.values()].reduce((a, b) => b.length > a.length ? b : a, []);
    const own = groups.get(viewer[by])?.length ?? 0;
    return most.length >= own + 2 ? most[0] : undefined;
  }

  #begin(): void {
    this.sales.clear();
    void this.books.ask();
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
      // A client that went without a word, or cannot keep up: its page comes back when it can.
      if ((reader.desiredSize ?? 0) <= 0 || sinceMs <= oldestMs) this.#end(reader);
      else reader.enqueue(event);
    }
    if (!this.isWatched) return;
    void this.books.ask();
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
