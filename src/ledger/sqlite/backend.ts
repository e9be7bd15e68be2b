/**
 * The ledger in a file: one process has it, so a lease is a note in memory and there is no other worker.
 *
 * @module
 */
import type { CheckResult } from "../../domain/check_result.ts";
import type { World } from "../../runtime/world.ts";
import type { Lease, LedgerBackend } from "../sql/backend.ts";
import type { Connection } from "../database.ts";
import { LeaseLost } from "../../domain/errors.ts";
import type { Deployment, Membership } from "../ledger.ts";
import type { SqliteDatabase } from "./database.ts";
import { prepareSchema } from "./schema.ts";
import type { SqliteStatements } from "./statements.ts";

/** See {@link LedgerBackend}. */
export class SqliteBackend implements LedgerBackend {
  readonly queries: SqliteDatabase;
  readonly #sql: SqliteStatements;
  readonly #world: World;
  readonly #namespace: string;
  readonly #onClosed: () => void;
  readonly #leased = new Set<number>();
  #deployment: Deployment | undefined;

  /**
   * Asks nothing yet.
   *
   * @param onClosed called when the file is closed
   */
  constructor(
    database: SqliteDatabase,
    sql: SqliteStatements,
    world: World,
    namespace: string,
    onClosed: () => void,
  ) {
    this.queries = database;
    this.#sql = sql;
    this.#world = world;
    this.#namespace = namespace;
    this.#onClosed = onClosed;
  }

  async prepare(shards: number): Promise<Deployment> {
    const place = { id: this.#world.uuid(), shards, namespace: this.#namespace };
    return this.#deployment = await prepareSchema(this.queries, this.#sql, place);
  }

  async deployment(): Promise<Deployment | undefined> {
    if (this.#deployment) return this.#deployment;
    const [found] = await this.queries.query<Deployment>(this.#sql.read_deployment);
    return found && { id: found.id, shards: found.shards };
  }

  /** The file has one connection, which closes with it. */
  connect(): Promise<Connection> {
    const { queries } = this;
    return Promise.resolve({
      query: (text, params) => queries.query(text, params),
      page: (text, params) => queries.page(text, params),
      script: (statements) => queries.script(statements),
      transaction: (run) => queries.transaction(run),
      close: () => Promise.resolve(),
    });
  }

  lease(shard: number): Promise<Lease | undefined> {
    const deployment = this.#deployment;
    if (!deployment) return Promise.reject(new RangeError("Cannot use the ledger before it is prepared"));
    if (this.#leased.has(shard)) return Promise.resolve(undefined);
    this.#leased.add(shard);
    return Promise.resolve({
      connection: this.queries,
      deployment: deployment.id,
      checkResults: () => this.checkResults(),
      beat: () =>
        this.queries.isClosed ? Promise.reject(new LeaseLost("its file closed")) : Promise.resolve(),
      release: () => Promise.resolve(void this.#leased.delete(shard)),
    });
  }

  join(): Promise<Membership> {
    return Promise.resolve({
      heartbeat: () => Promise.resolve({ workers: 1, index: 0, leased: [...this.#leased] }),
      leave: () => Promise.resolve(),
    });
  }

  async checkResults(): Promise<CheckResult[]> {
    const [row] = await this.queries.query<{ version: string }>("select sqlite_version() as version");
    return [{ check: "SQLite", verdict: "ok", found: row?.version ?? "", promise: "ledger" }];
  }

  async close(): Promise<void> {
    if (this.queries.isClosed) return;
    try {
      await this.queries.close();
    } finally {
      this.#onClosed();
    }
  }
}
