/**
 * What every ledger must do, ninth part: keep shards apart. The same is done in one shard and then in another: the
 * first stays as it is, and what is read of the second is what was read of the first while it was alone.
 */
import assert from "node:assert/strict";
import { compensationId } from "../../src/ledger/compensation_id.ts";
import type { Queries } from "../../src/ledger/database.ts";
import type { InventoryEvent } from "../../src/domain/event.ts";
import type { Ledger, ShardLedger } from "../../src/ledger/ledger.ts";
import { applied, atMs, entry, holdMs, leased, opening, type Registrar, Shelf } from "./ledger_fixture.ts";

const dayMs = 86_400_000;
const note = { actor: "cli:alice", reason: "counted", reference: "stocktaking 7" };
/** More than a first range has. */
const farSeq = 1_010_000;
const tables = [
  "movements",
  "order_lines",
  "stock",
  "log_cursor",
  "dead_letters",
  "compensations",
  "opening_balances",
  "log_jumps",
];
/** The shard, and what no two rows have alike. */
const own = new Set(["shard", "id", "recorded_at", "updated_at", "created_at", "made_at", "at", "noted_at"]);

function plain(row: Record<string, unknown>): unknown[] {
  const isOwn = (name: string) => own.has(name) || name === "occurred_at" && row.kind === "correction";
  return Object.entries(row).filter(([name]) => !isOwn(name))
    .map(([name, value]) => value instanceof Date ? [name, value.getTime()] : [name, value]);
}

/** All that a shard has, by SQL and by every read of its worker, without the shard's number. */
async function contentsOf(ledger: Ledger, shard: ShardLedger, database: Queries) {
  const number = shard.shard;
  const rows = await Promise.all(tables.map(async (table) => {
    const found = await database.query<Record<string, unknown>>(
      `select * from ${table} where shard = ${number}`,
    );
    return found.map((row) => JSON.stringify(plain(row))).sort();
  }));
  const cursor = await shard.cursor();
  const ids = ["plain", "basket", "held", "again", "prepared", "tried"];
  const ofShard = <T extends { shard: number }>(lines: readonly T[]) =>
    lines.filter((line) => line.shard === number).map(({ shard: _, ...line }) => line);
  return {
    tables: Object.fromEntries(tables.map((table, i) => [table, rows[i]])),
    cursor,
    others: await shard.divergent([entry(1, opening(4, "another", 1))]),
    stock: await shard.stock("", 10),
    next: [await shard.countSkus(), await shard.nthSku("", 2), await shard.countDeadLetters()],
    low: await shard.lowStock(100, 10),
    at: await shard.stockAt(["SKU-1", "SKU-2"], cursor.seq),
    sums: await shard.sumMovements({ afterSeq: -1, toSeq: cursor.seq, afterSku: "", toSku: "" }),
    lines: await shard.lines(0, { seq: 0, line: -1 }, 100),
    recent: await shard.lines(atMs + dayMs, { seq: 0, line: -1 }, 100),
    aside: await shard.heldAside(),
    quotas: await shard.quotas({ sku: "", seq: 0, line: 0 }, 100),
    compensations: await shard.compensations({ seq: 0, sku: "" }, 10),
    prepared: await shard.baskets.prepared(10),
    openings: await shard.openings("", ""),
    recovery: await shard.recovery().then((found) => found && { ...found, id: 0 }),
    orders: await Promise.all(ids.map(async (id) => ofShard((await ledger.findOrder(id)).lines))),
    returned: ofShard(await ledger.findReturn("plain", "return-1")),
    adjusted: await ledger.findAdjustment(number, "adjustment-2", "SKU-2"),
    ledger: (await ledger.progress()).filter((progress) => progress.shard === number)
      .map(({ shard: _, ...progress }) => progress),
  };
}

/** An order's life of every kind. */
function lives(shelf: Shelf): InventoryEvent[] {
  const policy = { quota: 5, sale: 3 };
  return [
    shelf.next("create", "adjustment-2", [["SKU-2", 50, 0]], { userId: "" }),
    shelf.next("rules", "", [["SKU-2", 0, 0]], { data: { policy } }),
    shelf.next("order", "basket", [["SKU-1", -2, 0], ["SKU-2", -3, 0]]),
    shelf.next("deduct", "plain", [["SKU-2", -4, 0]]),
    shelf.next("return", "plain", [["SKU-2", 1, 0]], { reference: "return-1" }),
    shelf.next("return", "basket", [["SKU-2", 1, 0]], { reference: "return-1" }),
    shelf.reserve("ended", ["SKU-2", 2]),
    shelf.next("extend", "ended", [["SKU-2", 0, 0]], { data: { expires: atMs + 2 * holdMs } }),
    shelf.next("confirm", "ended", [["SKU-2", 1, -2]]),
  ];
}

