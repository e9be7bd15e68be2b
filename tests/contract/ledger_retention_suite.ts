/**
 * What every ledger must do, eighth part: keep the sums of movements that are gone.
 */
import assert from "node:assert/strict";
import type { InventoryEvent } from "../../src/domain/event.ts";
import type { Ledger, ShardLedger } from "../../src/ledger/ledger.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { MovementPass } from "../../src/worker/movement_pass.ts";
import {
  applied,
  atMs,
  entry,
  leased,
  type LedgerFixture,
  opening,
  type Registrar,
  sale,
  Shelf,
} from "./ledger_fixture.ts";

const dayMs = 86_400_000;
/** More than a first range has. */
const farSeq = 1_010_000;

/** A few days of sales, and one more of a later day under a number that is far behind. */
class Years {
  readonly shelf = new Shelf();
  readonly policy = { paused: true } as const;
  readonly old: readonly InventoryEvent[];

  constructor(readonly shard: ShardLedger) {
    const { shelf, policy } = this;
    this.old = [
      shelf.next("create", "adjustment-2", [["SKU-2", 50, 0]], { userId: "" }),
      shelf.next("order", "basket", [["SKU-1", -2, 0], ["SKU-2", -3, 0]]),
      shelf.next("deduct", "plain", [["SKU-2", -4, 0]]),
      shelf.reserve("confirmed", ["SKU-2", 2]),
      shelf.next("confirm", "confirmed", [["SKU-2", 0, -2]]),
      shelf.next("return", "plain", [["SKU-2", 3, 0]], { reference: "return-1" }),
      shelf.next("pause", "", [["SKU-2", 0, 0]], { userId: "", data: { policy } }),
      shelf.next("rules", "", [["SKU-2", 0, 0]], { userId: "", data: { policy: { token: true } } }),
    ];
  }

  async sellOld(...more: InventoryEvent[]): Promise<void> {
    applied(await this.shard.apply([entry(1, ...this.old, ...more)]));
  }

  /** Numbers up to {@link farSeq} are lost, and the next ones are sold 12 days later. */
  async sellYoung(): Promise<void> {
    await this.shard.jump({ to: { epoch: 2, seq: farSeq }, actor: "worker", reason: "a test" });
    while (await this.shard.extendRanges());
    const events = ["SKU-1", "SKU-2"].map((sku, i) => ({
      ...this.shelf.next("deduct", `young-${i}`, [[sku, -1, 0]], { atMs: atMs + 12 * dayMs }),
      seq: farSeq + 1 + i,
    }));
    applied(await this.shard.apply([entry(2, ...events)]));
  }
}

/** Steps until nothing is left to do. Returns the numbers that became opening balances. */
async function foldAll(shard: ShardLedger, ageMs: number): Promise<number> {
  let numbers = 0;
  for (;;) {
    const folded = await shard.foldMovements(ageMs, 900_000);
    if (!folded) return numbers;
    numbers += folded.numbers;
  }
}

async function faultsOf(ledger: Ledger): Promise<string[]> {
  const faults: string[] = [];
  for await (const { check, seq, subject, wrong } of ledger.prove(0, 30 * dayMs, () => {})) {
    faults.push(`${check} ${seq} ${subject}: ${wrong}`);
  }
  return faults;
}

/** Movements and opening balances add up to the stock: by SQL, by the proof, and by the worker's own pass. */
async function assertWhole({ ledger, shard, rows }: LedgerFixture): Promise<void> {
  const sums = await rows(`select sku, sum(a) as available, sum(r) as reserved from (
      select sku, available as a, reserved as r from opening_balances
      union all select m.sku, m.delta, m.reserved_delta from movements m
      join log_cursor c on c.shard = m.shard and m.seq > c.opening_seq
    ) x group by sku order by sku`);
  const stock = await rows("select sku, available, reserved from stock order by sku");
  assert.deepEqual(sums.map((row) => [row.sku, Number(row.available), Number(row.reserved)]), [
    ...stock.map((row) => [row.sku, row.available, row.reserved]),
  ]);
  assert.deepEqual(await faultsOf(ledger), []);
  const pass = new MovementPass({ ledger: shard, world: realWorld });
  const cursor = await shard.cursor();
  for (let done = await pass.step(cursor);; done = await pass.step(cursor)) {
    if (done) return assert.deepEqual(done.found, []);
  }
}

