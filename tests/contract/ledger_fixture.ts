/**
 * Ledgers to test, and the events that they apply.
 */
import assert from "node:assert/strict";
import { isSale } from "../../src/domain/outcome.ts";
import type { Queries } from "../../src/ledger/database.ts";
import type { LineRow } from "../../src/domain/rows.ts";
import type { Applied, Ledger, ShardLedger } from "../../src/ledger/ledger.ts";
import type { EventLine, InventoryEvent, LogEntry } from "../../src/domain/event.ts";

/** A ledger, and its database for what a test does by hand. Closing the ledger closes both. */
export interface Opened {
  readonly ledger: Ledger;
  readonly database: Queries;
}

/** Opens the ledger that the test has for itself. */
export type OpenLedger = () => Promise<Opened>;

/** How a place for a ledger is made for one test. */
export type MakeLedgers = () => Promise<{ open: OpenLedger } & AsyncDisposable>;

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
    actor: "till",
    traceparent: "",
    reason: "",
    reference: "",
    data: {},
    atMs: atMs + seq,
    lines,
    ...fields,
  };
}

/** Writes events as the store would: the next number, and the stock after the changes. */
export class Shelf {
  #seq: number;
  readonly #stock = new Map<string, { available: number; reserved: number }>();

  /** Continues after {@link LedgerFixture}. */
  constructor() {
    this.#seq = 1;
    this.#stock.set("SKU-1", { available: 10, reserved: 0 });
  }

  /** An event of these changes: SKU, change of available and of reserved units. */
  next(
    kind: string,
    id: string,
    changes: readonly (readonly [string, number, number])[],
    fields: Partial<InventoryEvent> = {},
  ): InventoryEvent {
    const lines = changes.map(([sku, delta, reservedDelta]) => {
      const { available, reserved } = this.#stock.get(sku) ?? { available: 0, reserved: 0 };
      const after = { available: available + delta, reserved: reserved + reservedDelta };
      this.#stock.set(sku, after);
      return { sku, delta, reservedDelta, ...after };
    });
    return event(++this.#seq, lines, { kind, id, ...fields });
  }

  /** A reservation that is made for 10 minutes at `atMs`. */
  reserve(id: string, ...lines: (readonly [string, number])[]): InventoryEvent {
    const data = { hold: holdMs, expires: atMs + holdMs };
    return this.next("reserve", id, lines.map(([sku, units]) => [sku, -units, units]), { data });
  }
}

/** What {@link Shelf.reserve} holds for. */
export const holdMs = 600_000;

/** A remembered line with nothing more to it than that it was accepted. */
export function plainLine(
  fields: Pick<LineRow, "id" | "sku" | "amount" | "newStock" | "seq"> & Partial<LineRow>,
): LineRow {
  return {
    ...{
      returnId: "",
      kind: "deduct",
      atMs: atMs + fields.seq,
      userId: "user-1",
    },
    ...{ state: "accepted", units: fields.amount, holdMs: 0, expiresAtMs: 0 },
    ...{ settledSeq: 0, settledUnits: 0, settledStock: 0 },
    actor: isSale({ kind: fields.kind ?? "deduct" }) ? "till" : "",
    attempt: "",
    ...fields,
  };
}

/** Everything in the ledger follows from its movements. */
export async function assertWhole({ ledger }: Pick<LedgerFixture, "ledger">): Promise<void> {
  const faults: unknown[] = [];
  for await (const fault of ledger.prove(0, 365 * 86_400_000, () => {})) faults.push(fault);
  assert.deepEqual(faults, []);
}

/** For every SKU the movements add up to its stock, of available and of reserved units. */
export async function assertSums({ rows }: Pick<LedgerFixture, "rows">): Promise<void> {
  const sums = await rows(
    `select sku, sum(delta)::bigint as available, sum(reserved_delta)::bigint as reserved
     from movements group by sku order by sku`,
  );
  assert.deepEqual(sums, await rows("select sku, available, reserved from stock order by sku"));
}

/** What one atomic step of the store wrote. */
export function entry(epoch: number, ...events: InventoryEvent[]): LogEntry {
  return { position: { epoch, seq: events.at(-1)?.seq ?? 0 }, events };
}

/** A leased ledger with 10 units of SKU-1 in shard 0, made by number 1 under epoch 1. */
export interface LedgerFixture {
  readonly database: Queries;
  readonly ledger: Ledger;
  readonly shard: ShardLedger;
  /** Rows of a table, in the order of its key. */
  rows(query: string): Promise<Record<string, unknown>[]>;
}

/** Takes a lease that must be free. */
export async function leased(ledger: Ledger, shard = 0): Promise<ShardLedger> {
  const lease = await ledger.lease(shard);
  assert.ok(lease, `shard ${shard} is leased by another session`);
  return lease;
}

/** The batch must have been applied. */
export function applied(result: Applied): Extract<Applied, { kind: "applied" }> {
  assert.equal(result.kind, "applied", JSON.stringify(result));
  return result as Extract<Applied, { kind: "applied" }>;
}

/** Registers tests for one kind of database. */
export interface Registrar {
  /** A test on a {@link LedgerFixture}. */
  test(what: string, run: (fixture: LedgerFixture) => Promise<void>): void;
  /** A test that opens its ledgers itself. */
  testOpening(what: string, run: (open: OpenLedger) => Promise<void>): void;
}

/** Names tests after the database and gives each a place of its own. */
export function registrar(name: string, make: MakeLedgers): Registrar {
  const testOpening = (what: string, run: (open: OpenLedger) => Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      await using databases = await make();
      await run(databases.open);
    });
  return {
    testOpening,
    test: (what, run) =>
      testOpening(what, async (open) => {
        const { ledger, database } = await open();
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
