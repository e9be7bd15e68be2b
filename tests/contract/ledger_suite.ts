/**
 * What every ledger must do: one suite, run on each database.
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/ledger/database.ts";
import { type Applied, LeaseLost, type Ledger, type ShardLedger } from "../../src/ledger/ledger.ts";
import { openLedger } from "../../src/ledger/sql_ledger.ts";
import type { EventLine, InventoryEvent, LogEntry } from "../../src/log/event.ts";
import { realWorld } from "../../src/world.ts";

/** Opens the database that the test has for itself, in a schema of it. */
export type OpenDatabase = (namespace: string) => Promise<Database>;

/** How a place for databases is made for one test. */
export type MakeDatabases = () => Promise<{ open: OpenDatabase } & AsyncDisposable>;

const atMs = 1_763_838_000_123;

/** An event of one line; `available` is what the store said it left. */
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
interface Books {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly shard: ShardLedger;
  /** Rows of a table, in the order of its key. */
  rows(query: string): Promise<Record<string, unknown>[]>;
}

async function leased(ledger: Ledger, shard = 0): Promise<ShardLedger> {
  const lease = await ledger.lease(shard);
  assert.ok(lease, `shard ${shard} is leased by somebody else`);
  return lease;
}

function applied(result: Applied): Extract<Applied, { kind: "applied" }> {
  assert.equal(result.kind, "applied", JSON.stringify(result));
  return result as Extract<Applied, { kind: "applied" }>;
}

