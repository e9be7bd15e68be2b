/**
 * What the product's ledger needs of its server: as the adapter for PostgreSQL has it, with that adapter's leases,
 * memberships and check of the deployment.
 *
 * @module
 */
import type { CheckResult } from "../../src/domain/check_result.ts";
import { LeaseLost } from "../../src/domain/errors.ts";
import type { Connection, Queries } from "../../src/ledger/database.ts";
import type { Deployment, Membership } from "../../src/ledger/ledger.ts";
import type { Database, Session } from "../../src/ledger/postgres/database.ts";
import { LeaseSessions } from "../../src/ledger/postgres/lease_sessions.ts";
import { SqlMembership } from "../../src/ledger/postgres/membership.ts";
import { Ownership } from "../../src/ledger/postgres/ownership.ts";
import type { PostgresStatements } from "../../src/ledger/postgres/statements.ts";
import type { Lease, LedgerBackend } from "../../src/ledger/sql/backend.ts";
import { loadStatements } from "../../src/ledger/sqlite/statements.ts";
import type { SimulatedLedger } from "./ledger.ts";
import type { Process } from "./scheduler.ts";
import { SimulatedSession } from "./session.ts";

// Of PostgreSQL's statements, leases and memberships need one, which both databases have.
const statements = await loadStatements() as unknown as PostgresStatements;
const callTimeoutMs = 35_000;
const heartbeatTimeoutMs = 5_000;

const nothing: () => Promise<CheckResult[]> = () => Promise.resolve([]);

/** See {@link LedgerBackend}. */
export class SimulatedBackend implements LedgerBackend {
  readonly queries: Pick<Queries, "query">;
  readonly #server: SimulatedLedger;
  readonly #ownership: Ownership;
  readonly #leases: LeaseSessions;

  constructor(server: SimulatedLedger, process: Process) {
    this.#server = server;
    const { network } = server;
    const lost = () => new LeaseLost("its connection is lost");
    const call = <T>(to: string, name: string, serve: () => T | Promise<T>) =>
      network.call<T>(process, { to, name, serve, lost, silentMs: callTimeoutMs });
    this.queries = {
      query: (text, params) => call("ledger pool", "query", () => server.connection.query(text, params)),
    };
    const database: Pick<Database, "session"> = {
      async session(silentMs = callTimeoutMs): Promise<Session> {
        const backend = await call("ledger connect", "connect", () => server.open(process));
        return new SimulatedSession(server, process, backend, silentMs);
      },
    };
    this.#ownership = new Ownership(database as Database, statements, server.deployment.id);
    this.#leases = new LeaseSessions(this.#ownership);
  }

  prepare(): Promise<Deployment> {
    return Promise.resolve(this.#server.deployment);
  }

  deployment(): Promise<Deployment> {
    return Promise.resolve(this.#server.deployment);
  }

  connect(): Promise<Connection> {
    return this.#ownership.session();
  }

  async lease(shard: number): Promise<Lease | undefined> {
    const taken = await this.#leases.take(shard);
    return taken && {
      connection: taken.session,
      deployment: this.#ownership.id,
      checkResults: nothing,
      beat: () => taken.session.ping(),
      release: () => taken.release(),
    };
  }

  async join(): Promise<Membership> {
    return new SqlMembership(await this.#ownership.session(heartbeatTimeoutMs), this.#leases);
  }

  checkResults(): Promise<CheckResult[]> {
    return nothing();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Without network and leases. */
export function directBackend(server: SimulatedLedger): LedgerBackend {
  const none = () => Promise.reject(new Error("Cannot lease: this is not a worker"));
  return {
    queries: server.connection,
    prepare: () => Promise.resolve(server.deployment),
    deployment: () => Promise.resolve(server.deployment),
    connect: () => Promise.resolve(server.connection),
    ...{ lease: none, join: none, checkResults: nothing, close: () => Promise.resolve() },
  };
}
