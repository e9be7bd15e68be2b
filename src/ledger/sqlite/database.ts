/**
 * The ledger's SQLite file as a database: one connection, one transaction at a time.
 *
 * @module
 */
import type { Connection, Param, Transaction } from "../database.ts";
import { LeaseLost } from "../../domain/errors.ts";
import { RemoteEngine } from "./remote_engine.ts";

/** Every commit is fsynced: an answer that waited for it outlives a power cut. */
const settings = `
  pragma journal_mode = wal;
  pragma synchronous = full;
  pragma fullfsync = on;
  pragma checkpoint_fullfsync = on;
  pragma busy_timeout = 5000;
  pragma temp_store = memory;
  pragma cache_size = -65536;
  pragma wal_autocheckpoint = 4000;
`;

const readerSettings = "pragma busy_timeout = 5000; pragma temp_store = memory;";

/** How a file is opened. */
export interface OpenOptions {
  /** The file must exist and is not changed; another process may write it. Left out = false. */
  readonly readOnly?: boolean;
}

/** See {@link Connection}. Calls run in turn: what is called while a transaction is open waits for its end. */
export class SqliteDatabase implements Connection {
  readonly #engine: RemoteEngine;
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  private constructor(engine: RemoteEngine) {
    this.#engine = engine;
  }

  /**
   * Opens a file, and makes it when it is missing.
   *
   * @throws {SqlError}
   */
  static async open(path: string, { readOnly = false }: OpenOptions = {}): Promise<SqliteDatabase> {
    const wanted = readOnly ? readerSettings : settings;
    return new SqliteDatabase(await RemoteEngine.open(path, { readOnly, settings: wanted }));
  }

  /** Whether {@link close} was called. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  query<Row extends object>(text: string, params?: readonly Param[]): Promise<Row[]> {
    return this.#inTurn(() => this.#engine.query<Row>(text, params));
  }

  page<Row extends object>(text: string, params?: readonly Param[]): Promise<Row[]> {
    return this.query(text, params);
  }

  script(statements: string): Promise<void> {
    return this.#inTurn(() => this.#engine.script(statements));
  }

  transaction<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#transact(run));
  }

  async #transact<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    const engine = this.#engine;
    let isOpen = true;
    const rollback = async () => {
      isOpen = false;
      await engine.rollback();
    };
    try {
      // The first statements of `run` leave together with "begin".
      const [, result] = await Promise.all([
        engine.query("begin immediate"),
        run({
          // Sent after the end, a statement would be a transaction of its own.
          query: (text, params) => isOpen ? engine.query(text, params) : Promise.reject(ended()),
          script: (statements) => isOpen ? engine.script(statements) : Promise.reject(ended()),
          rollback,
        }),
      ]);
      if (isOpen) {
        isOpen = false;
        await engine.query("commit").catch(async (error) => {
          await rollback();
          throw error;
        });
      }
      return result;
    } catch (error) {
      if (isOpen) await rollback();
      throw error;
    }
  }

  /** Waits for what is under way. Later calls reject with {@link LeaseLost}. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#turn;
    await this.#engine.close();
  }

  #inTurn<T>(run: () => T | Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new LeaseLost("its database closed"));
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => {});
    return result;
  }
}

function ended(): Error {
  return new Error("Cannot run a statement as its transaction has ended");
}
