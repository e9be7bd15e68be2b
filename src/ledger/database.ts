/**
 * The port to a SQL database, reduced to the needs of the ledger. PostgreSQL and SQLite implement it, each with its
 * own SQL.
 *
 * @module
 */

/** A parameter of a statement. Arrays and objects are sent as JSON text, because both drivers send text alike. */
export type Param = string | number | boolean | null;

/** Runs statements in the order of the calls. */
export interface Queries {
  /**
   * Runs one statement. 64-bit integers are returned as numbers; all values of the ledger are below 2^53.
   *
   * @throws {SqlError} when the database refuses it
   */
  query<Row extends object>(statement: string, params?: readonly Param[]): Promise<Row[]>;
  /**
   * Runs several statements without parameters.
   *
   * @param timeoutMs time limit for all of them; default: that of a query
   */
  script(statements: string, timeoutMs?: number): Promise<void>;
}

/** An open transaction. Statements may be sent without waiting for earlier ones: they are pipelined. */
export interface Transaction extends Queries {
  /** Rolls back; no statement may follow. */
  rollback(): Promise<void>;
}

/** A connection for one caller. */
export interface Connection extends Queries {
  /** Commits when `run` resolves, rolls back when it rejects. Other calls wait until it has ended. */
  transaction<T>(run: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Runs a statement that reads or deletes a page in the order of an index, without a sort. */
  page<Row extends object>(statement: string, params?: readonly Param[]): Promise<Row[]>;
  /** Closes the connection and frees its locks. Never rejects. */
  close(): Promise<void>;
}

/** The database refused a statement. */
export class SqlError extends Error {
  /** The class name, for logs. */
  override name = "SqlError";
  /**
   * Makes an error of a database.
   *
   * @param sqlstate five characters; the first two are its class
   */
  constructor(readonly sqlstate: string, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}
