/**
 * The ledger on PostgreSQL: leases and membership are advisory locks of sessions.
 *
 * @module
 */
import type { CheckResult } from "../../domain/check_result.ts";
import type { World } from "../../runtime/world.ts";
import type { Lease, LedgerBackend } from "../sql/backend.ts";
import type { Database, Session } from "./database.ts";
import { judgeLedger } from "./server_checks.ts";
import { LeaseSessions } from "./lease_sessions.ts";
import type { Deployment, Ledger, Membership } from "../ledger.ts";
import { SqlMembership } from "./membership.ts";
import { oneStatementFor } from "./one_statement.ts";
import { Ownership } from "./ownership.ts";
import { prepareSchema } from "./schema.ts";
import { SqlLedger } from "../sql/ledger.ts";
import { loadStatements, type PostgresStatements } from "./statements.ts";

/**
 * Opens the ledger in a database. Closing it closes the database.
 *
 * @param id the only deployment whose ledger is used; undefined = the first one found
 */
export async function openLedger(database: Database, world: World, id?: string): Promise<Ledger> {
  const sql = await loadStatements();
  return new SqlLedger(new PostgresBackend(database, sql, world, id), sql);
}

/** A heartbeat takes ms, and a worker that is silent for 3 s loses its slot; the rest is for a busy server. */
const heartbeatTimeoutMs = 5_000;

class PostgresBackend implements LedgerBackend {
  readonly queries: Database;
  readonly #sql: PostgresStatements;
  readonly #world: World;
  readonly #leases: LeaseSessions;
  readonly #ownership: Ownership;

  constructor(database: Database, sql: PostgresStatements, world: World, id: string | undefined) {
    this.queries = database;
    this.#sql = sql;
    this.#world = world;
    this.#ownership = new Ownership(database, sql, id);
    this.#leases = new LeaseSessions(this.#ownership);
  }

  async prepare(shards: number): Promise<Deployment> {
    return this.#ownership.own(await prepareSchema(this.queries, this.#sql, this.#world, shards));
  }

  deployment(): Promise<Deployment | undefined> {
    return this.#ownership.read(this.queries);
  }

  connect(): Promise<Session> {
    return this.#ownership.session();
  }

  async lease(shard: number): Promise<Lease | undefined> {
    const taken = await this.#leases.take(shard);
    return taken && {
      connection: taken.session,
      deployment: this.#ownership.id,
      oneStatement: (events) => oneStatementFor(this.#sql.apply_batch, shard, events),
      checkResults: () => judgeLedger(taken.session, this.#sql.read_server, this.#world),
      beat: () => taken.session.ping(),
      release: () => taken.release(),
    };
  }

  async join(): Promise<Membership> {
    return new SqlMembership(await this.#ownership.session(heartbeatTimeoutMs), this.#leases);
  }

  checkResults(): Promise<CheckResult[]> {
    return judgeLedger(this.queries, this.#sql.read_server, this.#world);
  }

  close(): Promise<void> {
    return this.queries.close();
  }
}
