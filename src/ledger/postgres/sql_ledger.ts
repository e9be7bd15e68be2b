/**
 * The ledger over SQL, for PostgreSQL and PGlite alike.
 *
 * @module
 */
import type { CheckResult } from "../../domain/check_result.ts";
import type { World } from "../../runtime/world.ts";
import type { Position } from "../../domain/event.ts";
import { type Closed, type Correction, type CorrectionNote, type UnitsOf } from "../corrections.ts";
import { applyCorrections, closeDeadLetter } from "./corrections.ts";
import type { Database, Queries } from "../database.ts";
import { judgeLedger } from "./server_checks.ts";
import { LeaseSessions } from "./lease_sessions.ts";
import type { Deployment, Ledger, Membership, Progress, ShardLedger, StoredScript } from "../ledger.ts";
import { SqlMembership } from "./membership.ts";
import { proveShard } from "./proof.ts";
import type { Fault, ProofWalk } from "../proof_walk.ts";
import type { LossAccepted } from "../recovery.ts";
import type { FoundOrder, OrderLineRow } from "../../domain/rows.ts";
import { Ownership } from "./ownership.ts";
import { prepareSchema } from "./schema.ts";
import { SqlShardLedger } from "./sql_shard_ledger.ts";
import { loadStatements, type Statements } from "./statements.ts";

/**
 * The ledger in a database. Closing it closes the database.
 *
 * @param id the only deployment whose ledger is used; undefined = the first one that is found there
 */
export async function openLedger(database: Database, world: World, id?: string): Promise<Ledger> {
  return new SqlLedger(database, await loadStatements(), world, id);
}

/** A look takes ms, and a place that is silent for 3 s is gone; the rest is for a server that is busy. */
const lookTimeoutMs = 5_000;

/** A line, or a shard without one. */
type FoundRow = { readonly shard: number; readonly booked: number } & (OrderLineRow | { readonly id: null });

function isLine(row: OrderLineRow | { readonly id: null }): row is OrderLineRow {
  return row.id !== null;
}

class SqlLedger implements Ledger {
  readonly #database: Database;
  readonly #sql: Statements;
  readonly #world: World;
  readonly #leases: LeaseSessions;
  readonly #ownership: Ownership;

  constructor(database: Database, sql: Statements, world: World, id: string | undefined) {
    this.#database = database;
    this.#sql = sql;
    this.#world = world;
    this.#ownership = new Ownership(database, sql, id);
    this.#leases = new LeaseSessions(this.#ownership);
  }

  async prepare(shards: number): Promise<Deployment> {
    return this.#ownership.own(await prepareSchema(this.#database, this.#sql, this.#world, shards));
  }

  deployment(): Promise<Deployment | undefined> {
    return this.#ownership.read(this.#database);
  }

  async keepScripts(scripts: readonly StoredScript[]): Promise<void> {
    for (const { sha, source } of scripts) await this.#database.query(this.#sql.keep_script, [sha, source]);
    await this.#database.query(this.#sql.drop_scripts);
  }

  scripts(): Promise<StoredScript[]> {
    return this.#database.query<StoredScript>(this.#sql.read_scripts);
  }

  async lease(shard: number): Promise<ShardLedger | undefined> {
    const lease = await this.#leases.take(shard);
    return lease && new SqlShardLedger(shard, lease, this.#ownership.id, this.#sql, this.#world);
  }

  async join(): Promise<Membership> {
    return new SqlMembership(await this.#ownership.session(lookTimeoutMs), this.#leases);
  }

  checkResults(): Promise<CheckResult[]> {
    return judgeLedger(this.#database, this.#sql.read_server, this.#world);
  }

  async findOrder(orderId: string): Promise<FoundOrder> {
    const [rows] = await Promise.all([
      this.#database.query<FoundRow>(this.#sql.find_order, [orderId]),
      this.deployment(),
    ]);
    return {
      lines: rows.flatMap(({ booked: _, ...line }) => isLine(line) ? [line] : []),
      appliedSeqs: new Map(rows.map(({ shard, booked }) => [shard, booked])),
    };
  }

  findReturn(orderId: string, returnId: string): Promise<OrderLineRow[]> {
    return this.#database.query<OrderLineRow>(this.#sql.find_return, [orderId, returnId]);
  }

  progress(): Promise<Progress[]> {
    return this.#database.query<Progress>(this.#sql.read_progress);
  }

  async acceptLoss(shard: number, loss: LossAccepted): Promise<void> {
    const { fromSeq, toSeq, source, actor, reason } = loss;
    await this.#database.query(this.#sql.request_recovery, [shard, fromSeq, toSeq, source, actor, reason]);
  }

  async correct(
    shard: number,
    decide: (at: Position, queries: Queries) => Promise<readonly Correction[]>,
    note: CorrectionNote,
  ): Promise<number> {
    const session = await this.#ownership.session();
    try {
      return await session.transaction(async (tx) => {
        const [at] = await tx.query<Position>(this.#sql.lock_cursor, [shard]);
        if (!at) throw new RangeError(`Cannot correct shard ${shard} as this ledger has no such shard`);
        const corrections = await decide(at, tx);
        await applyCorrections(tx, this.#sql, shard, at, corrections, note);
        return corrections.length;
      });
    } finally {
      await session.close();
    }
  }

  async closeDeadLetter(id: number, note: CorrectionNote, units: UnitsOf): Promise<Closed> {
    const session = await this.#database.session();
    try {
      return await session.transaction((tx) => closeDeadLetter(tx, this.#sql, id, note, units));
    } finally {
      await session.close();
    }
  }

  async *prove(
    shard: number,
    retentionMs: number,
    onProgress: (movements: number) => void,
  ): AsyncGenerator<Fault, ProofWalk | undefined> {
    const session = await this.#ownership.session();
    try {
      // As in SqlShardLedger: a page is read in the order of an index.
      await session.script("set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off");
      return yield* proveShard({ queries: session, sql: this.#sql, shard, retentionMs, onProgress });
    } finally {
      await session.close();
    }
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}