/** What keeps a number from becoming an opening balance, made under a number and the one before it. */
type Keeper = (shard: ShardLedger, seq: number, epoch: number) => Promise<void>;

const keepers: Readonly<Record<string, Keeper>> = {
  "a line that is held": async (shard, seq, epoch) => {
    const lines = [{ sku: "SKU-1", delta: -2, reservedDelta: 2, available: 7, reserved: 2 }];
    const fields = { kind: "reserve", data: { hold: 600_000, expires: atMs + 600_000 } };
    applied(
      await shard.apply([
        entry(epoch, sale(seq - 1, "SKU-1", 9), { ...sale(seq, "SKU-1", 7), ...fields, lines }),
      ]),
    );
  },
  "a compensation": async (shard, seq, epoch) => {
    const again = (at: number, units: number) => sale(at, "SKU-1", units, { id: "again" });
    assert.equal(
      applied(await shard.apply([entry(epoch, again(seq - 1, 9), again(seq, 8))])).compensations,
      1,
    );
  },
  "a dead letter": async (shard, seq, epoch) => {
    const line = { sku: "SKU-1", delta: 0, reservedDelta: 0, available: 9, reserved: 0 };
    const stray = { ...sale(seq, "SKU-1", 9), kind: "extend", lines: [line] };
    assert.equal(
      applied(await shard.apply([entry(epoch, sale(seq - 1, "SKU-1", 9), stray)])).deadLetters,
      1,
    );
  },
  "a young movement": async (shard, seq, epoch) => {
    const young = sale(seq, "SKU-1", 8, { atMs: atMs + 12 * dayMs });
    applied(await shard.apply([entry(epoch, sale(seq - 1, "SKU-1", 9), young)]));
  },
};

/** A shard whose next number is `seq`, with 10 units of SKU-1. */
async function shardAt(ledger: Ledger, number: number, seq: number): Promise<ShardLedger> {
  const shard = await leased(ledger, number);
  applied(await shard.apply([entry(1, opening(1, "SKU-1", 10))]));
  await shard.jump({ to: { epoch: 2, seq: seq - 1 }, actor: "worker", reason: "a test" });
  while (await shard.extendRanges());
  return shard;
}

/** The next number, 12 days later. */
async function sellLater(shard: ShardLedger): Promise<void> {
  const { seq } = await shard.cursor();
  const [{ available = 0, reserved = 0 } = {}] = await shard.stock("", 1);
  const line = { sku: "SKU-1", delta: -1, reservedDelta: 0, available: available - 1, reserved };
  const later = { ...sale(seq + 1, "SKU-1", 0, { atMs: atMs + 12 * dayMs, id: "later" }), lines: [line] };
  applied(await shard.apply([entry(2, later)]));
}

