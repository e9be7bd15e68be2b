/**
 * The parts of the ledger that differ between databases: leases, ownership, migration.
 *
 * @module
 */
import type { CheckResult } from "../../domain/check_result.ts";
import type { Membership } from "../peers.ts";
import type { Connection, Param, Queries } from "../database.ts";
import type { Deployment } from "../ledger.ts";
import type { Numbered } from "../movements.ts";

/** A statement with its parameters. */
export interface OneStatement {
  readonly statement: string;
  readonly params: readonly Param[];
}

/** The exclusive right to write one shard's rows. */
export interface Lease {
  /**
   * For writes and reads under the lease. Rejects with `LeaseLost` when the lease is lost. Other shards may share it.
   */
  readonly connection: Pick<Connection, "query" | "transaction" | "page">;
  /** Id of the deployment that the ledger belongs to. */
  readonly deployment: string;
  /**
   * The statement that applies events at once: movements, order lines, stock and cursor. Its rows are the differences of
   * the audit. It is refused, as a violation of a key, when an order line exists. Undefined when these events need
   * several statements; a database without such a statement leaves it out.
   */
  readonly oneStatement?: (events: readonly Numbered[]) => OneStatement | undefined;
  /** Checks of the database through this connection. */
  checkResults(): Promise<CheckResult[]>;
  /**
   * Renews the lease.
   *
   * @throws {LeaseLost}
   */
  beat(): Promise<void>;
  /** Releases the shard. Never rejects. */
  release(): Promise<void>;
}

/** A database with a ledger in it. */
export interface LedgerBackend {
  /** For single statements, outside transactions. */
  readonly queries: Pick<Queries, "query">;
  /** As {@link Ledger.prepare}. */
  prepare(shards: number): Promise<Deployment>;
  /** As {@link Ledger.deployment}. */
  deployment(): Promise<Deployment | undefined>;
  /** A connection for one caller, who closes it. @throws {ForeignLedger} */
  connect(): Promise<Connection>;
  /** Takes the lease of a shard, or returns undefined while another worker has it. */
  lease(shard: number): Promise<Lease | undefined>;
  /** As {@link Ledger.join}. */
  join(): Promise<Membership>;
  /** As {@link Ledger.checkResults}. */
  checkResults(): Promise<CheckResult[]>;
  /** Closes every connection; leases end with them. */
  close(): Promise<void>;
}
