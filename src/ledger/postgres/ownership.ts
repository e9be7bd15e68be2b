/**
 * The deployment that a connection leads to. An address may lead to another server at any time, so a session reads
 * the deployment first.
 *
 * @module
 */
import { ForeignLedger } from "../../domain/errors.ts";
import { type Queries, SqlError } from "../database.ts";
import type { Database, Session } from "./database.ts";
import type { Deployment } from "../ledger.ts";
import type { PostgresStatements } from "./statements.ts";

/** SQLSTATE undefined_table: no worker has created the schema yet. */
const undefinedTable = "42P01";

/** Remembers the deployment of this process, and opens sessions that lead to it. */
export class Ownership {
  readonly #database: Database;
  readonly #sql: PostgresStatements;
  #id: string | undefined;

  /** @param id of the deployment; undefined = the first one found */
  constructor(database: Database, sql: PostgresStatements, id: string | undefined) {
    this.#database = database;
    this.#sql = sql;
    this.#id = id;
  }

  /** The deployment of all sessions. @throws {RangeError} before one was found */
  get id(): string {
    if (this.#id !== undefined) return this.#id;
    throw new RangeError("Cannot use the ledger as no worker has prepared it");
  }

  /**
   * The deployment that a connection leads to; undefined when there is none yet and none is expected.
   *
   * @throws {ForeignLedger}
   */
  async read(queries: Pick<Queries, "query">): Promise<Deployment | undefined> {
    const found = await this.#read(queries);
    if (found) return this.own(found);
    if (this.#id === undefined) return undefined;
    throw new ForeignLedger(undefined, this.#id);
  }

  /** Sets the deployment of this process. @throws {ForeignLedger} when it has another one */
  own(deployment: Deployment): Deployment {
    this.#id ??= deployment.id;
    if (this.#id !== deployment.id) throw new ForeignLedger(deployment.id, this.#id);
    return deployment;
  }

  /**
   * Opens a session, which never reconnects.
   *
   * @param callTimeoutMs as in {@link Database}
   *
   * @throws {ForeignLedger}
   */
  async session(callTimeoutMs?: number): Promise<Session> {
    const session = await this.#database.session(callTimeoutMs);
    try {
      await this.read(session);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  async #read(queries: Pick<Queries, "query">): Promise<Deployment | undefined> {
    try {
      const [deployment] = await queries.query<Deployment>(this.#sql.read_deployment);
      return deployment;
    } catch (error) {
      if (error instanceof SqlError && error.sqlstate === undefinedTable) return undefined;
      throw error;
    }
  }
}
