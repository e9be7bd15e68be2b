/**
 * The ledger in a file. One process opens it, so a lease is a record in memory and there is no other worker.
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

const removed: CheckResult = {
  check: "ledger.db",
  verdict: "bad",
  found: "was removed or replaced while it was open: stop whatever did it, and start on a backup",
  promise: "ledger",
};

/** An open file. */
export interface OpenFile {
  readonly path: string;
  /** Distinguishes files of the same name; null where the system has no inodes. */
  readonly inode: number | null;
  /** Called after it is closed. */
  readonly onClosed: () => void;
}

/** See {@link LedgerBackend}. */
export class SqliteBackend implements LedgerBackend {
  readonly queries: SqliteDatabase;
  readonly #sql: SqliteStatements;
  readonly #world: World;
  readonly #namespace: string;
  readonly #file: OpenFile;
  readonly #leased = new Set<number>();
  #deployment: Deployment | undefined;

  /** @param file the file of `database` */
  constructor(
    database: SqliteDatabase,
    sql: SqliteStatements,
    world: World,
    namespace: string,
    file: OpenFile,
  ) {
    this.queries = database;
    this.#sql = sql;
    this.#world = world;
    this.#namespace = namespace;
    this.#file = file;
  }

  async prepare(shards: number): Promise<Deployment> {
    const claim = { id: this.#world.uuid(), shards, namespace: this.#namespace };
    return this.#deployment = await prepareSchema(this.queries, this.#sql, claim);
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
    return [
      { check: "SQLite", verdict: "ok", found: row?.version ?? "", promise: "ledger" },
      ...await this.#isInPlace() ? [] : [removed],
    ];
  }

  /** Commits to a deleted file are lost when the process ends. */
  async #isInPlace(): Promise<boolean> {
    const now = await Deno.stat(this.#file.path).catch(() => undefined);
    return now?.ino === this.#file.inode;
  }

  async close(): Promise<void> {
    if (this.queries.isClosed) return;
    try {
      await this.queries.close();
    } finally {
      this.#file.onClosed();
    }
  }
}
