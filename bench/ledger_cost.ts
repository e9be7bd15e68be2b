/**
 * CPU of the worker and of PostgreSQL for one order on its way from the log's text to the ledger, by the number of
 * orders in a commit, and with orders of random ids in the ledger already.
 *
 *     deno run --allow-all bench/ledger_cost.ts
 *     deno run --allow-all bench/ledger_cost.ts --events=64,256 --orders=50000 --skus=100
 *     deno run --allow-all bench/ledger_cost.ts --filled=20000000 --buffers=128MB
 *
 * Starts its own PostgreSQL. The text is that of a stream's entries, decoded as the worker decodes it; Redis and the
 * acknowledgement are not in it. CPU comes from the system's own accounting.
 */
// deno-lint-ignore-file no-console -- prints what it measured: that is its purpose
import process from "node:process";
import { parseArgs } from "node:util";
import postgres from "postgres";
import type { Position } from "../src/domain/event.ts";
import { openLedger } from "../src/ledger/postgres/ledger.ts";
import { openPostgres } from "../src/ledger/postgres/server.ts";
import type { Ledger, ShardLedger } from "../src/ledger/ledger.ts";
import { decodeEntry } from "../src/redis/event_codec.ts";
import { realWorld } from "../src/runtime/world.ts";
import { cpuMs } from "../tools/load/oha.ts";
import { childrenOf } from "../tools/servers/pid.ts";
import { startPostgres } from "../tools/servers/postgres.ts";
import { openRun } from "../tools/servers/run_folder.ts";

const { values: asked } = parseArgs({
  args: Deno.args,
  options: {
    events: { type: "string", default: "64,256,1024" },
    orders: { type: "string", default: "50000" },
    skus: { type: "string", default: "100" },
    filled: { type: "string", default: "0" },
    buffers: { type: "string", default: "128MB" },
    rounds: { type: "string", default: "2" },
  },
});
const skus = Number(asked.skus);
/** Events an entry: a batch of the store under load. */
const entryEvents = 32;
const unitsEach = 1_000_000_000;

/** A ledger that is measured. */
interface Subject {
  readonly ledger: Ledger;
  readonly shard: ShardLedger;
  readonly log: Log;
}

/** Writes a shard's log as the script would. */
class Log {
  #seq: number;
  readonly #stock: number[];

  /** @param seq last number in the ledger, which has sold as many units of each SKU, from the first on */
  constructor(seq = 0) {
    this.#seq = seq;
    const sold = Math.max(0, seq - skus);
    this.#stock = Array.from(
      { length: skus },
      (_, i) => seq === 0 ? 0 : unitsEach - Math.floor(sold / skus) - (i < sold % skus ? 1 : 0),
    );
  }

  /** The text of an entry, and its position. */
  entry(events: number, make: () => unknown[]): { position: Position; body: string } {
    const body = JSON.stringify([Date.now(), Array.from({ length: events }, make)]);
    return { position: { epoch: 1, seq: this.#seq }, body };
  }

  opening() {
    return this.entry(skus, () => this.#event("create", `opening-${this.#seq}`, "", unitsEach));
  }

  sales(events: number) {
    return this.entry(
      events,
      () => this.#event("deduct", crypto.randomUUID(), `user-${this.#seq * 7919}`, -1),
    );
  }

  #event(kind: string, id: string, user: string, delta: number): unknown[] {
    const index = this.#seq++ % skus;
    const available = this.#stock[index] = (this.#stock[index] ?? 0) + delta;
    const lines = [[`SKU_${index}`, delta, 0, available, 0]];
    return [kind, id, user, "", "shop", "", lines, "", "", {}];
  }
}

/** Orders of random ids under a shard of their own, which share the tables and indexes. */
async function fill(url: string, orders: number): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const [table] = await sql`select string_agg(column_name, ',') as names from information_schema.columns
    where table_schema = 'inventory' and table_name = 'order_lines'`;
  const hasFingerprint = String(table?.names).includes("fingerprint");
  // Built at the end, the index of random ids takes minutes and not an hour. Its pages are full, so what is measured splits
  // them: the worst case.
  const [key] = await sql`select conname as name, pg_get_constraintdef(oid) as definition from pg_constraint
    where conrelid = 'inventory.order_lines'::regclass and pg_get_constraintdef(oid) like 'PRIMARY KEY%'`;
  await sql.unsafe(`alter table inventory.order_lines drop constraint ${key?.name}`);
  const step = 1_000_000;
  for (let from = 0; from < orders; from += step) {
    await sql.unsafe(`
      with made as materialized (
        select from_seq as seq, gen_random_uuid()::text as id, now() - interval '1 day' + from_seq * interval '1 ms' as at
        from generate_series(${from + 1}::bigint, ${Math.min(orders, from + step)}::bigint) from_seq
      ), moved as (
        insert into inventory.movements (shard, epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta,
          available_after, reserved_after, fingerprint, reason, reference, actor, traceparent, occurred_at)
        select 1, 1, seq, 0, 'deduct', id, 'user-' || seq, 'SKU_1', -1, 0, 1, 0, '', '', '', 'shop', '', at from made
      )
      insert into inventory.order_lines (shard, order_id, sku, user_id, amount, kind, state, units, has_quota,
        ${hasFingerprint ? "fingerprint," : ""} new_stock, seq, line, accepted_at)
      select 1, id, 'SKU_1', 'user-' || seq, 1, 'deduct', 'accepted', 1, false, ${hasFingerprint ? "''," : ""}
        1, seq, 0, at from made`);
  }
  await sql.unsafe("set maintenance_work_mem = '1GB'");
  await sql.unsafe(`alter table inventory.order_lines add constraint ${key?.name} ${key?.definition}`);
  await sql.unsafe("vacuum analyze inventory.movements");
  await sql.unsafe("vacuum analyze inventory.order_lines");
  await sql.unsafe("checkpoint");
  await sql.end();
}

