/**
 * One connection to PostgreSQL that never reconnects. postgres.js would replace a lost connection, whose advisory
 * locks would be lost unnoticed; therefore its client gets exactly one socket.
 *
 * @module
 */
import net from "node:net";
import postgres from "postgres";
import type { PostgresTarget } from "../../runtime/settings/postgres_url.ts";
import type { World } from "../../runtime/world.ts";
import type { Param, Transaction } from "../database.ts";
import type { Session } from "./database.ts";
import { LeaseLost } from "../../domain/errors.ts";
import {
  driverOptions,
  postgresBounds,
  type PostgresOptions,
  readTarget,
  targetOptions,
  timed,
  toSqlError,
} from "./options.ts";
import { applySettings, leaseSettings } from "./session_settings.ts";
import { loadStatements } from "./statements.ts";

/**
 * By default the planner may read and sort all remaining rows for every page: 200 to 400 ms instead of 10 with a
 * million order lines, and always without statistics.
 */
const inOrderOfIndex =
  "set local enable_seqscan = off; set local enable_bitmapscan = off; set local enable_sort = off";

type Reject = (reason: unknown) => void;

/** Options of a session in addition to the pool's. */
export interface SessionOptions extends PostgresOptions {
  /** A call without a response for this long loses the session, ms. */
  readonly callTimeoutMs: number;
}

/** See {@link Session}. Calls run one after another; calls inside a transaction are pipelined. */
export class PostgresSession implements Session {
  readonly #options: SessionOptions;
  readonly #world: World;
  readonly #onEnd: () => void;
  #pid = 0;
  readonly #client: postgres.Sql<{ bigint: number }>;
  readonly #socket = oneSocket((cause) => this.#lose("cannot connect", cause));
  readonly #waiting = new Set<Reject>();
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #lost: LeaseLost | undefined;

  private constructor(options: SessionOptions, target: PostgresTarget, onEnd: () => void) {
    this.#options = options;
    this.#world = options.world;
    this.#onEnd = onEnd;
    const settings = {
      ...targetOptions(target),
      ...driverOptions(options),
      socket: this.#socket.open, // documented by the driver, absent from its types
      max: 1,
      idle_timeout: undefined,
      max_lifetime: null,
      backoff: () => 0,
      onclose: () => this.#lose("its connection closed"),
    };
    this.#client = postgres(settings);
  }

  /** Connects to the first suitable host. `onEnd` is called once, when the session has ended. */
  static async open(options: SessionOptions, onEnd: () => void): Promise<PostgresSession> {
    const target = readTarget(options.url);
    const failures: unknown[] = [];
    for (const host of target.hosts) {
      try {
        return await PostgresSession.#openAt(options, { ...target, hosts: [host] }, onEnd);
      } catch (error) {
        failures.push(error);
      }
    }
    throw failures.length === 1
      ? failures[0]
      : new AggregateError(failures, "Cannot connect to any host of DATABASE_URL");
  }

