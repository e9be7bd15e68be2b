/**
 * How far the ledger is behind, asked for only while somebody looks.
 *
 * @module
 */
import type { World } from "../runtime/world.ts";

/** After this an answer says nothing about now. */
const staleAfterMs = 5000;

/** How far the ledger of one shard are. */
export interface Progress {
  /** Which. */
  readonly shard: number;
  /** Number of the last event in the ledger. */
  readonly seq: number;
  /** Highest number that a worker has seen issued. */
  readonly recordedHead: number;
  /** Events that wait for a person. */
  readonly deadLetters: number;
}

/** The port to the ledger. */
export interface Books {
  /** All shards, by number; empty before the ledger was prepared. */
  progress(): Promise<readonly Progress[]>;
}

/** A shard's events that are not applied yet. */
export interface ShardLag {
  /** Which. */
  readonly shard: number;
  /** How many. */
  readonly lag: number;
}

/** What the ledger say. */
export interface BooksFigures {
  /** By shard; null = not known: there are no books here, or they do not answer. */
  readonly lags: readonly ShardLag[] | null;
  /** Events that wait for a person; null = not known. */
  readonly deadLetters: number | null;
}

const unknown: BooksFigures = { lags: null, deadLetters: null };

/** Asks the ledger, one question at a time. */
export class BooksReader {
  readonly #books: Books | null;
  readonly #world: World;
  readonly #heads = new Map<number, number>();
  #asking = false;
  #answer: readonly Progress[] = [];
  #answeredAtMs = -Infinity;

  /** Asks nothing yet. `books` is null where there are none. */
  constructor(books: Books | null, world: World) {
    this.#books = books;
    this.#world = world;
  }

  /** A number that was issued here. What no worker has noted, because it is away, is behind as well. */
  saw(shard: number, seq: number): void {
    if (seq > (this.#heads.get(shard) ?? 0)) this.#heads.set(shard, seq);
  }

  /** Asks, unless the last question is still open. Never rejects: who cannot say does not know. */
  async ask(): Promise<void> {
    if (this.#books === null || this.#asking) return;
    this.#asking = true;
    try {
      this.#answer = await this.#books.progress();
      this.#answeredAtMs = this.#world.elapsedMs();
    } catch {
      this.#answeredAtMs = -Infinity;
    } finally {
      this.#asking = false;
    }
  }

  /** The last answer. */
  figures(): BooksFigures {
    const isStale = this.#world.elapsedMs() - this.#answeredAtMs > staleAfterMs;
    if (isStale || this.#answer.length === 0) return unknown;
    return {
      lags: this.#answer.map(({ shard, seq, recordedHead }) => {
        const head = Math.max(recordedHead, this.#heads.get(shard) ?? 0);
        return { shard, lag: Math.max(0, head - seq) };
      }),
      deadLetters: this.#answer.reduce((sum, { deadLetters }) => sum + deadLetters, 0),
    };
  }
}
