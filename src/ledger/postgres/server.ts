/**
 * The ledger's database on a PostgreSQL server (14 or newer), with postgres.js.
 *
 * `DATABASE_URL` must lead to the server or to a pooler in session mode: leases are session locks, which a pooler in
 * transaction mode would pass to other clients.
 *
 * @module
 */
import postgres from "postgres";
import type { Param } from "../database.ts";
import type { Database, Session } from "./database.ts";
import {
  driverOptions,
  postgresBounds,
  type PostgresOptions,
  readTarget,
  targetOptions,
  timed,
  toSqlError,
} from "./options.ts";
import { PostgresSession } from "./session.ts";
import { poolSettings, settingsScript } from "./session_settings.ts";

export type { PostgresOptions } from "./options.ts";

/** Opens a pool. It connects with the first query, so a server that is down does not end the caller. */
export function openPostgres(options: PostgresOptions): Database {
  return new PostgresDatabase(options);
}

/** A query that waits in the driver costs about 1 KB. */
const unansweredMax = 100;

class PostgresDatabase implements Database {
  readonly namespace: string;
  readonly #options: PostgresOptions;
  readonly #pool: postgres.Sql<{ bigint: number }>;
  readonly #settings: string;
  readonly #sessions = new Set<Session>();
  #isChecked = false;
  /** Queries that were given up and may still wait in the driver. */
  #unanswered = 0;

  constructor(options: PostgresOptions) {
    this.namespace = options.namespace;
    this.#options = options;
    this.#settings = settingsScript(poolSettings(options.namespace), "transaction");
    this.#pool = postgres({
      ...targetOptions(readTarget(options.url)),
      ...driverOptions(options),
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
        return await this.#inTime(() =>
          this.#withSettings(async (tx) =>
            Array.from(await tx.unsafe<Row[]>(statement, [...params], { prepare: true }))
          )
        );
      } catch (error) {
        throw toSqlError(error);
      }
    });
  }

  async script(statements: string): Promise<void> {
    try {
      await this.#withSettings(async (tx) => void await tx.unsafe(statements).simple());
    } catch (error) {
      throw toSqlError(error);
    }
  }

  /**
   * The driver reconnects while a query waits, even to a server that speaks another protocol.
   *
   * @throws {Error} when there is no response in time; the query may still be sent
   */
  async #inTime<T>(run: () => Promise<T>): Promise<T> {
    if (this.#unanswered >= unansweredMax) {
      throw new Error(`the server has not responded to ${unansweredMax} queries`);
    }
    const { promise, reject } = Promise.withResolvers<never>();
    const timeoutMs = postgresBounds.poolTimeoutMs;
    const running = run();
    const cancel = this.#options.world.after(timeoutMs, () => {
      this.#unanswered++;
      running.catch(() => {}).finally(() => this.#unanswered--);
      reject(
        new Error(`no response within ${timeoutMs} ms; the server may not be PostgreSQL`),
      );
    });
    return await Promise.race([running, promise]).finally(cancel);
  }

  /** A pool does not report new connections, so each use sets the settings, in a transaction. */
  async #withSettings<T>(run: (tx: postgres.TransactionSql<{ bigint: number }>) => Promise<T>): Promise<T> {
    // An object, because the driver would flatten a returned array.
    const { result } = await this.#pool.begin(async (tx) => {
      // "execute": otherwise the driver sends it on await, after the first statement of "run".
      const [, result] = await Promise.all([tx.unsafe(this.#settings).simple().execute(), run(tx)]);
      return { result };
    });
    return result;
  }

  /** A pooler in transaction mode lends a session's server connection to the pool, and its locks with it. */
  async #assertOwnConnection(session: Session): Promise<void> {
    if (this.#isChecked) return;
    const statement = "select pg_backend_pid() || ' of ' || pg_postmaster_start_time() as backend";
    const [[own], [other]] = [
      await session.query<{ backend: string }>(statement),
      await this.query<{ backend: string }>(statement),
    ];
    if (own?.backend === other?.backend) {
      throw new RangeError("Cannot use this pooler as it is in transaction mode: it must be in session mode");
    }
    this.#isChecked = true;
  }

  async session(callTimeoutMs: number = postgresBounds.callTimeoutMs): Promise<Session> {
    // A server that refuses the connection ends it before there is a session to remove.
    const opened: { session?: Session } = {};
    const forget = () => opened.session && this.#sessions.delete(opened.session);
    opened.session = await PostgresSession.open({ ...this.#options, callTimeoutMs }, forget);
    this.#sessions.add(opened.session);
    try {
      await this.#assertOwnConnection(opened.session);
    } catch (error) {
      await opened.session.close();
      throw error;
    }
    return opened.session;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.close()));
    await this.#pool.end({ timeout: postgresBounds.closeTimeoutMs / 1000 });
  }
}
