/**
 * The port to a PostgreSQL server: sessions, which hold locks, and a pool. Names in SQL are unqualified; the session
 * sets the schema.
 *
 * @module
 */
import type { Connection, Queries } from "../database.ts";

/**
 * One connection that never reconnects, because its locks would be lost unnoticed. After the loss of the connection
 * every call rejects with `LeaseLost`.
 */
export interface Session extends Connection {
  /**
   * Takes a lock until it is unlocked or the session ends. Returns whether it was free.
   *
   * @param key a 32-bit integer: a shard, or a worker's slot, below 0
   */
  tryLock(key: number): Promise<boolean>;
  /** Releases a lock of this session. */
  unlock(key: number): Promise<void>;
  /** Keys of all locks that are held in this schema. */
  locks(): Promise<number[]>;
  /** Ends sessions that hold such a lock and whose client stopped in the middle of a statement, 3 s ago or more. */
  endSilent(): Promise<void>;
  /** Process id of its server process; 0 when the server is this process. */
  readonly pid: number;
  /** Those of these sessions that the server has ended. */
  ended(pids: readonly number[]): Promise<number[]>;
  /** Treats the session as lost: every call rejects with `LeaseLost`, running ones too. Sends nothing. */
  abandon(why: string): void;
  /** Verifies that the session is alive, and keeps it alive. */
  ping(): Promise<void>;
}

/** A database, seen through one schema. Its own `query` uses any connection, outside transactions. */
export interface Database extends Queries {
  readonly namespace: string;
  /** Opens a session. It is lost when a call has no response within `callTimeoutMs`, default 35 s. */
  session(callTimeoutMs?: number): Promise<Session>;
  /** Closes every connection; sessions end with them. */
  close(): Promise<void>;
}

/** Quotes a schema's name. @throws {RangeError} when PostgreSQL would truncate it */
export function quotedName(namespace: string): string {
  const bytes = new TextEncoder().encode(namespace).length;
  // 63 bytes is NAMEDATALEN - 1. PostgreSQL truncates without an error, so two namespaces could become one.
  if (bytes < 1 || bytes > 63 || namespace.includes("\0")) {
    throw new RangeError(
      `Cannot use NAMESPACE as a schema's name has 1 to 63 bytes: current value has ${bytes}`,
    );
  }
  return `"${namespace.replaceAll('"', '""')}"`;
}
