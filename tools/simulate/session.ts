/**
 * A session of a process at the ledger's server, as `src/ledger/postgres/session.ts`: one connection that never reconnects.
 * The product's leases and memberships run on it.
 *
 * @module
 */
import { LeaseLost } from "../../src/domain/errors.ts";
import type { Param, Transaction } from "../../src/ledger/database.ts";
import type { Session } from "../../src/ledger/postgres/database.ts";
import type { Backend, SimulatedLedger } from "./ledger.ts";
import type { Process } from "./scheduler.ts";

/** See {@link Session}. Calls run one after another. */
export class SimulatedSession implements Session {
  readonly #server: SimulatedLedger;
  readonly #process: Process;
  readonly #backend: Backend;
  readonly #silentMs: number;
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #lost: LeaseLost | undefined;
  readonly #waiting = new Set<(reason: LeaseLost) => void>();

  constructor(server: SimulatedLedger, process: Process, backend: Backend, silentMs: number) {
    this.#server = server;
    this.#process = process;
    this.#backend = backend;
    this.#silentMs = silentMs;
  }

  get pid(): number {
    return this.#backend.pid;
  }

  query<Row extends object>(text: string, params?: readonly Param[]): Promise<Row[]> {
    return this.#serve("query", () => this.#server.connection.query<Row>(text, params));
  }

  page<Row extends object>(text: string, params?: readonly Param[]): Promise<Row[]> {
    return this.#serve("page", () => this.#server.connection.page<Row>(text, params));
  }

  script(text: string): Promise<void> {
    return this.#serve("script", () => this.#server.connection.script(text));
  }

  async transaction<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    const { connection, plantedCursor } = this.#server;
    if (!plantedCursor) return await this.#serve("commit", () => connection.transaction(run));
    let move: readonly Param[] | undefined;
    const result = await this.#serve("commit", () =>
      connection.transaction((tx) =>
        run({
          ...tx,
          query: (text, params) => {
            if (text !== plantedCursor) return tx.query(text, params);
            move = params;
            return Promise.resolve([]);
          },
        })
      ));
    if (move) await this.#serve("cursor", () => connection.query(plantedCursor, move));
    return result;
  }

  tryLock(key: number): Promise<boolean> {
    return this.#serve("lock", () => this.#server.lock(this.#backend, key));
  }

  unlock(key: number): Promise<void> {
    return this.#serve("unlock", () => void this.#backend.locks.delete(key));
  }

  locks(): Promise<number[]> {
    return this.#serve("locks", () => this.#server.locks());
  }

  /** A session of a process that is frozen ends by its silence. */
  endSilent(): Promise<void> {
    return Promise.resolve();
  }

  ended(pids: readonly number[]): Promise<number[]> {
    return this.#serve("ended", () => this.#server.ended(pids));
  }

  abandon(why: string): void {
    this.#lose(why);
  }

  async ping(): Promise<void> {
    if (this.#lost) throw this.#lost;
    if (this.#pending === 0) await this.#serve("beat", () => {});
  }

  close(): Promise<void> {
    this.#lose("it was closed");
    return Promise.resolve();
  }

  async #serve<T>(name: string, run: () => T | Promise<T>): Promise<T> {
    this.#pending++;
    const turn = this.#last;
    const mine = Promise.withResolvers<void>();
    this.#last = mine.promise;
    try {
      await turn;
      if (this.#lost) throw this.#lost;
      return await this.#call(name, run);
    } finally {
      this.#pending--;
      mine.resolve();
    }
  }

  #call<T>(name: string, run: () => T | Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#waiting.add(reject);
      const done = () => this.#waiting.delete(reject);
      this.#server.network.call<T>(this.#process, {
        to: `ledger ${this.#backend.pid}`,
        name,
        serve: () => this.#server.serve(this.#backend, run),
        lost: () => this.#lose("its connection is lost"),
        silentMs: this.#silentMs,
      }).then((result) => {
        done();
        resolve(result);
      }, (error) => {
        done();
        reject(error instanceof LeaseLost ? this.#lose(error.message) : error);
      });
    });
  }

  /** Every call rejects from now on. The server hears of it if packets pass. */
  #lose(why: string): LeaseLost {
    if (this.#lost) return this.#lost;
    const lost = new LeaseLost(why);
    this.#lost = lost;
    for (const fail of this.#waiting) fail(lost);
    this.#waiting.clear();
    this.#server.network.call(this.#process, {
      ...{ to: `ledger ${this.#backend.pid}`, name: "close", silentMs: this.#silentMs },
      serve: () => this.#server.end(this.#backend),
      lost: () => lost,
    }).catch(() => {});
    return lost;
  }
}
