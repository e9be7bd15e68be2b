/**
 * What the tests of faults look at from outside: workers' logs, the ledger's cursor, the store's head; and the
 * audit that ends each of them.
 *
 * @module
 */
import type { Sql } from "postgres";
import { withConnection } from "../../tools/servers/database.ts";
import type { RedisServer } from "../../tools/servers/redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { assertLedger, type LedgerTables, readLedger, stockOf, unitsOf } from "../system/ledger_audit.ts";
import type { LoadClients, Settled } from "../system/load_clients.ts";
import type { Service } from "../system/stack.ts";

const STEP_DEADLINE_MS = 60_000;
/** A rush leaves tens of thousands of lines behind, applied at some 10,000 a second here. */
const DRAIN_DEADLINE_MS = 60_000;

/** How often a worker has armed its shard, or found it armed, since its start. */
export function armings(worker: Service): number {
  return worker.logged("shard armed").length;
}

/** Waits until a worker has armed its shard more than `before` times. */
export function armedAgain(worker: Service, before: number): Promise<void> {
  return saying(worker, "an arming", () => armings(worker) > before);
}

/** Waits until a worker has refused to arm, and returns why. */
export async function refusalOf(worker: Service): Promise<string> {
  await saying(worker, "a refusal", () => worker.logged("shard refused").length > 0);
  return String(worker.logged("shard refused")[0]?.reason);
}

/** Waits for something that a worker does, and quotes its log when it does not. */
export function saying(
  worker: Service,
  what: string,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  return waitFor(holds, { deadlineMs: STEP_DEADLINE_MS, what }).catch((error) => {
    throw new Error(`${error.message}, and the worker says:\n${worker.output()}`, { cause: error });
  });
}

/** The last number that the store has issued. */
export async function headOf(redis: RedisServer): Promise<number> {
  return Number(await redis.cli("HGET", "{inventory:0}:meta", "seq"));
}

/** Waits until everything up to the store's head is acknowledged; returns that number. */
export async function drained(redis: RedisServer, deadlineMs: number = STEP_DEADLINE_MS): Promise<number> {
  let head = "";
  await waitFor(async () => {
    const [applied, seq] = (await redis.cli("HMGET", "{inventory:0}:meta", "applied", "seq")).split("\n");
    head = seq ?? "";
    return applied === seq;
  }, { deadlineMs, what: "the ledger to have all that was sold" });
  return Number(head);
}

/** How far the ledger is. */
export async function cursorOf(sql: Sql): Promise<number> {
  const [row] = await sql<{ seq: number }[]>`select seq::int from inventory.log_cursor where shard = 0`;
  return row?.seq ?? 0;
}

/** One number out of the ledger, e.g. a count. */
export function queryNumber(databaseUrl: string, query: string): Promise<number> {
  return withConnection(databaseUrl, async (sql) => Number((await sql.unsafe(query).values())[0]?.[0]));
}

/** A sale that is over, and where to look it up. */
export interface Ended {
  readonly clients: LoadClients;
  /** Answers what is left. */
  readonly api: Service;
  readonly initial: ReadonlyMap<string, number>;
  readonly databaseUrl: string;
}

/** Settles what is unknown, then asserts that answers, stock and ledger are one and the same. */
export async function audit(
  { clients, api, initial, databaseUrl }: Ended,
): Promise<{ settled: Settled; tables: LedgerTables }> {
  const settled = await clients.settle();
  const stock = await stockOf(api, initial.keys());
  const tables = await readLedger({ databaseUrl }, stock, DRAIN_DEADLINE_MS);
  assertLedger({
    orders: clients.orders,
    heard: clients.heard,
    initial,
    left: unitsOf(stock),
    history: clients.history,
  }, tables);
  return { settled, tables };
}
