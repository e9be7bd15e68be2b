/**
 * The log in a Redis stream, read by position. There is no consumer group: the ledger's cursor is the only one.
 *
 * @module
 */
import { allShardKeys, type KeySpace } from "./keys.ts";
import type { ShardConnections } from "./shard_connections.ts";
import { list, text } from "./reply.ts";
import { decodeEntry, entryField } from "./event_codec.ts";
import { type LogEntry, parsePosition, type Position } from "../domain/event.ts";
import type { EventLog, ReadOptions } from "../log/event_log.ts";

/** Time for a reader's connection, in addition to the requested wait. */
const connectWithinMs = 1000;

/**
 * Characters of JSON that one read returns, or one entry: parsed in some 30 ms. An entry of a busy shard has 50,000;
 * one of 256 baskets of 100 lines may have more than a million.
 */
const readCharsMax = 4_000_000;

/** Reads streams. A waiting read blocks its connection, so each shard's reader has its own. */
export class RedisStream implements EventLog {
  readonly #connections: ShardConnections;
  readonly #keys: string[];
  /** The entry count of a shard's next read: doubled while entries are small. */
  readonly #counts: number[] = [];

  /**
   * Connects a shard's reader at its first read.
   *
   * @param connections with one per shard; {@link close} closes them
   */
  constructor(connections: ShardConnections, keySpace: KeySpace) {
    this.#connections = connections;
    this.#keys = allShardKeys(keySpace).map((keys) => keys.at(-1) ?? "");
  }

  /**
   * One `XREAD`, which blocks for `waitMs`.
   *
   * @throws {StoreError} when there is no connection within `waitMs` + 1000 ms, or it is lost
   */
  async read(shard: number, after: Position, options: ReadOptions): Promise<LogEntry[]> {
    if (options.signal.aborted) return [];
    const key = this.#keys[shard] ?? "";
    await this.#connections.whenReady(shard, options.waitMs + connectWithinMs);
    const start = `${after.epoch}-${after.seq}`;
    const block = options.waitMs > 0 ? ["BLOCK", Math.ceil(options.waitMs)] : []; // BLOCK 0 is for ever
    const count = Math.min(options.entriesMax, this.#counts[shard] ?? 1);
    const limits = ["COUNT", count, ...block];
    const reply = await this.#connections.call(shard, "XREAD", ...limits, "STREAMS", key, start);
    if (reply === null) return [];
    const found = entriesOf(reply);
    const chars = found.reduce((sum, { body }) => sum + body.length, 0);
    const fitting = Math.floor(readCharsMax * found.length / chars);
    this.#counts[shard] = Math.max(1, Math.min(2 * count, fitting));
    // The remaining entries are read again.
    return found.slice(0, Math.max(1, fitting)).map(({ position, body }) => decodeEntry(position, body));
  }

  /** One `XREVRANGE`. */
  async tail(shard: number): Promise<Position> {
    await this.#connections.whenReady(shard, connectWithinMs);
    const reply = await this.#connections.call(
      shard,
      "XREVRANGE",
      this.#keys[shard] ?? "",
      "+",
      "-",
      "COUNT",
      1,
    );
    const [entry] = list(reply);
    const position = entry === undefined ? null : parsePosition(text(list(entry)[0]));
    return position ?? { epoch: 0, seq: 0 };
  }

  /** Closes the connection of every reader; waiting reads reject. */
  close(): Promise<void> {
    return this.#connections.close();
  }
}

interface Found {
  readonly position: Position;
  readonly body: string;
}

/** `[[key, [[id, [field, value]], …]]]` */
function entriesOf(reply: unknown): Found[] {
  const [, entries] = list(list(reply)[0]);
  return foundIn(entries);
}

/**
 * Decodes entries of a stream: `[[id, [field, value]], …]`.
 *
 * @throws {TypeError} when one is not of this version
 */
export function decodeEntries(entries: unknown): LogEntry[] {
  return foundIn(entries).map(({ position, body }) => decodeEntry(position, body));
}

function foundIn(entries: unknown): Found[] {
  return list(entries).map((entry) => {
    const [id, fields] = list(entry);
    const [field, body] = list(fields);
    const position = parsePosition(text(id));
    if (!position || field !== entryField) {
      throw new TypeError(`Cannot read log entry '${text(id)}' as it is not of version '${entryField}'`);
    }
    return { position, body: text(body) };
  });
}
