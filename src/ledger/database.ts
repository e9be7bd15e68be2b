/**
 * The port to a SQL database, as small as the ledger needs it. PostgreSQL and SQLite implement it, each with SQL of its own.
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
