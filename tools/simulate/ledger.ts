/**
 * The ledger: the product's SQL and its adapter's engine on a database in memory. A transaction is one event of the
 * simulation. The leases are those of PostgreSQL: a session that is silent for 3 s loses its lease to another one.
 *
 * @module
 */
import type { CheckResult } from "../../src/domain/check_result.ts";
import { LeaseLost } from "../../src/domain/errors.ts";
import type { Connection, Param, Transaction } from "../../src/ledger/database.ts";
import { SqlError } from "../../src/ledger/database.ts";
import { SqlLedger } from "../../src/ledger/sql/ledger.ts";
import type { LedgerBackend } from "../../src/ledger/sql/backend.ts";
import { Engine } from "../../src/ledger/sqlite/engine.ts";
import { prepareSchema } from "../../src/ledger/sqlite/schema.ts";
import { loadStatements } from "../../src/ledger/sqlite/statements.ts";
import type { Deployment, Ledger } from "../../src/ledger/ledger.ts";
import type { Network } from "./network.ts";
import type { Plant } from "./plants.ts";
import type { Process, Scheduler } from "./scheduler.ts";

const leaseMs = 3000;
const statements = await loadStatements();

interface Session {
  heardMs: number;
}

/** The server. */
export class SimulatedLedger {
  #engine = new Engine(":memory:");
  #spare: Engine | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #holder: Session | undefined;
  #old: { readonly tables: ReadonlyMap<string, readonly Record<string, Param>[]> } | undefined;
  refusesUntilMs = 0;
  deployment: Deployment = { id: "", shards: 1 };

  constructor(readonly scheduler: Scheduler, readonly network: Network, readonly plant: Plant | undefined) {}

  /** Creates the schema, of the database and of the one that a fail-back uses. Reads files: call it before the run. */
  async prepare(): Promise<void> {
    await this.#create();
    this.#spare = this.#engine;
    this.#engine = new Engine(":memory:");
    await this.#create();
  }

  async #create(): Promise<void> {
    const claim = { id: this.scheduler.uuid(), shards: 1, namespace: "inventory" };
    this.deployment = await prepareSchema(this.#connection(), statements, claim);
    if (this.plant === "dead-letter-skips-movement") {
      this.#engine.script("drop trigger movements_only_grow_delete; drop trigger movements_only_grow_update");
    }
  }

  /** Frees the databases. */
  close(): void {
    this.#engine.close();
    this.#spare?.close();
  }

  /** Reads at once, for invariants. */
  query<Row extends object>(text: string): Row[] {
    return this.#engine.query<Row>(text);
  }

  /** The port as a process sees it. */
  openFor(process: Process): Ledger {
    return new SqlLedger(new SimulatedBackend(this, process), statements);
  }

  /** Without network, for the operator and the invariants. */
  direct(): Ledger {
    return new SqlLedger(new SimulatedBackend(this, undefined), statements);
  }

