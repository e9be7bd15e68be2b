/**
 * The ledger's SQLite file as a database: one connection, one transaction at a time.
 *
 * @module
 */
import type { Connection, Param, Transaction } from "../database.ts";
import { LeaseLost } from "../../domain/errors.ts";
import { Engine } from "./engine.ts";

/** Every commit is fsynced: an answer that waited for it outlives a power cut. */
const settings = `
  pragma journal_mode = wal;
  pragma synchronous = full;
  pragma fullfsync = on;
  pragma checkpoint_fullfsync = on;
  pragma busy_timeout = 5000;
  pragma temp_store = memory;
  pragma cache_size = -65536;
`;

/** See {@link Connection}. Calls run in turn: what is called while a transaction is open waits for its end. */
export class SqliteDatabase implements Connection {
  readonly #engine: Engine;
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** Whether {@link close} was called. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Opens a file, and makes it when it is missing.
   *
   * @throws {SqlError}
   */
  constructor(path: string) {
    this.#engine = new Engine(path);
    try {
      this.#engine.script(settings);
    } catch (error) {
      this.#engine.close();
      throw error;
    }
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
    const rollback = () => {
      engine.rollback();
      isOpen = false;
    };
    engine.query("begin immediate");
    try {
      const result = await run({
        // deno-lint-ignore require-await -- async, so that a refusal rejects and does not throw
        query: async (text, params) => engine.query(text, params),
        // deno-lint-ignore require-await -- as above
        script: async (statements) => engine.script(statements),
        // deno-lint-ignore require-await -- as above
        rollback: async () => rollback(),
      });
      if (isOpen) engine.query("commit");
      return result;
    } catch (error) {
      if (isOpen) rollback();
      throw error;
    }
  }

  /** Waits for what is under way. Later calls reject with {@link LeaseLost}. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#turn;
    this.#engine.close();
  }

  #inTurn<T>(run: () => T | Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(new LeaseLost("its database closed"));
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => {});
    return result;
  }
}
