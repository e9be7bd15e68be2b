/**
 * SQLite in the process of the API behind Holdfast's batcher: one transaction for each batch, with fsync.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import type { BatchResult, StockStore, Timed } from "../../../src/decide/store.ts";
import { StoreError } from "../../../src/domain/errors.ts";
import type { Decided } from "../../../src/domain/outcome.ts";
import { serveDeducts } from "../deduct_server.ts";

const schema = `
  create table if not exists stock (sku text primary key, available integer not null) without rowid;
  create table if not exists orders (
    order_id text primary key, sku text not null, user_id text not null, amount integer not null,
    remaining integer not null, created_ms integer not null
  ) without rowid;`;

class SqliteStore implements StockStore {
  readonly #known;
  readonly #stock;
  readonly #take;
  readonly #add;

  constructor(readonly database: DatabaseSync) {
    this.#known = database.prepare("select remaining from orders where order_id = ?");
    this.#stock = database.prepare("select available from stock where sku = ?");
    this.#take = database.prepare("update stock set available = available - ? where sku = ?");
    this.#add = database.prepare("insert into orders values (?, ?, ?, ?, ?, ?)");
  }

  async decide(_shard: number, batch: readonly Timed[]): Promise<BatchResult> {
    await setImmediate(); // the transaction blocks: requests that have arrived are read first, into the next batch
    const nowMs = Date.now();
    this.database.exec("begin immediate");
    const outcomes = batch.map((timed) => this.#one(timed, nowMs));
    this.database.exec("commit");
    return { kind: "decided", timeMs: nowMs, head: 0, outcomes, isMoreDue: false };
  }

  #one({ command }: Timed, nowMs: number): Decided {
    const [line] = command.kind === "deduct" ? command.lines : [];
    if (command.kind !== "deduct" || !line) {
      throw new StoreError("script", "poison", "this peer decides deducts only");
    }
    const { sku, amount } = line;
    const known = this.#known.get(command.orderId);
    if (known) return accepted(Number(known.remaining), { replayed: true });
    const stock = this.#stock.get(sku);
    if (!stock) return { kind: "unknown_sku", sku };
    const available = Number(stock.available);
    if (available < amount) return { kind: "insufficient", sku, available };
    this.#take.run(amount, sku);
    this.#add.run(command.orderId, sku, command.userId, amount, available - amount, nowMs);
    return accepted(available - amount, { replayed: false });
  }

  guaranteesOff(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    this.database.close();
    return Promise.resolve();
  }
}

function accepted(remaining: number, { replayed }: { replayed: boolean }): Decided {
  return { kind: "accepted", seq: 0, newStock: [remaining], replayed, created: false, expiresAtMs: 0 };
}

const database = new DatabaseSync(Deno.env.get("FILE") ?? "stock.db");
const sync = Deno.env.get("FSYNC") === "0" ? "off" : "full";
database.exec(`pragma journal_mode = wal; pragma synchronous = ${sync}; ${schema} begin`);
const add = database.prepare("insert or ignore into stock values (?, ?)");
for (let n = 1; n <= Number(Deno.env.get("SKUS")); n++) add.run(`SKU_${n}`, Number(Deno.env.get("STOCK")));
database.exec("commit");
serveDeducts(new SqliteStore(database), 1);
