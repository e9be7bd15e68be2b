/**
 * What a database does for the ledger in its own way: who may write a shard, whose ledger it is, how it is made.
 *
 * @module
 */
import type { CheckResult } from "../../domain/check_result.ts";
import type { Membership } from "../peers.ts";
import type { Connection, Queries } from "../database.ts";
import type { Deployment } from "../ledger.ts";

/** The right to write one shard's rows. */
export interface Lease {
  /** Writes and reads for its keeper. Rejects with `LeaseLost` when the lease is lost. May be shared with other shards. */
  readonly connection: Pick<Connection, "query" | "transaction" | "page">;
  /** Id of the deployment that the ledger belongs to. */
  readonly deployment: string;
  /** What the database says of itself through this connection, judged. */
  checkResults(): Promise<CheckResult[]>;
  /**
   * Keeps the lease.
   *
   * @throws {LeaseLost}
   */
  beat(): Promise<void>;
  /** Frees the shard. Never rejects. */
  release(): Promise<void>;
}

/** A database with a ledger in it. */
export interface LedgerBackend {
  /** For single statements, outside of any transaction. */
  readonly queries: Pick<Queries, "query">;
  /** As {@link Ledger.prepare}. */
  prepare(shards: number): Promise<Deployment>;
  /** As {@link Ledger.deployment}. */
  deployment(): Promise<Deployment | undefined>;
  /** A connection for one caller, which closes it. @throws {ForeignLedger} */
  connect(): Promise<Connection>;
  /** Takes a shard, or returns undefined while somebody has it. */
  lease(shard: number): Promise<Lease | undefined>;
  /** As {@link Ledger.join}. */
  join(): Promise<Membership>;
  /** As {@link Ledger.checkResults}. */
  checkResults(): Promise<CheckResult[]>;
  /** Ends every connection; leases end with them. */
  close(): Promise<void>;
}