  /** Takes the lease. */
  take(session: Session): boolean {
    const { nowMs } = this.scheduler;
    if (this.#holder && nowMs - this.#holder.heardMs < leaseMs) return false;
    session.heardMs = nowMs;
    this.#holder = session;
    return true;
  }

  /** Ends the lease of a session. */
  end(session: Session): void {
    if (this.#holder === session) this.#holder = undefined;
  }

  /** Keeps a copy; a later {@link failBack} returns to it. */
  keep(): void {
    const names = this.query<{ name: string }>(
      "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'",
    );
    this.#old = { tables: new Map(names.map(({ name }) => [name, this.query(`select * from ${name}`)])) };
  }

  /** Goes back to the copy. Every session ends. */
  async failBack(): Promise<void> {
    const [old, spare] = [this.#old, this.#spare];
    if (!old || !spare) return;
    this.#holder = undefined;
    this.#spare = undefined;
    await this.#inTurn(() => {
      this.#engine.close();
      this.#engine = spare;
      for (const [name, rows] of old.tables) {
        spare.query(`delete from ${name}`);
        for (const row of rows) {
          const columns = Object.keys(row);
          const places = columns.map((_, i) => `?${i + 1}`).join(", ");
          spare.query(`insert into ${name} (${columns.join(", ")}) values (${places})`, Object.values(row));
        }
      }
    });
  }

  /** The connection of a session, or one without a lease. */
  connection(process: Process | undefined, session: Session | undefined): Connection {
    const direct = this.#connection();
    if (!process) return direct;
    const lost = () => {
      if (session) this.end(session);
      return new LeaseLost("its connection is lost");
    };
    const served = <T>(name: string, run: () => Promise<T>): Promise<T> =>
      this.network.call(process, "ledger", name, () => {
        if (session && session !== this.#holder) throw new LeaseLost("another session has it");
        if (session) session.heardMs = this.scheduler.nowMs;
        return run();
      }, lost);
    const transact = async <T>(run: (tx: Transaction) => Promise<T>): Promise<T> => {
      if (this.plant !== "cursor-outside-transaction") {
        return await served("commit", () => direct.transaction(run));
      }
      let move: readonly Param[] | undefined;
      const result = await served("commit", () =>
        direct.transaction((tx) =>
          run({
            ...tx,
            query: (text, params) => {
              if (text !== statements.move_cursor) return tx.query(text, params);
              move = params;
              return Promise.resolve([]);
            },
          })
        ));
      if (move) await served("cursor", () => direct.query(statements.move_cursor, move));
      return result;
    };
    return {
      query: (text, params) => served("query", () => direct.query(text, params)),
      page: (text, params) => served("page", () => direct.page(text, params)),
      script: (text) => served("script", () => direct.script(text)),
      transaction: transact,
      close: () => Promise.resolve(),
    };
  }

  #connection(): Connection {
    const query = <Row extends object>(text: string, params?: readonly Param[]): Promise<Row[]> =>
      this.#inTurn(() => this.#run<Row>(text, params));
    return {
      query,
      page: query,
      script: (text) => this.#inTurn(() => this.#engine.script(text)),
      transaction: (run) => this.#inTurn(() => this.#transact(run)),
      close: () => Promise.resolve(),
    };
  }

  async #transact<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    const engine = this.#engine;
    if (this.refusesUntilMs > this.scheduler.nowMs) throw new SqlError("53100", "the disk is full");
    let isOpen = true;
    const rollback = () => {
      isOpen = false;
      engine.rollback();
      return Promise.resolve();
    };
    engine.query("begin immediate");
    try {
      const result = await run({
        query: async (text, params) => await Promise.resolve(this.#run(text, params)),
        script: async (text) => await Promise.resolve(engine.script(text)),
        rollback,
      });
      if (isOpen) engine.query("commit");
      return result;
    } catch (error) {
      if (isOpen) await rollback();
      throw error;
    }
  }

  #run<Row extends object>(text: string, params: readonly Param[] = []): Row[] {
    if (text === statements.issue_epoch && this.plant === "epoch-not-raised") {
      const [known] = this.#engine.query<{ issued: number }>("select issued_epoch as issued from log_cursor");
      if (known && known.issued > 0) return [{ issuedEpoch: known.issued } as unknown as Row];
    }
    const rows = this.#engine.query<Row>(text, params);
    if (text === statements.insert_dead_letter && this.plant === "dead-letter-skips-movement") {
      this.#engine.query("delete from movements where shard = ?1 and seq = ?2", params.slice(0, 2));
    }
    return rows;
  }

  #inTurn<T>(run: () => T | Promise<T>): Promise<T> {
    this.scheduler.busy++;
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => {}).then(() => this.scheduler.busy--);
    return result;
  }
}

/** What the product's ledger needs of the server. */
class SimulatedBackend implements LedgerBackend {
  readonly queries: Connection;

  constructor(readonly server: SimulatedLedger, readonly process: Process | undefined) {
    this.queries = server.connection(process, undefined);
  }

  prepare(): Promise<Deployment> {
    return Promise.resolve(this.server.deployment);
  }

  deployment(): Promise<Deployment> {
    return Promise.resolve(this.server.deployment);
  }

  connect(): Promise<Connection> {
    return Promise.resolve(this.queries);
  }

  async lease(): ReturnType<LedgerBackend["lease"]> {
    const { server, process } = this;
    if (!process) return undefined;
    const session: Session = { heardMs: 0 };
    const take = () => server.take(session);
    const isTaken = await server.network.call(
      process,
      "ledger",
      "lease",
      take,
      () => new LeaseLost("no answer"),
    );
    if (!isTaken) return undefined;
    const connection = server.connection(process, session);
    return {
      connection,
      deployment: server.deployment.id,
      checkResults: () => this.checkResults(),
      beat: async () => void await connection.query("select 1 as one"),
      release: () => Promise.resolve(server.end(session)),
    };
  }

  join(): never {
    throw new Error("Cannot join: the simulation has one shard");
  }

  checkResults(): Promise<CheckResult[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
