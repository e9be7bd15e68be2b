/**
 * The ledger over SQL: the parts that all databases share.
 *
 * @module
 */
import type { FoundAdjustment, MadeAdjustment } from "../../domain/adjustment.ts";
import type { CheckResult } from "../../domain/check_result.ts";
import type { Position } from "../../domain/event.ts";
import { type Closed, type Correction, type CorrectionNote, type UnitsOf } from "../corrections.ts";
import type { BasketDecisions } from "../../decide/basket_decisions.ts";
import { SqlBaskets } from "./baskets.ts";
import { applyCorrections, closeDeadLetter } from "./corrections.ts";
import type { LedgerBackend } from "./backend.ts";
import { type Queries, SqlError } from "../database.ts";
import type { Deployment, Ledger, Membership, Progress, ShardLedger, StoredScript } from "../ledger.ts";
import type { Forgetting } from "../forgetting.ts";
import { SqlForgetting } from "./forgetting.ts";
import { proveShard } from "./proof.ts";
import type { Fault, ProofWalk } from "../proof_walk.ts";
import type { LossAccepted } from "../recovery.ts";
import type { FoundOrder, OrderLineRow } from "../../domain/rows.ts";
import { SqlShardLedger } from "./shard_ledger.ts";
import type { Statements } from "./statements.ts";

/** A line, or a shard without one. */
type FoundRow = { readonly shard: number; readonly applied: number } & (OrderLineRow | { readonly id: null });

function isLine(row: OrderLineRow | { readonly id: null }): row is OrderLineRow {
  return row.id !== null;
}

/** See {@link Ledger}. Closing it closes the database. */
export class SqlLedger implements Ledger {
  readonly #backend: LedgerBackend;
  readonly #sql: Statements;
  readonly baskets: BasketDecisions;
  readonly forgetting: Forgetting;

  constructor(backend: LedgerBackend, sql: Statements) {
    this.#backend = backend;
    this.#sql = sql;
    this.baskets = new SqlBaskets(backend, sql);
    this.forgetting = new SqlForgetting(backend, sql);
  }

  prepare(shards: number): Promise<Deployment> {
    return this.#backend.prepare(shards);
  }

  deployment(): Promise<Deployment | undefined> {
    return this.#backend.deployment();
  }

  async keepScripts(scripts: readonly StoredScript[]): Promise<void> {
    for (const { sha, source } of scripts) {
      await this.#backend.queries.query(this.#sql.keep_script, [sha, source]);
    }
    await this.#backend.queries.query(this.#sql.drop_scripts);
  }

  scripts(): Promise<StoredScript[]> {
    return this.#backend.queries.query<StoredScript>(this.#sql.read_scripts);
  }

  async lease(shard: number): Promise<ShardLedger | undefined> {
    const lease = await this.#backend.lease(shard);
    if (!lease) return undefined;
    const ledger = new SqlShardLedger(shard, lease, this.#sql);
    await ledger.extendRanges().catch((error) => {
      // Numbers without a range have a partition too. A server that refuses writes is reported by the first of them.
      if (!(error instanceof SqlError)) throw error;
    });
    return ledger;
  }

  join(): Promise<Membership> {
    return this.#backend.join();
  }

  checkResults(): Promise<CheckResult[]> {
    return this.#backend.checkResults();
  }

  async findOrder(orderId: string): Promise<FoundOrder> {
    const [rows] = await Promise.all([
      this.#backend.queries.query<FoundRow>(this.#sql.find_order, [orderId]),
      this.deployment(),
    ]);
    return {
      lines: rows.flatMap(({ applied: _, ...line }) => isLine(line) ? [line] : []),
      appliedSeqs: new Map(rows.map(({ shard, applied }) => [shard, applied])),
    };
  }

  findReturn(orderId: string, returnId: string): Promise<OrderLineRow[]> {
    return this.#backend.queries.query<OrderLineRow>(this.#sql.find_return, [orderId, returnId]);
  }

  async findAdjustment(shard: number, adjustmentId: string, sku: string): Promise<FoundAdjustment> {
    type Row = { appliedSeq: number; kind: string | null } & Omit<MadeAdjustment, "kind">;
    const parameters = [shard, adjustmentId, sku];
    const [row] = await this.#backend.queries.query<Row>(this.#sql.find_adjustment, parameters);
    if (!row) return { made: undefined, appliedSeq: 0 };
    const { appliedSeq, kind, amount, newStock, seq } = row;
    return { made: kind === null ? undefined : { kind, amount, newStock, seq }, appliedSeq };
  }

  progress(): Promise<Progress[]> {
    return this.#backend.queries.query<Progress>(this.#sql.read_progress);
  }

  async acceptLoss(shard: number, loss: LossAccepted): Promise<void> {
    const { fromSeq, toSeq, source, actor, reason } = loss;
    await this.#backend.queries.query(this.#sql.request_recovery, [
      shard,
      fromSeq,
      toSeq,
      source,
      actor,
      reason,
    ]);
  }

  async correct(
    shard: number,
    decide: (at: Position, queries: Queries) => Promise<readonly Correction[]>,
    note: CorrectionNote,
  ): Promise<number> {
    const connection = await this.#backend.connect();
    try {
      return await connection.transaction(async (tx) => {
        const [at] = await tx.query<Position>(this.#sql.lock_cursor, [shard]);
        if (!at) throw new RangeError(`Cannot correct shard ${shard} as this ledger has no such shard`);
        const corrections = await decide(at, tx);
        await applyCorrections(tx, this.#sql, shard, at, corrections, note);
        return corrections.length;
      });
    } finally {
      await connection.close();
    }
  }

  async closeDeadLetter(id: number, note: CorrectionNote, units: UnitsOf): Promise<Closed> {
    const connection = await this.#backend.connect();
    try {
      return await connection.transaction((tx) => closeDeadLetter(tx, this.#sql, id, note, units));
    } finally {
      await connection.close();
    }
  }

  async *prove(
    shard: number,
    retentionMs: number,
    onProgress: (movements: number) => void,
  ): AsyncGenerator<Fault, ProofWalk | undefined> {
    const connection = await this.#backend.connect();
    try {
      const queries: Pick<Queries, "query"> = {
        query: (statement, params) => connection.page(statement, params),
      };
      return yield* proveShard({ queries, sql: this.#sql, shard, retentionMs, onProgress });
    } finally {
      await connection.close();
    }
  }

  close(): Promise<void> {
    return this.#backend.close();
  }
}
