/**
 * The port to a PostgreSQL server: sessions, which hold locks, and a pool. Names in SQL are unqualified, the session sets
 * the schema.
 *
 * @module
 */
import type { Connection, Queries } from "../database.ts";

/**
 * One connection for as long as it lives: it never reconnects, because what it held would be gone in silence.
 * A session that lost its connection rejects every call with `LeaseLost`.
 */
export interface Session extends Connection {
  /**
   * Takes a lock until it is given back or the session ends. Returns whether it was free.
   *
   * @param key a 32-bit integer: a shard, or a worker's place, below 0
   */
  tryLock(key: number): Promise<boolean>;
  /** Gives back a lock that this session took. */
  unlock(key: number): Promise<void>;
  /** Keys of the locks that are taken in this schema, by whomever. */
  locks(): Promise<number[]>;
  /** Id of the server's process behind it; 0 where the server is this process. */
  readonly pid: number;
  /** Which of these sessions the server has ended. */
  ended(pids: readonly number[]): Promise<number[]>;
  /** Takes it for lost: every call rejects with `LeaseLost`, those under way too. Sends nothing. */
  abandon(why: string): void;
  /** Shows that the session lives, and keeps it alive. */
  ping(): Promise<void>;
}

/** A database, seen through one schema. Its own `query` uses any connection, outside of any transaction. */
export interface Database extends Queries {
  /** The schema. */
  readonly namespace: string;
  /** Opens a session. It is lost when a call has no answer within `callTimeoutMs`, 35 s when left out. */
  session(callTimeoutMs?: number): Promise<Session>;
  /** Closes every connection; sessions end with them. */
  close(): Promise<void>;
}

/** A schema's name as an identifier. @throws {RangeError} when PostgreSQL would cut it off */
export function quotedName(namespace: string): string {
  const bytes = new TextEncoder().encode(namespace).length;
  // 63 bytes is NAMEDATALEN - 1; PostgreSQL truncates in silence, and two namespaces could become one.
  if (bytes < 1 || bytes > 63 || namespace.includes("\0")) {
    throw new RangeError(
      `Cannot use NAMESPACE as a schema's name has 1 to 63 bytes: current value has ${bytes}`,
    );
  }
  return `"${namespace.replaceAll('"', '""')}"`;
}
