/**
 * PostgreSQL behind Holdfast's batcher, without Redis: one statement decides a batch and is its durable commit.
 *
 * @module
 */
import postgres, { type Row, type Sql } from "postgres";
import type { BatchResult, StockStore, Timed } from "../../../src/decide/store.ts";
import { StoreError } from "../../../src/domain/errors.ts";
import type { Decided } from "../../../src/domain/outcome.ts";
import { serveDeducts } from "../deduct_server.ts";

/** Batches under way at once: one decides while the other commits. */
const callsMax = 2;

const read = (name: string) => Deno.readTextFileSync(new URL(name, import.meta.url));
const decideSql = read("decide.sql");

class PostgresStore implements StockStore {
  constructor(readonly sql: Sql) {}

  async decide(_shard: number, batch: readonly Timed[]): Promise<BatchResult> {
    const orders = new Map<string, number>(); // order id → its command; a repetition in the batch is its replay
    const lines = batch.flatMap(({ command }, n) => {
      if (command.kind !== "deduct" || orders.has(command.orderId)) return [];
      orders.set(command.orderId, n);
      const [line] = command.lines;
      return [{ n, order_id: command.orderId, user_id: command.userId, ...line }];
    });
    const rows = lines.length === 0 ? [] : await this.#run(JSON.stringify(lines));
    const found = new Map(rows.map((row) => [Number(row.n), row]));
    const outcomes = batch.map(({ command }, n): Decided => {
      if (command.kind !== "deduct") {
        throw new StoreError("script", "poison", "this peer decides deducts only");
      }
      const first = orders.get(command.orderId) ?? n;
      return outcomeOf(found.get(first), command.lines[0]?.sku ?? "", first !== n);
    });
    return { kind: "decided", timeMs: Date.now(), head: 0, outcomes, isMoreDue: false };
  }

  async #run(lines: string): Promise<readonly Row[]> {
    try {
      return await this.sql.unsafe(decideSql, [lines], { prepare: true });
    } catch (error) {
      throw new StoreError("connection_lost", "unknown", "no answer of PostgreSQL", { cause: error });
    }
  }

  guaranteesOff(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  async close(): Promise<void> {
    await this.sql.end();
  }
}

function outcomeOf(row: Row | undefined, sku: string, isRepeated: boolean): Decided {
  if (!row || row.available === null) return { kind: "unknown_sku", sku };
  const remaining = row.added ?? row.known;
  if (remaining !== null) {
    const replayed = isRepeated || row.added === null;
    return { kind: "accepted", seq: 0, newStock: [remaining], replayed, created: false, expiresAtMs: 0 };
  }
  // Not refused and not added: the other batch has just added the same order, which the next call will see.
  if (row.wanted >= 0) return { kind: "postponed", lines: 1 };
  return { kind: "insufficient", sku, available: row.available };
}

const sql = postgres(Deno.env.get("DATABASE_URL") ?? "", { max: callsMax, onnotice: () => {} });
await sql.unsafe(read("schema.sql"));
await sql`
  insert into stock select 'SKU_' || n, ${Number(Deno.env.get("STOCK"))}
  from generate_series(1, ${Number(Deno.env.get("SKUS"))}::int) as n on conflict do nothing`;
serveDeducts(new PostgresStore(sql), callsMax);