async function usedMs(pid: number): Promise<number> {
  const pids = [pid, ...await childrenOf(pid)];
  const each = await Promise.all(pids.map((one) => cpuMs(one)));
  return each.reduce<number>((sum, ms) => sum + (ms ?? 0), 0);
}

async function apply(shard: ShardLedger, entries: readonly { position: Position; body: string }[]) {
  const applied = await shard.apply(entries.map(({ position, body }) => decodeEntry(position, body)));
  if (applied.kind !== "applied" || applied.deadLetters > 0) {
    throw new Error(`Cannot apply: ${JSON.stringify(applied)}`);
  }
}

/** A ledger with its stock, and with orders in another shard. */
async function open(url: string, filled: number): Promise<Subject> {
  const options = { url, namespace: "inventory", applicationName: "holdfast-bench", world: realWorld };
  const ledger = await openLedger(openPostgres(options), realWorld);
  await ledger.prepare(2);
  if (filled > 0) await fill(url, filled);
  const shard = await ledger.lease(0);
  if (!shard) throw new Error("Cannot take the lease of shard 0");
  const { seq } = await shard.cursor();
  const log = new Log(seq);
  if (seq === 0) await apply(shard, [log.opening()]);
  return { ledger, shard, log };
}

async function measure(
  { shard, log }: Subject,
  pid: number,
  orders: number,
  events: number,
): Promise<string> {
  await shard.beat();
  const [before, databaseMs] = [process.cpuUsage(), await usedMs(pid)];
  let [madeUs, done] = [0, 0];
  const startMs = performance.now();
  for (; done < orders; done += events) {
    const making = process.cpuUsage();
    const entries = Array.from(
      { length: Math.ceil(events / entryEvents) },
      (_, i) => log.sales(Math.min(entryEvents, events - i * entryEvents)),
    );
    const made = process.cpuUsage(making);
    madeUs += made.user + made.system;
    await apply(shard, entries);
  }
  const elapsedMs = performance.now() - startMs;
  const used = process.cpuUsage(before);
  const worker = (used.user + used.system - madeUs) / done;
  const database = (await usedMs(pid) - databaseMs) * 1000 / done;
  return `${events} a commit: worker ${worker.toFixed(1)} µs an order, PostgreSQL ${database.toFixed(1)}; ` +
    `${Math.round(done * 1000 / elapsedMs)} orders a second`;
}

const run = await openRun();
try {
  await using server = await startPostgres({ args: ["-c", `shared_buffers=${asked.buffers}`] });
  const filled = Number(asked.filled);
  const sizes = filled > 0 ? [filled, 0] : [0];
  const urls = await Promise.all(sizes.map(() => server.freshDatabase()));
  for (const [i, url] of urls.entries()) await (await open(url, sizes[i] ?? 0)).ledger.close();
  const warm = await open(await server.freshDatabase(), 0);
  await measure(warm, server.pid, 5000, 256); // compiles what is hot
  await warm.ledger.close();
  for (let round = 0; round < Number(asked.rounds); round++) {
    for (const events of asked.events.split(",").map(Number)) {
      for (const [i, url] of urls.entries()) {
        const subject = await open(url, 0);
        const measured = await measure(subject, server.pid, Number(asked.orders), events);
        await subject.ledger.close();
        console.log(`${sizes[i]} orders in the ledger, ${measured}`);
      }
    }
  }
} finally {
  await run.close();
}
