/**
 * What every ledger must do: one suite, run on each database. First of all, book.
 */
import assert from "node:assert/strict";
import { compensationId } from "../../src/ledger/compensation_id.ts";
import { applied, entry, event, type MakeLedgers, opening, registrar, sale } from "./ledger_fixture.ts";
import { registerBaskets } from "./ledger_baskets_suite.ts";
import { registerLeaseAndReads } from "./ledger_reads_suite.ts";
import { registerCorrections } from "./ledger_corrections_suite.ts";
import { registerOrderLives } from "./ledger_orders_suite.ts";
import { registerProof } from "./ledger_proof_suite.ts";
import { registerMovementRetention } from "./ledger_retention_suite.ts";
import { registerRecovery } from "./ledger_recovery_suite.ts";
import { registerRebuildReads } from "./ledger_rebuild_suite.ts";
import { registerNeighbors } from "./ledger_neighbors_suite.ts";
import { registerShards } from "./ledger_shards_suite.ts";

/** Registers the suite for one kind of database. */
export function ledgerSuite(name: string, make: MakeLedgers): void {
  const { test } = registrar(name, make);

  test("a batch is in the movements, the order lines, the stock and the cursor", async ({ shard, rows }) => {
    const origin = { actor: "shop", traceparent: "00-1-2-01", reason: "Ünïcode 🎟", reference: "r-1" };
    const basket = event(4, [
      { sku: "SKU-1", delta: -2, reservedDelta: 0, available: 7, reserved: 0 },
      { sku: "SKU-2", delta: -3, reservedDelta: 1, available: 2, reserved: 1 },
    ], origin);
    const result = await shard.apply([
      entry(1, sale(2, "SKU-1", 9), opening(3, "SKU-2", 5)),
      entry(2, basket),
    ]);
    assert.deepEqual(result, {
      kind: "applied",
      cursor: { epoch: 2, seq: 4 },
      events: 3,
      deadLetters: 0,
      compensations: 0,
    });

    assert.deepEqual(await shard.cursor(), {
      epoch: 2,
      seq: 4,
      issuedEpoch: 2,
      recordedHead: 0,
      seenApplied: 0,
    });
    assert.deepEqual(await shard.stock("", 10), [
      { sku: "SKU-1", available: 7, reserved: 0, policy: null },
      { sku: "SKU-2", available: 2, reserved: 1, policy: null },
    ]);
    assert.equal(await shard.countSkus(), 2);
    const movements = await rows(
      `select epoch, seq, line, kind, order_id, user_id, sku, delta, reserved_delta, available_after, reserved_after,
        actor, traceparent, reason, reference, round(extract(epoch from occurred_at) * 1000)::bigint as at
       from movements where seq = 4 order by line`,
    );
    const common = { epoch: 2, seq: 4, kind: "deduct", order_id: "order-4", user_id: "user-1", ...origin };
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
      { order_id: "order-2", sku: "SKU-1", amount: 1, state: "accepted", new_stock: 9, seq: 2, line: 0 },
      { order_id: "order-4", sku: "SKU-1", amount: 2, state: "accepted", new_stock: 7, seq: 4, line: 0 },
      { order_id: "order-4", sku: "SKU-2", amount: 3, state: "accepted", new_stock: 2, seq: 4, line: 1 },
    ]);
    assert.deepEqual(await rows("select * from dead_letters"), []);
  });

  test("texts that need an escape are stored as they came", async ({ shard, rows }) => {
    const texts = [
      'a"b',
      "back\\slash",
      "{a,b}",
      "NULL",
      "",
      " ",
      "line\nand\ttab",
      "\u0002",
      "ü€😀",
      "'; --",
      "\\",
      '"',
    ];
    const events = texts.map((text, i) =>
      sale(3 + i, "SKU-2", 98 - i, {
        id: `order${text}`,
        userId: text,
        reason: text,
        traceparent: text,
        actor: text,
      })
    );
    applied(await shard.apply([entry(1, opening(2, "SKU-2", 99)), entry(1, ...events)]));
    const stored = await rows(
      "select order_id, user_id, reason, traceparent, actor from movements order by seq, line",
    );
    assert.deepEqual(
      stored.slice(2),
      events.map((event) => ({
        order_id: event.id,
        user_id: event.userId,
        reason: event.reason,
        traceparent: event.traceparent,
        actor: event.actor,
      })),
    );
    assert.deepEqual(
      await rows("select order_id from order_lines order by seq"),
      events.map(({ id }) => ({ order_id: id })),
    );
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
      compensations: 0,
    });
    assert.deepEqual(await rows("select * from movements, stock order by seq"), before);
  });

  test("of entries that overlap applied ones only the rest is applied", async ({ shard }) => {
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9))]));
    const result = await shard.apply([
      entry(1, sale(2, "SKU-1", 9), sale(3, "SKU-1", 8)),
      entry(1, sale(4, "SKU-1", 7)),
    ]);
    assert.equal(applied(result).events, 2);
    assert.deepEqual(await shard.stock("", 10), [{ sku: "SKU-1", available: 7, reserved: 0, policy: null }]);
  });

  test("an applied number with other contents applies nothing: the log is not the one that was applied", async ({ shard, rows }) => {
    const first = [entry(1, sale(2, "SKU-1", 9)), entry(1, sale(3, "SKU-1", 8))];
    applied(await shard.apply(first));
    const others = [
      sale(3, "SKU-1", 8, { id: "another" }),
      sale(3, "SKU-1", 8, { userId: "another" }),
      sale(3, "SKU-1", 8, { atMs: 1_763_838_000_999 }),
      sale(3, "SKU-1", 7),
      sale(3, "SKU-2", 8),
    ];
    for (const other of others) {
      const result = await shard.apply([entry(1, other, sale(4, "SKU-1", 7))]);
      assert.deepEqual(result, {
        kind: "diverged",
        cursor: { epoch: 1, seq: 3 },
        found: { epoch: 1, seq: 3 },
      });
      assert.deepEqual(await shard.divergent([entry(1, other, sale(4, "SKU-1", 7))]), [3]);
    }
    assert.equal((await rows("select seq from movements")).length, 3);
    assert.deepEqual(await shard.divergent([...first, entry(1, sale(4, "SKU-1", 7))]), []);
  });

  test("what a text cannot hold is compared as it is applied, and numbers declared lost are not compared", async ({ shard }) => {
    const odd = sale(2, "SKU-1", 9, { id: "a\0b", userId: "\ud800" });
    applied(await shard.apply([entry(1, odd)]));
    await shard.jump({ to: { epoch: 1, seq: 5 }, actor: "", reason: "" });
    assert.deepEqual(await shard.divergent([entry(1, odd, sale(3, "SKU-1", 8), sale(4, "SKU-1", 7))]), []);
    assert.deepEqual(await shard.divergent([entry(1, sale(5, "SKU-1", 6))]), [], "the last of the lost ones");
    const others = entry(1, { ...odd, userId: "another" }, sale(5, "SKU-1", 6));
    assert.deepEqual(
      await shard.divergent([others]),
      [2],
      "the number before the lost ones, and not the last of them",
    );
  });

  test("a gap in the numbers applies nothing, not even what comes before it", async ({ shard, rows }) => {
    const result = await shard.apply([entry(1, sale(2, "SKU-1", 9)), entry(1, sale(4, "SKU-1", 7))]);
    assert.deepEqual(result, { kind: "gap", cursor: { epoch: 1, seq: 1 }, found: { epoch: 1, seq: 4 } });
    assert.equal((await rows("select seq from movements")).length, 1);
    assert.equal((await shard.cursor()).seq, 1);
  });

  test("new numbers under an old epoch are refused, applied ones are skipped", async ({ shard, rows }) => {
    applied(await shard.apply([entry(3, sale(2, "SKU-1", 9))]));
    const refused = await shard.apply([entry(2, sale(2, "SKU-1", 9), sale(3, "SKU-1", 8))]);
    assert.deepEqual(refused, {
      kind: "stale_epoch",
      cursor: { epoch: 3, seq: 2 },
      found: { epoch: 2, seq: 3 },
    });
    assert.equal(applied(await shard.apply([entry(2, sale(2, "SKU-1", 9))])).events, 0);
    assert.equal((await rows("select seq from movements")).length, 2);
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
    assert.equal((await rows("select seq from movements")).length, 1);
    assert.equal((await rows("select seq from order_lines")).length, 0);
    assert.deepEqual(await shard.stock("", 10), [{ sku: "SKU-1", available: 10, reserved: 0, policy: null }]);
    assert.deepEqual(await shard.cursor(), {
      epoch: 1,
      seq: 1,
      issuedEpoch: 1,
      recordedHead: 0,
      seenApplied: 0,
    });
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

  test("a line that returns is applied and keeps its first answer", async ({ shard, rows }) => {
    const again = { id: "order-2" };
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9))]));
    const result = await shard.apply([
      entry(1, sale(3, "SKU-1", 8, again), sale(4, "SKU-1", 7, { ...again, userId: "user-2" })),
      entry(1, sale(5, "SKU-1", 6)),
    ]);
    assert.deepEqual(result, {
      kind: "applied",
      cursor: { epoch: 1, seq: 5 },
      events: 3,
      deadLetters: 1,
      compensations: 1,
    });
    assert.equal((await rows("select seq from movements")).length, 5);
    assert.deepEqual(await rows("select order_id, new_stock, seq from order_lines order by seq"), [
      { order_id: "order-2", new_stock: 9, seq: 2 },
      { order_id: "order-5", new_stock: 6, seq: 5 },
    ]);
    assert.deepEqual(
      await rows("select seq, sqlstate, reason, event->>'id' as id from dead_letters order by id"),
      [
        { seq: 4, sqlstate: "23505", reason: "line accepted before, with other contents", id: "order-2" },
      ],
    );
  });

  test("a line that returns in the same batch is found as well, and is given back once", async ({ shard, rows, database }) => {
    const result = await shard.apply([
      entry(1, sale(2, "SKU-1", 9, { id: "twice" }), sale(3, "SKU-1", 8, { id: "twice" })),
    ]);
    assert.equal(applied(result).compensations, 1);
    assert.deepEqual(await rows("select seq from order_lines"), [{ seq: 2 }]);
    const start = { seq: 0, sku: "" };
    assert.deepEqual(await shard.compensations(start, 10), [
      { seq: 3, sku: "SKU-1", amount: 1, kind: "deduct", orderId: "twice", soldUnits: 1, returnedUnits: 0 },
    ]);
    assert.deepEqual(await shard.compensations({ seq: 3, sku: "SKU-1" }, 10), []);

    const back = opening(4, "SKU-1", 1, { kind: "adjust", id: compensationId(0, 3) });
    const lines = back.lines.map((line) => ({ ...line, available: 9 }));
    applied(await shard.apply([entry(1, { ...back, lines })]));
    const done = "select seq from compensations where done_at is not null";
    assert.deepEqual(await rows(done), [{ seq: 3 }], "closed in the transaction that applies the adjustment");
    await database.script("update compensations set done_at = null");
    assert.deepEqual(await shard.compensations(start, 10), [], "the applied adjustment is the record");
    assert.deepEqual(await rows(done), [{ seq: 3 }]);
  });

  test("a basket with one line that returns is set aside whole", async ({ shard, rows }) => {
    applied(await shard.apply([entry(1, opening(2, "SKU-2", 5), sale(3, "SKU-1", 9))]));
    const basket = event(4, [
      { sku: "SKU-2", delta: -1, reservedDelta: 0, available: 4, reserved: 0 },
      { sku: "SKU-1", delta: -1, reservedDelta: 0, available: 8, reserved: 0 },
    ], { id: "order-3" });
    assert.equal(applied(await shard.apply([entry(1, basket)])).deadLetters, 1);
    assert.deepEqual(await rows("select sku, seq from order_lines"), [{ sku: "SKU-1", seq: 3 }]);
    assert.equal((await rows("select seq from movements where seq = 4")).length, 2);
  });

  test("what PostgreSQL cannot store is replaced in the movement and set aside as it came", async ({ shard, rows }) => {
    const events = Array.from({ length: 9 }, (_, i) => sale(2 + i, "SKU-1", 9 - i));
    events[3] = sale(5, "SKU-1", 6, { reason: "a\0b" });
    events[6] = sale(8, "SKU-1", 3, { userId: "half \ud83d" });
    events[7] = sale(9, "SKU-1", 2, { atMs: 1e300 });
    assert.equal(applied(await shard.apply([entry(1, ...events)])).deadLetters, 3);

    assert.deepEqual(await shard.stock("", 10), [{ sku: "SKU-1", available: 1, reserved: 0, policy: null }]);
    assert.deepEqual(
      await rows("select seq, reason, user_id from movements where seq in (5, 8) order by seq"),
      [
        { seq: 5, reason: "a\ufffdb", user_id: "user-1" },
        { seq: 8, reason: "", user_id: "half \ufffd" },
      ],
    );
    assert.equal((await rows("select seq from order_lines")).length, 9);
    const letters = await rows(
      "select seq, sqlstate, reason, event::text as event from dead_letters order by id",
    );
    assert.deepEqual(letters.map(({ seq, sqlstate }) => `${seq} ${String(sqlstate).slice(0, 2)}`), [
      "5 22",
      "8 22",
      "9 22",
    ]);
    assert.match(String(letters[0]?.reason), /applied with U\+FFFD in its place$/);
    assert.equal(JSON.parse(String(letters[0]?.event)).reason, "a\0b");
  });

  test("an order line that cannot be applied is set aside, its movement is applied", async ({ shard, rows }) => {
    const free = [{ sku: "SKU-1", delta: 0, reservedDelta: 0, available: 9, reserved: 0 }];
    const result = await shard.apply([entry(1, sale(2, "SKU-1", 9), event(3, free), sale(4, "SKU-1", 8))]);
    assert.equal(applied(result).deadLetters, 1);
    assert.deepEqual(await rows("select seq from order_lines order by seq"), [{ seq: 2 }, { seq: 4 }]);
    assert.deepEqual(await rows("select seq, sqlstate from dead_letters"), [{ seq: 3, sqlstate: "23514" }]);
    assert.equal((await rows("select seq from movements where seq = 3")).length, 1);
  });

  registerOrderLives(registrar(name, make));
  registerBaskets(registrar(name, make));
  registerLeaseAndReads(registrar(name, make));
  registerRebuildReads(registrar(name, make));
  registerCorrections(registrar(name, make));
  registerProof(registrar(name, make));
  registerRecovery(registrar(name, make));
  registerMovementRetention(registrar(name, make));
  registerShards(registrar(name, make));
  registerNeighbors(registrar(name, make));
}