  static async #openAt(
    options: SessionOptions,
    target: PostgresTarget,
    onEnd: () => void,
  ): Promise<PostgresSession> {
    const session = new PostgresSession(options, target, onEnd);
    try {
      await applySettings(session, leaseSettings(options.namespace));
      const [row] = await session.query<{ pid: number }>("select pg_backend_pid() as pid");
      session.#pid = row?.pid ?? 0;
      return session;
    } catch (error) {
      await session.close();
      // There was no lease yet: report why the connection failed.
      throw error instanceof LeaseLost && error.cause ? error.cause : error;
    }
  }

  query<Row extends object>(statement: string, params?: readonly Param[]): Promise<Row[]> {
    return this.#inSequence(() => timed(this.#options, statement, () => this.#send<Row>(statement, params)));
  }

  script(statements: string, timeoutMs?: number): Promise<void> {
    return this.#inSequence(() => this.#sendScript(statements, timeoutMs));
  }

  transaction<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#inSequence(() => timed(this.#options, "transaction", () => this.#transact(run)));
  }

  page<Row extends object>(statement: string, params?: readonly Param[]): Promise<Row[]> {
    return this.transaction(async (tx) => {
      const [, rows] = await Promise.all([tx.script(inOrderOfIndex), tx.query<Row>(statement, params)]);
      return rows;
    });
  }

  async #transact<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    let open = true;
    const tx: Transaction = {
      query: (statement, params) => this.#send(statement, params),
      script: (statements, timeoutMs) => this.#sendScript(statements, timeoutMs),
      rollback: async () => {
        open = false;
        await this.#sendScript("rollback");
      },
    };
    try {
      // The first statements of `run` are sent together with "begin".
      const [, result] = await Promise.all([this.#sendScript("begin"), run(tx)]);
      if (open) await this.#sendScript("commit");
      return result;
    } catch (error) {
      if (open) await this.#sendScript("rollback").catch((cause) => this.#lose("rollback failed", cause));
      throw error;
    }
  }

  async tryLock(key: number): Promise<boolean> {
    const [row] = await this.query<{ locked: boolean | null }>((await loadStatements()).try_lock, [key]);
    if (typeof row?.locked !== "boolean") {
      throw new Error(`Cannot take lock ${key} as the ledger has no schema yet: prepare it first`);
    }
    return row.locked;
  }

  async unlock(key: number): Promise<void> {
    await this.query((await loadStatements()).unlock, [key]);
  }

  async locks(): Promise<number[]> {
    return (await this.query<{ key: number }>((await loadStatements()).read_locks)).map(({ key }) => key);
  }

  async endSilent(): Promise<void> {
    await this.query((await loadStatements()).end_silent, [postgresBounds.silenceMaxMs]);
  }

  get pid(): number {
    return this.#pid;
  }

  async ended(pids: readonly number[]): Promise<number[]> {
    const { read_backends } = await loadStatements();
    const rows = await this.query<{ pid: number }>(read_backends, [JSON.stringify(pids)]);
    const running = new Set(rows.map(({ pid }) => pid));
    return pids.filter((pid) => !running.has(pid));
  }

  abandon(why: string): void {
    this.#lose(why);
  }

  async ping(): Promise<void> {
    // A running call keeps the session alive and has its own deadline, so a ping does not wait for it.
    if (this.#pending === 0) await this.query("select 1 as alive");
    if (this.#lost) throw this.#lost;
  }

  async close(): Promise<void> {
    const timeoutMs = this.#lost ? 0 : postgresBounds.closeTimeoutMs;
    this.#end(new LeaseLost("it was released"));
    // PostgreSQL frees the lock before it closes its side, so the next session finds it free.
    await this.#client.end({ timeout: timeoutMs / 1000 });
    this.#socket.destroy();
  }

  #inSequence<T>(run: () => Promise<T>): Promise<T> {
    this.#pending++;
    const result = this.#last.then(run);
    this.#last = result.catch(() => {}).then(() => this.#pending--);
    return result;
  }

  async #send<Row extends object>(statement: string, params: readonly Param[] = []): Promise<Row[]> {
    const send = () => this.#client.unsafe<Row[]>(statement, [...params], { prepare: true });
    return Array.from(await this.#answerOf(send));
  }

  async #sendScript(statements: string, timeoutMs?: number): Promise<void> {
    await this.#answerOf(() => this.#client.unsafe(statements).simple(), timeoutMs);
  }

  /** Sends, and settles no later than the loss of the session or the deadline. */
  #answerOf<T>(send: () => PromiseLike<T>, timeoutMs: number = this.#options.callTimeoutMs): Promise<T> {
    if (this.#lost) return Promise.reject(this.#lost);
    return new Promise<T>((resolve, reject) => {
      const deadline = `no answer in ${timeoutMs} ms`;
      const cancel = this.#world.after(timeoutMs, () => this.#lose(deadline));
      const settle = <V>(report: (value: V) => void) => (value: V) => {
        cancel();
        this.#waiting.delete(fail);
        report(value);
      };
      const fail = settle(reject);
      this.#waiting.add(fail);
      send().then(settle(resolve), (error: unknown) => fail(this.#reasonFor(error)));
    });
  }

  #reasonFor(error: unknown): unknown {
    if (this.#lost) return this.#lost;
    const refused = error instanceof postgres.PostgresError && error.severity !== "FATAL";
    if (refused) return toSqlError(error);
    return this.#lose(error instanceof Error ? error.message : String(error), error);
  }

  /** Marks the connection as unusable. */
  #lose(why: string, cause?: unknown): LeaseLost {
    const lost = this.#end(new LeaseLost(why, { cause }));
    this.#socket.destroy();
    return lost;
  }

  /** Rejects every call, running ones too, permanently. Returns the first reason. */
  #end(reason: LeaseLost): LeaseLost {
    if (this.#lost) return this.#lost;
    this.#lost = reason;
    for (const fail of [...this.#waiting]) fail(reason);
    this.#onEnd();
    return reason;
  }
}

/** The argument of a socket factory in postgres.js. */
interface Address {
  readonly host: readonly string[];
  readonly port: readonly number[];
  /** Unix socket, or false. */
  readonly path: string | false;
}

/** Returns one socket, once. `onFailure` is called on a failure, because postgres.js would keep waiting. */
function oneSocket(onFailure: (cause: unknown) => void) {
  let socket: net.Socket | undefined;
  let used = false;
  return {
    async open({ host, port, path }: Address): Promise<net.Socket> {
      if (used) {
        throw new Error(
          "the server closed the connection during the login; it may not be PostgreSQL",
        );
      }
      used = true;
      try {
        socket = await connect(path ? { path } : { host: host[0] ?? "", port: port[0] ?? 5432 });
        // postgres.js reads the server name for TLS from `host`.
        return Object.assign(socket, { host: host[0] ?? "" });
      } catch (error) {
        onFailure(error);
        throw error;
      }
    },
    destroy: () => void socket?.destroy(),
  };
}

function connect(target: net.NetConnectOpts): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...target, timeout: postgresBounds.connectTimeoutMs });
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.once("error", fail);
    socket.once("timeout", () => fail(new Error(`cannot connect in ${postgresBounds.connectTimeoutMs} ms`)));
    socket.once("connect", () => {
      socket.removeAllListeners();
      socket.setTimeout(0);
      socket.setNoDelay(); // or a pipelined statement waits for the acknowledgement of the previous one
      resolve(socket);
    });
  });
}
