/**
 * The port to a SQL database, as small as the ledger needs it. PostgreSQL and PGlite implement it and share
 * all SQL; names in that SQL are unqualified, the adapter sets the schema.
 *
 * @module
 */

/** A parameter of a statement. Arrays and objects go as JSON text: both drivers send text alike. */
export type Param = string | number | boolean | null;

/** Runs statements, in the order in which they are called. */
export interface Queries {
  /**
   * Runs one statement. 64-bit integers come as numbers: all of ours stay below 2^53.
   *
   * @throws {SqlError} when the database refuses it
   */
  query<Row extends object>(statement: string, params?: readonly Param[]): Promise<Row[]>;
  /**
   * Runs several statements without parameters.
   *
   * @param timeoutMs how long to wait for the end of them; left out = as long as for a query
   */
  script(statements: string, timeoutMs?: number): Promise<void>;
}

/** An open transaction. Statements may be sent without waiting for those before: they are pipelined. */
export interface Transaction extends Queries {
  /** Undoes everything; nothing more may be run. */
  rollback(): Promise<void>;
}

/** A connection for one caller. */
export interface Connection extends Queries {
  /** Commits when `run` resolves, rolls back when it rejects. Calls from outside wait until it has ended. */
  transaction<T>(run: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Runs a statement that reads or deletes a page in the order of an index, without sorting what is left. */
  page<Row extends object>(statement: string, params?: readonly Param[]): Promise<Row[]>;
  /** Ends it and frees what it holds. Never rejects. */
  close(): Promise<void>;
}

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

/** The database refused a statement. */
export class SqlError extends Error {
  /** Says what kind of error this is where classes do not reach: in logs. */
  override name = "SqlError";
  /**
   * Makes one.
   *
   * @param sqlstate five characters; the first two are its class
   */
  constructor(readonly sqlstate: string, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/**
 * {@link Connection.page} on PostgreSQL. Left alone, the planner may read and sort all that is left for every page: of a
 * million order lines 200 to 400 ms instead of 10, and without statistics always.
 */
export function pageInOrder<Row extends object>(
  session: Pick<Session, "transaction">,
  statement: string,
  params: readonly Param[] = [],
): Promise<Row[]> {
  return session.transaction(async (tx) => {
    const [, rows] = await Promise.all([
      tx.script(
        "set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off",
      ),
      tx.query<Row>(statement, params),
    ]);
    return rows;
  });
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
