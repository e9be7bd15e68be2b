/**
 * Books to test on, and the events that go into them.
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/ledger/database.ts";
import type { Applied, Ledger, ShardLedger } from "../../src/ledger/ledger.ts";
import { openLedger } from "../../src/ledger/sql_ledger.ts";
import type { EventLine, InventoryEvent, LogEntry } from "../../src/log/event.ts";
import { realWorld } from "../../src/world.ts";

/** Opens the database that the test has for itself, in a schema of it. */
export type OpenDatabase = (namespace: string) => Promise<Database>;

/** How a place for databases is made for one test. */
export type MakeDatabases = () => Promise<{ open: OpenDatabase } & AsyncDisposable>;

/** When the events of these tests begin, milliseconds since 1970. */
export const atMs = 1_763_838_000_123;

/** A sale of one unit; `available` is what the store said it left. */
export function sale(
  seq: number,
  sku: string,
  available: number,
  fields: Partial<InventoryEvent> = {},
): InventoryEvent {
  return event(seq, [{ sku, delta: -1, reservedDelta: 0, available, reserved: 0 }], fields);
}

/** An adjustment that makes a SKU. */
export function opening(
  seq: number,
  sku: string,
  units: number,
  fields: Partial<InventoryEvent> = {},
): InventoryEvent {
  const lines = [{ sku, delta: units, reservedDelta: 0, available: units, reserved: 0 }];
  return event(seq, lines, { kind: "create", id: `adjustment-${seq}`, userId: "", ...fields });
}

/** Any event. */
export function event(
  seq: number,
  lines: readonly EventLine[],
  fields: Partial<InventoryEvent> = {},
): InventoryEvent {
  return {
    seq,
    kind: "deduct",
    id: `order-${seq}`,
    userId: "user-1",
    fingerprint: "f".repeat(16),
    actor: "till",
    traceparent: "",
    reason: "",
    reference: "",
    atMs: atMs + seq,
    lines,
    ...fields,
  };
}

/** What one atomic step of the store wrote. */
export function entry(epoch: number, ...events: InventoryEvent[]): LogEntry {
  return { position: { epoch, seq: events.at(-1)?.seq ?? 0 }, events };
}

/** Books with 10 units of SKU-1 in shard 0, made by number 1 under epoch 1. */
export interface Books {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly shard: ShardLedger;
  /** Rows of a table, in the order of its key. */
  rows(query: string): Promise<Record<string, unknown>[]>;
}

/** Takes a lease that must be free. */
export async function leased(ledger: Ledger, shard = 0): Promise<ShardLedger> {
  const lease = await ledger.lease(shard);
  assert.ok(lease, `shard ${shard} is leased by somebody else`);
  return lease;
}

/** The batch must have been applied. */
export function applied(result: Applied): Extract<Applied, { kind: "applied" }> {
  assert.equal(result.kind, "applied", JSON.stringify(result));
  return result as Extract<Applied, { kind: "applied" }>;
}

/** Registers tests for one kind of database. */
export interface Registrar {
  /** A test on {@link Books}. */
  test(what: string, run: (books: Books) => Promise<void>): void;
  /** A test that opens its databases itself. */
  testDatabases(what: string, run: (open: OpenDatabase) => Promise<void>): void;
}

/** Names tests after the database and gives each a place of its own. */
export function registrar(name: string, make: MakeDatabases): Registrar {
  const testDatabases = (what: string, run: (open: OpenDatabase) => Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      await using databases = await make();
      await run(databases.open);
    });
  return {
    testDatabases,
    test: (what, run) =>
      testDatabases(what, async (open) => {
        const database = await open("inventory");
        const ledger = await openLedger(database, realWorld);
        try {
          await ledger.prepare(1);
          const shard = await leased(ledger);
          applied(await shard.apply([entry(1, opening(1, "SKU-1", 10))]));
          await run({ database, ledger, shard, rows: (query) => database.query(query) });
        } finally {
          await ledger.close();
        }
      }),
  };
}
