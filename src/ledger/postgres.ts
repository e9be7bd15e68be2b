/**
 * The ledger's database on a PostgreSQL server (14 or newer), by postgres.js.
 *
 * `DATABASE_URL` must lead to the server or to a pooler in session mode: leases are session locks, which a
 * pooler in transaction mode would hand to somebody else.
 *
 * @module
 */
import postgres from "postgres";
import type { Database, Param, Session } from "./database.ts";
import {
  driverOptions,
  postgresBounds,
  type PostgresOptions,
  readTarget,
  targetOptions,
  timed,
  toSqlError,
} from "./postgres_options.ts";
import { PostgresSession } from "./postgres_session.ts";

export type { PostgresOptions } from "./postgres_options.ts";

/** Opens a pool. Connects with the first query, so a server that is away does not end the caller. */
export function openPostgres(options: PostgresOptions): Database {
  return new PostgresDatabase(options);
}

class PostgresDatabase implements Database {
  readonly namespace: string;
  readonly #options: PostgresOptions;
  readonly #pool: postgres.Sql<{ bigint: number }>;
  readonly #sessions = new Set<Session>();

  constructor(options: PostgresOptions) {
    this.namespace = options.namespace;
    this.#options = options;
    this.#pool = postgres({
      ...targetOptions(readTarget(options.url)),
      ...driverOptions(options, { statement_timeout: postgresBounds.poolStatementTimeoutMs }),
      max: postgresBounds.poolMax,
      idle_timeout: postgresBounds.poolIdleTimeoutMs / 1000,
      max_lifetime: postgresBounds.poolLifetimeMs / 1000,
      // 0.1 s to 3 s, with jitter: a restart of PostgreSQL takes about a second.
      backoff: (attempt: number) => (0.5 + options.world.random() / 2) * Math.min(0.2 * 2 ** attempt, 3),
    });
  }

  async query<Row extends object>(statement: string, params: readonly Param[] = []): Promise<Row[]> {
    return await timed(this.#options, statement, async () => {
      try {
        return Array.from(await this.#pool.unsafe<Row[]>(statement, [...params], { prepare: true }));
      } catch (error) {
        throw toSqlError(error);
      }
    });
  }

  async script(statements: string): Promise<void> {
    try {
      await this.#pool.unsafe(statements).simple();
    } catch (error) {
      throw toSqlError(error);
    }
  }

  async session(callTimeoutMs: number = postgresBounds.callTimeoutMs): Promise<Session> {
    // A server that turns the connection away ends it before there is a session to forget.
    const opened: { session?: Session } = {};
    const forget = () => opened.session && this.#sessions.delete(opened.session);
    opened.session = await PostgresSession.open({ ...this.#options, callTimeoutMs }, forget);
    this.#sessions.add(opened.session);
    return opened.session;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.close()));
    await this.#pool.end({ timeout: postgresBounds.closeTimeoutMs / 1000 });
  }
}