/** Registers the suite for one kind of database. */
export function ledgerSuite(name: string, make: MakeDatabases): void {
  const test = (what: string, run: (books: Books) => Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      await using databases = await make();
      const database = await databases.open("inventory");
      const ledger = await openLedger(database, realWorld);
      try {
        await ledger.prepare(1);
        const shard = await leased(ledger);
        applied(await shard.apply([entry(1, opening(1, "SKU-1", 10))]));
        await run({ database, ledger, shard, rows: (query) => database.query(query) });
      } finally {
        await ledger.close();
      }
    });
  const testDatabases = (what: string, run: (open: OpenDatabase) => Promise<void>) =>
    Deno.test(`${name}: ${what}`, async () => {
      await using databases = await make();
      await run(databases.open);
    });

  test("a batch is in the movements, the order lines, the stock and the cursor", async ({ shard, rows }) => {
    const origin = { actor: "shop", traceparent: "00-1-2-01", reason: "Ünïcode 🎟", reference: "r-1" };
    const basket = event(3, [
      { sku: "SKU-1", delta: -2, reservedDelta: 0, available: 7, reserved: 0 },
      { sku: "SKU-2", delta: -3, reservedDelta: 1, available: 2, reserved: 1 },
    ], origin);
    const first = sale(2, "SKU-1", 9);
    const result = await shard.apply([
      entry(1, first),
      entry(2, basket, opening(4, "SKU-2", 5, { lines: [] })),
    ].slice(0, 1));
    assert.deepEqual(result, {
      kind: "applied",
      cursor: { epoch: 1, seq: 2 },
      events: 1,
      deadLetters: 0,
    });
    const made = event(3, [{ sku: "SKU-2", delta: 5, reservedDelta: 0, available: 5, reserved: 0 }], {
      kind: "create",
    });
    applied(await shard.apply([entry(2, made, { ...basket, seq: 4 })]));

    assert.deepEqual(await shard.cursor(), { epoch: 2, seq: 4, issuedEpoch: 2, notedHead: 0 });
    assert.deepEqual(await shard.stock("", 10), [
      { sku: "SKU-1", available: 7, reserved: 0 },
      { sku: "SKU-2", available: 2, reserved: 1 },
    ]);
    assert.equal(await shard.countSkus(), 2);
    const movements = await rows(
      `select epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after, reserved_after,
        actor, traceparent, reason, reference, round(extract(epoch from occurred_at) * 1000)::bigint as at
       from movements where seq = 4 order by line`,
    );
    const common = { epoch: 2, seq: 4, kind: "deduct", order_id: "order-3", user_id: "user-1", ...origin };
    assert.deepEqual(movements, [
      {
        ...{ ...common, line: 0, sku: "SKU-1", delta: -2, reserved_delta: 0, at: basket.atMs },
        ...{ available_after: 7, reserved_after: 0 },
      },
      {
        ...{ ...common, line: 1, sku: "SKU-2", delta: -3, reserved_delta: 1, at: basket.atMs },
        ...{ available_after: 2, reserved_after: 1 },
      },
    ]);
    const lines = await rows(
      "select order_id, sku, amount, state, new_stock, seq, line from order_lines order by seq, line",
    );
    assert.deepEqual(lines, [
      { order_id: "order-2", sku: "SKU-1", amount: 1, state: "sold", new_stock: 9, seq: 2, line: 0 },
      { order_id: "order-3", sku: "SKU-1", amount: 2, state: "sold", new_stock: 7, seq: 4, line: 0 },
      { order_id: "order-3", sku: "SKU-2", amount: 3, state: "sold", new_stock: 2, seq: 4, line: 1 },
    ]);
    assert.deepEqual(await rows("select * from dead_letters"), []);
  });

  test("the sum of a SKU's movements is its stock", async ({ shard, rows }) => {
    const events = Array.from({ length: 8 }, (_, i) => sale(2 + i, "SKU-1", 9 - i));
    applied(await shard.apply([entry(1, ...events.slice(0, 3)), entry(1, ...events.slice(3))]));
    const query = `select s.available, (select sum(delta)::bigint from movements m where m.sku = s.sku) as sum
      from stock s`;
    assert.deepEqual(await rows(query), [{ available: 2, sum: 2 }]);
  });

  test("the same entries again change nothing", async ({ shard, rows }) => {
    const batch = [entry(1, sale(2, "SKU-1", 9)), entry(1, sale(3, "SKU-1", 8))];
    applied(await shard.apply(batch));
    const before = await rows("select * from movements, stock order by seq");
    assert.deepEqual(await shard.apply(batch), {
      kind: "applied",
      cursor: { epoch: 1, seq: 3 },
      events: 0,
      deadLetters: 0,
    });
    assert.deepEqual(await rows("select * from movements, stock order by seq"), before);
  });

  test("of entries that overlap what is booked only the rest is booked", async ({ shard }) => {
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9))]));
    const result = await shard.apply([
      entry(1, sale(2, "SKU-1", 9), sale(3, "SKU-1", 8)),
      entry(1, sale(4, "SKU-1", 7)),
    ]);
    assert.equal(applied(result).events, 2);
    assert.deepEqual(await shard.stock("", 10), [{ sku: "SKU-1", available: 7, reserved: 0 }]);
  });

  test("a gap in the numbers applies nothing, not even what comes before it", async ({ shard, rows }) => {
    const result = await shard.apply([entry(1, sale(2, "SKU-1", 9)), entry(1, sale(4, "SKU-1", 7))]);
    assert.deepEqual(result, { kind: "gap", cursor: { epoch: 1, seq: 1 }, found: { epoch: 1, seq: 4 } });
    assert.equal((await rows("select from movements")).length, 1);
    assert.equal((await shard.cursor()).seq, 1);
  });

  test("new numbers under an old epoch are refused, booked ones are skipped", async ({ shard, rows }) => {
    applied(await shard.apply([entry(3, sale(2, "SKU-1", 9))]));
    const refused = await shard.apply([entry(2, sale(2, "SKU-1", 9), sale(3, "SKU-1", 8))]);
    assert.deepEqual(refused, {
      kind: "stale_epoch",
      cursor: { epoch: 3, seq: 2 },
      found: { epoch: 2, seq: 3 },
    });
    assert.equal(applied(await shard.apply([entry(2, sale(2, "SKU-1", 9))])).events, 0);
    assert.equal((await rows("select from movements")).length, 2);
  });

  test("an epoch that falls within a batch is refused", async ({ shard }) => {
    const result = await shard.apply([entry(2, sale(2, "SKU-1", 9)), entry(1, sale(3, "SKU-1", 8))]);
    assert.equal(result.kind, "stale_epoch");
    assert.equal((await shard.cursor()).seq, 1);
  });

  test("a sum that differs from the store's rolls back everything", async ({ shard, rows }) => {
    const result = await shard.apply([
      entry(1, opening(2, "SKU-2", 4)),
      entry(1, sale(3, "SKU-1", 8), sale(4, "SKU-2", 3)),
    ]);
    assert.deepEqual(result, {
      kind: "mismatch",
      differences: [{
        sku: "SKU-1",
        ledger: { available: 9, reserved: 0 },
        store: { available: 8, reserved: 0 },
      }],
    });
    assert.equal((await rows("select from movements")).length, 1);
    assert.equal((await rows("select from order_lines")).length, 0);
    assert.deepEqual(await shard.stock("", 10), [{ sku: "SKU-1", available: 10, reserved: 0 }]);
    assert.deepEqual(await shard.cursor(), { epoch: 1, seq: 1, issuedEpoch: 1, notedHead: 0 });
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9))])); // and the lease is still good
  });

  test("reserved units are audited too", async ({ shard }) => {
    const lines = [{ sku: "SKU-1", delta: -1, reservedDelta: 1, available: 9, reserved: 2 }];
    const result = await shard.apply([entry(1, event(2, lines, { kind: "reserve" }))]);
    assert.equal(result.kind, "mismatch");
  });

  test("stock below zero is a mismatch, even if the store says the same", async ({ shard }) => {
    const lines = [{ sku: "SKU-1", delta: -11, reservedDelta: 0, available: -1, reserved: 0 }];
    const result = await shard.apply([entry(1, event(2, lines))]);
    assert.deepEqual(result, {
      kind: "mismatch",
      differences: [{
        sku: "SKU-1",
        ledger: { available: -1, reserved: 0 },
        store: { available: -1, reserved: 0 },
      }],
    });
    assert.equal((await shard.cursor()).seq, 1);
  });

  test("a line that returns is booked, keeps its first answer and is set aside", async ({ shard, rows }) => {
    const again = { id: "order-2" };
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9))]));
    const result = await shard.apply([
      entry(1, sale(3, "SKU-1", 8, again), sale(4, "SKU-1", 7, { ...again, fingerprint: "other" })),
      entry(1, sale(5, "SKU-1", 6)),
    ]);
    assert.deepEqual(result, {
      kind: "applied",
      cursor: { epoch: 1, seq: 5 },
      events: 3,
      deadLetters: 2,
    });
    assert.equal((await rows("select from movements")).length, 5);
    assert.deepEqual(await rows("select order_id, new_stock, seq from order_lines order by seq"), [
      { order_id: "order-2", new_stock: 9, seq: 2 },
      { order_id: "order-5", new_stock: 6, seq: 5 },
    ]);
    assert.deepEqual(
      await rows("select seq, sqlstate, reason, event->>'id' as id from dead_letters order by id"),
      [
        { seq: 3, sqlstate: "23505", reason: "line accepted before, same contents", id: "order-2" },
        { seq: 4, sqlstate: "23505", reason: "line accepted before, other contents", id: "order-2" },
      ],
    );
  });

  test("a line that returns in the same batch is found as well", async ({ shard, rows }) => {
    const result = await shard.apply([
      entry(1, sale(2, "SKU-1", 9, { id: "twice" }), sale(3, "SKU-1", 8, { id: "twice" })),
    ]);
    assert.equal(applied(result).deadLetters, 1);
    assert.deepEqual(await rows("select seq from order_lines"), [{ seq: 2 }]);
    assert.deepEqual(await rows("select seq from dead_letters"), [{ seq: 3 }]);
  });

  test("a basket with one line that returns is set aside whole", async ({ shard, rows }) => {
    applied(await shard.apply([entry(1, opening(2, "SKU-2", 5), sale(3, "SKU-1", 9))]));
    const basket = event(4, [
      { sku: "SKU-2", delta: -1, reservedDelta: 0, available: 4, reserved: 0 },
      { sku: "SKU-1", delta: -1, reservedDelta: 0, available: 8, reserved: 0 },
    ], { id: "order-3" });
    assert.equal(applied(await shard.apply([entry(1, basket)])).deadLetters, 1);
    assert.deepEqual(await rows("select sku, seq from order_lines"), [{ sku: "SKU-1", seq: 3 }]);
    assert.equal((await rows("select from movements where seq = 4")).length, 2);
  });

  test("what PostgreSQL cannot store is replaced in the movement and set aside as it came", async ({ shard, rows }) => {
    const events = Array.from({ length: 9 }, (_, i) => sale(2 + i, "SKU-1", 9 - i));
    events[3] = sale(5, "SKU-1", 6, { reason: "a\0b" });
    events[6] = sale(8, "SKU-1", 3, { userId: "half \ud83d" });
    events[7] = sale(9, "SKU-1", 2, { atMs: 1e300 });
    assert.equal(applied(await shard.apply([entry(1, ...events)])).deadLetters, 3);

    assert.deepEqual(await shard.stock("", 10), [{ sku: "SKU-1", available: 1, reserved: 0 }]);
    assert.deepEqual(
      await rows("select seq, reason, user_id from movements where seq in (5, 8) order by seq"),
      [
        { seq: 5, reason: "a\ufffdb", user_id: "user-1" },
        { seq: 8, reason: "", user_id: "half \ufffd" },
      ],
    );
    assert.equal((await rows("select from order_lines")).length, 9);
    const letters = await rows(
      "select seq, sqlstate, reason, event::text as event from dead_letters order by id",
    );
    assert.deepEqual(letters.map(({ seq, sqlstate }) => `${seq} ${String(sqlstate).slice(0, 2)}`), [
      "5 22",
      "8 22",
      "9 22",
    ]);
    assert.match(String(letters[0]?.reason), /booked with U\+FFFD in its place$/);
    assert.equal(JSON.parse(String(letters[0]?.event)).reason, "a\0b");
  });

  test("an order line that cannot be booked is set aside, its movement is booked", async ({ shard, rows }) => {
    const free = [{ sku: "SKU-1", delta: 0, reservedDelta: 0, available: 9, reserved: 0 }];
    const result = await shard.apply([entry(1, sale(2, "SKU-1", 9), event(3, free), sale(4, "SKU-1", 8))]);
    assert.equal(applied(result).deadLetters, 1);
    assert.deepEqual(await rows("select seq from order_lines order by seq"), [{ seq: 2 }, { seq: 4 }]);
    assert.deepEqual(await rows("select seq, sqlstate from dead_letters"), [{ seq: 3, sqlstate: "23514" }]);
    assert.equal((await rows("select from movements where seq = 3")).length, 1);
  });

  test("an epoch is issued once", async ({ shard }) => {
    assert.equal((await shard.cursor()).issuedEpoch, 1);
    assert.equal(await shard.issueEpoch(1), 2);
    assert.equal(await shard.issueEpoch(1), undefined);
    assert.equal(await shard.issueEpoch(2), 3);
    assert.deepEqual(await shard.cursor(), { epoch: 1, seq: 1, issuedEpoch: 3, notedHead: 0 });
  });

  test("the noted head never falls", async ({ shard }) => {
    await shard.noteHead(40);
    await shard.noteHead(30);
    assert.equal((await shard.cursor()).notedHead, 40);
  });

  test("a jump moves the cursor over lost numbers and counts them", async ({ shard, rows }) => {
    await shard.jump({ epoch: 4, seq: 11 });
    assert.deepEqual(await shard.cursor(), { epoch: 4, seq: 11, issuedEpoch: 4, notedHead: 0 });
    assert.deepEqual(await rows("select shard, from_seq, to_seq, epoch, count from log_jumps"), [
      { shard: 0, from_seq: 1, to_seq: 11, epoch: 4, count: 10 },
    ]);
    applied(await shard.apply([entry(4, sale(12, "SKU-1", 9))]));
    await assert.rejects(shard.jump({ epoch: 4, seq: 12 }), RangeError);
    await assert.rejects(shard.jump({ epoch: 3, seq: 20 }), /Cannot jump to 3-20 .* booked up to 4-12/);
  });

  test("a shard has one lease, and a released one is free at once", async ({ ledger, shard }) => {
    assert.equal(await ledger.lease(0), undefined);
    await shard.beat();
    await shard.release();
    await assert.rejects(shard.beat(), LeaseLost);
    await assert.rejects(shard.apply([entry(1, sale(2, "SKU-1", 9))]), LeaseLost);
    const next = await leased(ledger);
    assert.equal((await next.cursor()).seq, 1);
  });

  test("closing the ledger ends its leases", async ({ ledger, shard }) => {
    await ledger.close();
    await assert.rejects(shard.cursor(), LeaseLost);
    await assert.rejects(shard.beat(), LeaseLost);
  });

  test("two batches at once are booked one after the other", async ({ shard }) => {
    const [first, second, cursor] = await Promise.all([
      shard.apply([entry(1, sale(2, "SKU-1", 9))]),
      shard.apply([entry(1, sale(3, "SKU-1", 8))]),
      shard.cursor(),
    ]);
    assert.deepEqual([first.kind, second.kind], ["applied", "applied"]);
    assert.equal(cursor.seq, 3);
  });

  test("quantities of 10^12 and numbers of 10^14 stay exact", async ({ shard, ledger }) => {
    await shard.jump({ epoch: 90_000_000_000_001, seq: 99_999_999_999_997 });
    const made = opening(99_999_999_999_998, "SKU-9", 1_000_000_000_000);
    const sold = sale(99_999_999_999_999, "SKU-9", 999_999_999_999, { id: "big" });
    applied(await shard.apply([entry(90_000_000_000_001, made, sold)]));
    assert.deepEqual(await shard.cursor(), {
      epoch: 90_000_000_000_001,
      seq: 99_999_999_999_999,
      issuedEpoch: 90_000_000_000_001,
      notedHead: 0,
    });
    assert.deepEqual(await shard.stock("SKU-1", 10), [
      { sku: "SKU-9", available: 999_999_999_999, reserved: 0 },
    ]);
    const [line] = await ledger.findOrder("big");
    assert.deepEqual([line?.seq, line?.newStock, line?.atMs], [sold.seq, 999_999_999_999, sold.atMs]);
  });

  test("stock comes in pages, by bytes of the SKU", async ({ shard }) => {
    const names = ["a", "B", "b", "ä", "a b", "_"];
    applied(await shard.apply([entry(1, ...names.map((sku, i) => opening(2 + i, sku, i)))]));
    const seen: string[] = [];
    for (let after = "";;) {
      const page = await shard.stock(after, 2);
      seen.push(...page.map(({ sku }) => sku));
      const last = page.at(-1);
      if (!last || page.length < 2) break;
      after = last.sku;
    }
    assert.deepEqual(seen, ["B", "SKU-1", "_", "a", "a b", "b", "ä"]);
  });

  test("remembered lines come in pages: order lines and adjustments, those of the window only", async ({ shard }) => {
    const basket = event(4, [
      { sku: "SKU-1", delta: -1, reservedDelta: 0, available: 8, reserved: 0 },
      { sku: "SKU-2", delta: -2, reservedDelta: 0, available: 3, reserved: 0 },
    ], { id: "basket", userId: "user-2", fingerprint: "b" });
    const more = event(5, [{ sku: "SKU-2", delta: -3, reservedDelta: 0, available: 0, reserved: 0 }], {
      ...{ kind: "adjust", id: "less", userId: "", fingerprint: "l" },
    });
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9), opening(3, "SKU-2", 5), basket, more)]));

    const pages: string[][] = [];
    for (let after: { seq: number; line: number } | undefined = { seq: 0, line: 0 }; after;) {
      const page = await shard.lines(atMs + 3, after, 2);
      pages.push(page.rows.map(({ id, sku }) => `${id} ${sku}`));
      after = page.next;
    }
    assert.deepEqual(pages, [["adjustment-3 SKU-2", "basket SKU-1"], ["basket SKU-2", "less SKU-2"], []]);
    const { rows, next } = await shard.lines(atMs + 4, { seq: 0, line: 0 }, 10);
    assert.equal(next, undefined);
    assert.deepEqual(rows.slice(1), [
      {
        ...{ id: "basket", sku: "SKU-2", userId: "user-2", amount: 2, kind: "deduct", fingerprint: "b" },
        ...{ newStock: 3, seq: 4, atMs: atMs + 4 },
      },
      {
        ...{ id: "less", sku: "SKU-2", userId: "", amount: -3, kind: "adjust", fingerprint: "l" },
        ...{ newStock: 0, seq: 5, atMs: atMs + 5 },
      },
    ]);
    assert.deepEqual(await shard.lines(atMs + 6, { seq: 0, line: 0 }, 10), { rows: [], next: undefined });
  });

  testDatabases("an order is found in every shard", async (open) => {
    const ledger = await openLedger(await open("inventory"), realWorld);
    try {
      await ledger.prepare(3);
      for (const number of [0, 2]) {
        const shard = await leased(ledger, number);
        const sku = `SKU-${number}`;
        applied(await shard.apply([entry(1, opening(1, sku, 5), sale(2, sku, 4, { id: "wide" }))]));
      }
      const lines = await ledger.findOrder("wide");
      assert.deepEqual(lines.map(({ shard, sku, state }) => ({ shard, sku, state })), [
        { shard: 0, sku: "SKU-0", state: "sold" },
        { shard: 2, sku: "SKU-2", state: "sold" },
      ]);
      assert.deepEqual(lines[0], {
        ...{ shard: 0, id: "wide", sku: "SKU-0", userId: "user-1", amount: 1, kind: "deduct", state: "sold" },
        ...{ fingerprint: "f".repeat(16), newStock: 4, seq: 2, atMs: atMs + 2 },
      });
      assert.deepEqual(await ledger.findOrder("nobody's"), []);
    } finally {
      await ledger.close();
    }
  });

  testDatabases("books are prepared once and keep their owner", async (open) => {
    const first = await openLedger(await open("inventory"), realWorld);
    const owner = await first.prepare(2).finally(() => first.close());
    assert.match(owner.id, /^[0-9a-f-]{36}$/);
    const second = await openLedger(await open("inventory"), realWorld);
    try {
      assert.deepEqual(await second.prepare(2), owner);
      await assert.rejects(second.prepare(4), {
        name: "RangeError",
        message: /^Cannot use SHARDS=4 as these books were made for 2: /,
      });
      const beyond = await leased(second, 2);
      await assert.rejects(beyond.cursor(), /Cannot read the books of shard 2/);
    } finally {
      await second.close();
    }
  });

  testDatabases("books of a newer program are refused", async (open) => {
    const database = await open("inventory");
    const ledger = await openLedger(database, realWorld);
    try {
      await ledger.prepare(1);
      await database.query("insert into migrations (id, name) values (9999, 'from the future')");
      await assert.rejects(ledger.prepare(1), /a newer Holdfast made them: .* version 9999/);
    } finally {
      await ledger.close();
    }
  });

  testDatabases("two namespaces of one database do not see each other", async (open) => {
    const owners: string[] = [];
    for (const namespace of ["one", 'the "other"']) {
      const ledger = await openLedger(await open(namespace), realWorld);
      try {
        owners.push((await ledger.prepare(1)).id);
        const shard = await leased(ledger);
        assert.equal((await shard.cursor()).seq, 0);
        applied(await shard.apply([entry(1, opening(1, "SKU-1", 1), sale(2, "SKU-1", 0))]));
        assert.equal((await ledger.findOrder("order-2")).length, 1);
      } finally {
        await ledger.close();
      }
    }
    assert.notEqual(owners[0], owners[1]);
  });
}