function open(shelf: Shelf): InventoryEvent[] {
  return [
    shelf.reserve("held", ["SKU-1", 1]),
    shelf.next("deduct", "again", [["SKU-2", -1, 0]]),
    shelf.next("prepare", "prepared", [["SKU-1", -1, 1]]),
    shelf.next("prepare", "tried", [["SKU-2", -1, 1]]),
    shelf.next("abort", "tried", [["SKU-2", 1, -1]]),
    shelf.next("extend", "held", [["SKU-1", 0, 0]], { data: { expires: atMs + 3 * holdMs } }),
    shelf.next("return", "again", [["SKU-2", 1, 0]], { reference: "return-2" }),
    shelf.next("deduct", "again", [["SKU-2", -1, 0]]), // after the window: its units are due
    shelf.next("prepare", "sold", [["SKU-2", -2, 2]]),
    shelf.next("commit", "sold", [["SKU-2", 0, -2]]),
    shelf.reserve("ended", ["SKU-2", 2]), // after the window, and a reservation: a dead letter
    shelf.next("cancel", "held", [["SKU-1", 1, -1]]),
    shelf.reserve("open", ["SKU-1", 1]),
  ];
}

type Step = (shard: ShardLedger, ledger: Ledger) => Promise<unknown>;

function stepsOf(): Record<string, Step> {
  const shelf = new Shelf();
  const young = (event: InventoryEvent, seq: number, epoch = 2) =>
    entry(epoch, { ...event, seq, atMs: atMs + 12 * dayMs });
  const first = lives(shelf);
  const [later, ...rest] = ["later", "last"].map((id) => shelf.next("deduct", id, [["SKU-1", -1, 0]]));
  const others = open(shelf);
  return {
    opening: (shard) => shard.apply([entry(1, opening(1, "SKU-1", 10))]).then(applied),
    lives: (shard) => shard.apply([entry(1, ...first)]).then(applied),
    jump: async (shard) => {
      await shard.jump({ to: { epoch: 2, seq: farSeq }, actor: "worker", reason: "a test" });
      while (await shard.extendRanges());
    },
    later: (shard) => shard.apply([young(later ?? assert.fail(), farSeq + 1)]).then(applied),
    last: (shard) => shard.apply([young(rest[0] ?? assert.fail(), farSeq + 2)]).then(applied),
    forget: (shard) => shard.forgetLines(10 * dayMs, { seq: 0, line: -1 }, 2),
    fold: (shard) => shard.foldMovements(10 * dayMs, 5),
    "fold the rest": async (shard) => {
      while (await shard.foldMovements(10 * dayMs, 900_000));
    },
    ...Object.fromEntries([0, 2, 4, 6, 8, 10].map((from): [string, Step] => [
      `orders from ${from}`,
      (shard) =>
        shard.apply(
          others.slice(from, from === 10 ? undefined : from + 2).map((event, i) =>
            young(event, farSeq + 3 + from + i)
          ),
        ).then(applied),
    ])),
    correct: (shard, ledger) =>
      ledger.correct(
        shard.shard,
        () => Promise.resolve([{ sku: "SKU-3", delta: 4, reservedDelta: 0, available: 4, reserved: 0 }]),
        note,
      ),
    seen: async (shard, ledger) => {
      await shard.recordHead(farSeq + 100);
      await shard.recordSeen({ epoch: 4, seq: farSeq + 101 }, farSeq + 90);
      const lost = { fromSeq: farSeq, toSeq: farSeq + 1, source: "ledger", actor: "a", reason: "r" } as const;
      await ledger.acceptLoss(shard.shard, lost);
      await shard.issueEpoch((await shard.cursor()).issuedEpoch, 0);
    },
  };
}

/** A number that is a dead letter in one shard alone hides no fault of another one. */
async function assertProvedAlone(
  ledger: Ledger,
  [idle, busy]: readonly [ShardLedger, ShardLedger],
  database: Queries,
): Promise<void> {
  const next = async (shard: ShardLedger, kind: string, id: string) => {
    const { epoch, seq } = await shard.cursor();
    const [stock = assert.fail()] = await shard.stock("", 1);
    const { sku, available, reserved } = stock;
    const units = kind === "confirm" ? 0 : 1;
    const held = kind === "reserve" ? 1 : 0;
    const line = {
      ...{ sku, delta: -units, reservedDelta: held },
      ...{ available: available - units, reserved: reserved + held },
    };
    const data = held ? { hold: holdMs, expires: atMs + holdMs } : {};
    const event = { ...opening(seq + 1, sku, 0), kind, id, userId: "user-1", data, lines: [line] };
    return applied(await shard.apply([entry(epoch, event)])).deadLetters;
  };
  await next(busy, "deduct", "one-more"); // as many numbers as the other shard has
  // A line that returns is found, although the other shard has a new line under the same number.
  assert.deepEqual([await next(busy, "deduct", "new"), await next(idle, "deduct", "held")], [0, 1]);
  assert.deepEqual([await next(busy, "confirm", "unknown"), await next(idle, "reserve", "lost")], [1, 0]);
  await database.script("delete from order_lines where shard = 0 and order_id = 'lost'");
  const faults: string[] = [];
  for await (const { check, subject } of ledger.prove(0, 365 * dayMs, () => {})) {
    faults.push(`${check}: ${subject}`);
  }
  assert.deepEqual(faults.map((fault) => fault.replace(/ SKU-.*/, "")), ["order lines: lost", "holds: lost"]);
}