/** Registers these tests. */
export function registerMovementRetention({ test, testOpening }: Registrar): void {
  testOpening(
    "the last number of a page of opening balances counts, and the age that they have",
    async (open) => {
      const { ledger } = await open();
      try {
        const all = Object.entries(keepers);
        await ledger.prepare(all.length + 1);
        const free = await shardAt(ledger, 0, farSeq);
        await sellLater(free);
        assert.equal(await free.foldMovements(12 * dayMs - 1, 1e9), undefined, "not old enough yet");
        assert.ok(await free.foldMovements(10 * dayMs, 1e9));
        const { seq: last } = await free.openings("", "");
        for (const [i, [what, keep]] of all.entries()) {
          const shard = await shardAt(ledger, i + 1, last - 1);
          await keep(shard, last, 2);
          await sellLater(shard);
          assert.equal(await shard.foldMovements(10 * dayMs, 1e9), undefined, what);
        }
      } finally {
        await ledger.close();
      }
    },
  );

  test("old movements become opening balances and are dropped; sums, rules and the proof stay", async (fixture) => {
    const { shard, rows } = fixture;
    const years = new Years(shard);
    await years.sellOld();
    assert.equal(await shard.foldMovements(10 * dayMs, 1000), undefined, "the cursor is among them");
    await years.sellYoung();
    await assertWhole(fixture);
    assert.equal(await shard.foldMovements(13 * dayMs, 1000), undefined, "none is old enough");

    // Two at once count once: the second finds the numbers of the first already added.
    const [first] = await Promise.all([1, 2].map(() => shard.foldMovements(10 * dayMs, 5)));
    assert.deepEqual(first, { numbers: 5, isDropped: false });
    const another = (seq: number) => entry(1, { ...years.old[0] ?? assert.fail(), seq, id: "another" });
    assert.deepEqual(await shard.divergent([another(4)]), [], "the last number of the opening balances");
    assert.deepEqual(await shard.divergent([another(5)]), [5]);
    await assertWhole(fixture);
    assert.ok(await foldAll(shard, 10 * dayMs) > 999_000);
    await assertWhole(fixture);
    const left = await rows("select seq from movements order by seq");
    assert.deepEqual(left, [{ seq: farSeq + 1 }, { seq: farSeq + 2 }]);
    const balances = await rows("select sku, available, reserved from opening_balances order by sku");
    assert.deepEqual(balances, [
      { sku: "SKU-1", available: 8, reserved: 0 },
      { sku: "SKU-2", available: 44, reserved: 0 },
    ]);
    assert.deepEqual((await shard.openings("SKU-1", "")).balances.map(({ sku }) => sku), ["SKU-2"]);
    assert.deepEqual((await shard.openings("", "SKU-1")).balances.map(({ sku }) => sku), ["SKU-1"]);
  });

  test("applied numbers whose movements are gone are skipped, and what follows is applied", async (fixture) => {
    const { shard } = fixture;
    const years = new Years(shard);
    await years.sellOld();
    await years.sellYoung();
    await foldAll(shard, 10 * dayMs);
    assert.deepEqual(await shard.divergent([entry(1, ...years.old)]), []);
    const next = {
      ...years.shelf.next("deduct", "next", [["SKU-1", -1, 0]], { atMs: atMs + 12 * dayMs }),
      seq: farSeq + 3,
    };
    assert.equal(applied(await shard.apply([entry(2, next)])).events, 1);
    await assertWhole(fixture);
  });

  test("movements of a line that is held are no opening balance", async (fixture) => {
    const { shard, rows } = fixture;
    const years = new Years(shard);
    await years.sellOld(years.shelf.reserve("held", ["SKU-1", 1]));
    const before = await rows("select seq from movements order by seq");
    await years.sellYoung();
    assert.equal(await shard.foldMovements(10 * dayMs, 1000), undefined);
    assert.equal((await rows("select seq from movements order by seq")).length, before.length + 2);
  });

  test("movements of an open compensation or dead letter are no opening balance, those of a closed one are", async (fixture) => {
    const { ledger, shard, rows } = fixture;
    const years = new Years(shard);
    const again = (userId: string) => years.shelf.next("deduct", "plain", [["SKU-2", -4, 0]], { userId });
    await years.sellOld(again("another"));
    await years.sellYoung();
    assert.equal(await shard.foldMovements(10 * dayMs, 1000), undefined, "a dead letter");
    const [letter] = await rows("select id from dead_letters");
    const note = { actor: "cli:alice", reason: "looked at", reference: "" };
    assert.equal((await ledger.closeDeadLetter(Number(letter?.id), note, "give back")).kind, "closed");
    assert.equal(await shard.foldMovements(10 * dayMs, 1000), undefined, "its compensation");
    await fixture.database.script("update compensations set done_at = created_at");
    assert.deepEqual(await shard.foldMovements(10 * dayMs, 5), { numbers: 5, isDropped: false });
  });

  test("rules that only a movement that is gone has set are proved, and a slip is found", async (fixture) => {
    const { database, ledger, shard } = fixture;
    const years = new Years(shard);
    await years.sellOld();
    await years.sellYoung();
    await foldAll(shard, 10 * dayMs);
    await database.script("update stock set policy = null where sku = 'SKU-2'");
    assert.match((await faultsOf(ledger)).join(), /^rules 0 SKU-2: stock has no rules/);
    await database.script("update opening_balances set available = available + 1 where sku = 'SKU-1'");
    assert.match((await faultsOf(ledger)).join(), /figures 1010001 SKU-1/);
  });
}