/** A loss that was accepted for one shard stays open when another one is recovered. */
async function assertRecoveredAlone(
  ledger: Ledger,
  [idle, busy]: readonly [ShardLedger, ShardLedger],
): Promise<void> {
  const { seq: fromSeq } = await idle.cursor();
  const by = { actor: "cli:alice", reason: "backup" };
  const loss = { fromSeq, toSeq: fromSeq + 3, source: "store", ...by } as const;
  await ledger.acceptLoss(1, loss);
  await ledger.acceptLoss(0, loss);
  const { id = 0 } = await idle.recovery() ?? {};
  await idle.jump({ to: { epoch: 9, seq: fromSeq + 3 }, ...by, recoveryId: id });
  assert.equal(await idle.recovery(), undefined);
  assert.partialDeepStrictEqual(await busy.recovery(), loss);
}

/** Registers these tests. */
export function registerShards({ testOpening }: Registrar): void {
  testOpening("what is done in one shard is done in it alone, and is read of it alone", async (open) => {
    const { ledger, database } = await open();
    try {
      await ledger.prepare(2);
      const [idle, busy] = [await leased(ledger, 0), await leased(ledger, 1)];
      let expected = await contentsOf(ledger, idle, database);
      for (const [name, step] of Object.entries(stepsOf())) {
        await step(busy, ledger);
        assert.deepEqual(
          await contentsOf(ledger, idle, database),
          expected,
          `${name}: the other shard changed`,
        );
        expected = await contentsOf(ledger, busy, database);
        await step(idle, ledger);
        assert.deepEqual(await contentsOf(ledger, idle, database), expected, `${name}: it is read otherwise`);
      }
      assert.deepEqual(await contentsOf(ledger, busy, database), expected, "the first one changed");
      const [due = assert.fail("no compensation")] = await idle.compensations({ seq: 0, sku: "" }, 10);
      const { epoch, seq } = await idle.cursor();
      const [stock = assert.fail()] = await idle.stock("SKU-1", 1);
      const { sku, available, reserved } = stock;
      const line = { sku, delta: 1, reservedDelta: 0, available: available + 1, reserved };
      const back = { ...opening(seq + 1, "SKU-2", 1), kind: "adjust", id: compensationId(0, due.seq) };
      applied(await idle.apply([entry(epoch, { ...back, lines: [line] })]));
      assert.deepEqual(await idle.compensations({ seq: 0, sku: "" }, 10), []);
      assert.equal((await busy.compensations({ seq: 0, sku: "" }, 10)).length, 1);
      await assertProvedAlone(ledger, [idle, busy], database);
      await assertRecoveredAlone(ledger, [idle, busy]);
    } finally {
      await ledger.close();
    }
  });

  testOpening("numbers that one shard has lost are missed in another", async (open) => {
    const { ledger, database } = await open();
    try {
      await ledger.prepare(2);
      const [shard, other] = [await leased(ledger, 0), await leased(ledger, 1)];
      const made = [1, 2, 3, 4].map((seq) => opening(seq, `SKU-${seq}`, 10));
      applied(await shard.apply([entry(1, ...made)]));
      applied(await other.apply([entry(1, opening(1, "SKU-1", 10))]));
      await other.jump({ to: { epoch: 1, seq: 3 }, actor: "worker", reason: "a test" });
      await database.script(`alter table movements disable trigger user;
        delete from movements where shard = 0 and seq in (2, 3);
        alter table movements enable trigger user`);
      const faults: string[] = [];
      for await (const { check, wrong } of ledger.prove(0, 365 * dayMs, () => {})) {
        faults.push(`${check}: ${wrong}`);
      }
      assert.ok(faults.includes("numbers: numbers 2 to 3 are missing and not in log_jumps"), faults.join());
    } finally {
      await ledger.close();
    }
  });

  testOpening("numbers that one shard has lost are compared in another", async (open) => {
    const { ledger } = await open();
    try {
      await ledger.prepare(2);
      const [shard, other] = [await leased(ledger, 0), await leased(ledger, 1)];
      for (const each of [shard, other]) applied(await each.apply([entry(1, opening(1, "SKU-1", 10))]));
      await other.jump({ to: { epoch: 1, seq: 3 }, actor: "worker", reason: "a test" });
      applied(await shard.apply([entry(1, opening(2, "SKU-2", 10), opening(3, "SKU-3", 10))]));
      assert.deepEqual(await shard.divergent([entry(1, opening(2, "SKU-4", 10))]), [2]);
    } finally {
      await ledger.close();
    }
  });
}
