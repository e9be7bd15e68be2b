/**
 * What every ledger must do, fourth part: say all that a rebuilt shard has to know.
 */
import assert from "node:assert/strict";
import type { ShardLedger } from "../../src/ledger/ledger.ts";
import type { QuotaCursor, QuotaPage } from "../../src/ledger/pages.ts";
import type { LineRow, QuotaRow } from "../../src/domain/rows.ts";
import type { StoredPolicy } from "../../src/domain/event.ts";
import {
  applied,
  assertSums,
  assertWhole,
  atMs,
  entry,
  holdMs,
  plainLine,
  type Registrar,
  Shelf,
} from "./ledger_fixture.ts";

/** What a stock keeper's event has in addition to its changes. */
const keeper = { userId: "" };

/** Registers these tests. */
export function registerRebuildReads({ test }: Registrar): void {
  test("a held order that a page cuts just before the window comes once, and a new walk finds its window anew", async ({ shard }) => {
    const shelf = new Shelf();
    const sinceMs = atMs + 86_400_000;
    assert.deepEqual(await allLines(shard, sinceMs, 5), []);
    const made = shelf.next("create", "adjustment-2", [["SKU-2", 5, 0]], keeper);
    const earlier = shelf.reserve("earlier", ["SKU-1", 1]);
    const held = shelf.reserve("held", ["SKU-1", 1], ["SKU-2", 1]);
    const young = shelf.next("deduct", "young", [["SKU-1", -1, 0]], { atMs: sinceMs });
    applied(await shard.apply([entry(1, made, earlier, held, young)]));
    for (const limit of [1, 2, 5]) {
      const lines = (await allLines(shard, sinceMs, limit)).map(({ id, sku }) => [id, sku]);
      const expected = [["earlier", "SKU-1"], ["held", "SKU-1"], ["held", "SKU-2"], ["young", "SKU-1"]];
      assert.deepEqual(lines, expected, `${limit} a page`);
    }
  });

  test("reservations that are dead letters are read from all pages of them", async ({ shard, database }) => {
    const shelf = new Shelf();
    const once = [shelf.reserve("held", ["SKU-1", 1]), shelf.next("cancel", "held", [["SKU-1", 1, -1]])];
    applied(await shard.apply([entry(1, ...once)]));
    const letters = Array.from({ length: 1000 }, () => "(0, 1, '{\"data\":{}}', '02000', 'a test')");
    await database.script(
      `insert into dead_letters (shard, seq, event, sqlstate, reason) values ${letters.join(", ")}`,
    );
    assert.equal(applied(await shard.apply([entry(1, shelf.reserve("held", ["SKU-1", 2]))])).deadLetters, 1);
    assert.partialDeepStrictEqual(await shard.heldAside(), [{ id: "held", sku: "SKU-1", amount: 2 }]);
  });

  for (const units of [4, 3]) {
    for (const way of ["log", "store"]) {
      const what = `${units} of 4 units of a basket that was sold are prepared again, as the ${way} says`;
      test(`${what}: they are held until their abort`, async ({ ledger, shard }) => {
        const shelf = new Shelf();
        const step = (kind: string, delta: number, held: number) =>
          shelf.next(kind, "basket", [["SKU-1", delta, held]], {
            reference: kind === "prepare" ? "0/again" : "",
          });
        applied(await shard.apply([entry(1, step("prepare", -4, 4), step("commit", 0, -4))]));
        const again = step("prepare", -units, units);
        const by = { to: { epoch: 1, seq: 4 }, actor: "cli:alice", reason: "backup" };
        if (way === "store") await shard.jump({ ...by, corrections: [], recalled: [again] });
        else assert.equal(applied(await shard.apply([entry(1, again)])).compensations, 1);

        const open = () => shard.compensations({ seq: 0, sku: "" }, 10);
        assert.deepEqual(await open(), [
          {
            seq: 4,
            sku: "SKU-1",
            amount: units,
            kind: "prepare",
            orderId: "basket",
            soldUnits: 4,
            returnedUnits: 0,
          },
        ]);
        const held = { kind: "prepare", state: "held", amount: units, units, seq: 4, attempt: "0/again" };
        assert.partialDeepStrictEqual(await shard.heldAside(), [{ id: "basket", sku: "SKU-1", ...held }]);
        applied(await shard.apply([entry(1, step("abort", units, -units))]));
        assert.deepEqual([await open(), await shard.heldAside()], [[], []]);
        assert.partialDeepStrictEqual((await ledger.findOrder("basket")).lines, [{
          seq: 2,
          state: "accepted",
        }]);
        await assertWhole({ ledger });
      });
    }
  }

  for (const first of [1, 2, 3, 4]) {
    test(`a sale that is decided first keeps its line, whatever is aborted after it, in batches of ${first} and more`, async ({ ledger, shard }) => {
      const shelf = new Shelf();
      const step = (kind: string, delta: number, held: number) =>
        shelf.next(kind, "basket", [["SKU-1", delta, held]]);
      const sold = [step("prepare", -4, 4), step("commit", 0, -4)];
      const all = [...sold, step("prepare", -4, 4), step("abort", 4, -4)];
      for (const batch of [all.slice(0, first), all.slice(first)]) {
        if (batch.length > 0) assert.equal(applied(await shard.apply([entry(1, ...batch)])).deadLetters, 0);
      }
      const { lines } = await ledger.findOrder("basket");
      assert.deepEqual(lines.map(({ seq, state }) => [seq, state]), [[2, "accepted"]]);
      assert.deepEqual(await shard.compensations({ seq: 0, sku: "" }, 10), []);
      await assertWhole({ ledger });
    });
  }

  test("a SKU's policy is the last that was said: set, changed, cleared", async ({ shard, rows }) => {
    const shelf = new Shelf();
    const say = (kind: string, policy: StoredPolicy) =>
      shelf.next(kind, "", [["SKU-1", 0, 0]], { ...keeper, data: { policy } });
    const policy = async () => (await shard.stock("", 1)).map((row) => row.policy);

    applied(await shard.apply([entry(1, say("pause", { paused: true }))]));
    assert.deepEqual(await policy(), [{ paused: true }]);
    const window = { opens: atMs, closes: atMs + 1, quota: 3, token: true, sale: 4 } as const;
    applied(await shard.apply([entry(1, say("resume", {}), say("rules", window))]));
    assert.deepEqual(await policy(), [window]);
    applied(await shard.apply([entry(1, shelf.next("deduct", "order", [["SKU-1", -1, 0]]))]));
    assert.deepEqual(await policy(), [window]);
    applied(await shard.apply([entry(1, say("pause", { paused: true }), say("resume", {}))]));
    assert.deepEqual(await policy(), [null]);
    assert.deepEqual(
      await rows("select seq, data from movements where kind in ('pause', 'deduct') order by seq"),
      [
        { seq: 2, data: { policy: { paused: true } } },
        { seq: 5, data: null },
        { seq: 6, data: { policy: { paused: true } } },
      ],
    );
  });

  test("reservations that are dead letters are held until they end", async ({ shard }) => {
    const shelf = new Shelf();
    const data = { expires: atMs + holdMs, hold: holdMs };
    const reserve = (id: string, reason = "") =>
      shelf.next("reserve", id, [["SKU-1", -2, 2]], { data, reason, userId: "user" });
    const end = (kind: string, id: string) => shelf.next(kind, id, [["SKU-1", 2, -2]]);
    applied(await shard.apply([entry(1, reserve("twice"), end("cancel", "twice"), reserve("lapses"))]));
    applied(await shard.apply([entry(1, end("expire", "lapses"))]));
    assert.deepEqual(await shard.heldAside(), []);

    const again = [reserve("twice", "\0 in PostgreSQL"), reserve("lapses")];
    const longer = shelf.next("extend", "twice", [["SKU-1", 0, 0]], { data: { expires: atMs + 2 * holdMs } });
    // Four rows: the text is one of its own.
    assert.equal(applied(await shard.apply([entry(1, ...again, longer)])).deadLetters, 4);
    const seqs = async () => (await shard.heldAside()).map(({ id, seq }) => [id, seq]);
    assert.deepEqual(await seqs(), [["twice", 6], ["lapses", 7]]);
    assert.partialDeepStrictEqual(await shard.heldAside(), [
      { sku: "SKU-1", kind: "reserve", state: "held", amount: 2, units: 2, expiresAtMs: atMs + 2 * holdMs },
      { holdMs, expiresAtMs: atMs + holdMs, userId: "user", returnId: "" },
    ]);
    applied(await shard.apply([entry(1, end("expire", "lapses"))]));
    assert.deepEqual(await seqs(), [["twice", 6]]);
    applied(await shard.apply([entry(1, end("confirm", "twice"))]));
    assert.deepEqual(await seqs(), []);
  });

  test("a SKU that its rules made has them, before and after its first stock", async ({ shard }) => {
    const shelf = new Shelf();
    const rules = (policy: StoredPolicy) =>
      shelf.next("rules", "", [["SKU-2", 0, 0]], { ...keeper, data: { policy } });
    const first = { quota: 1, sale: 1, version: 1, unstocked: true } as const;
    applied(await shard.apply([entry(1, rules(first))]));
    assert.deepEqual(await shard.stock("SKU-1", 1), [
      { sku: "SKU-2", available: 0, reserved: 0, policy: first },
    ]);
    const stocked = { quota: 2, sale: 1, version: 2 };
    const made = { ...keeper, data: { policy: stocked } };
    applied(
      await shard.apply([
        entry(
          1,
          rules({ ...first, quota: 2, version: 2 }),
          shelf.next("create", "a", [["SKU-2", 5, 0]], made),
        ),
      ]),
    );
    assert.deepEqual(await shard.stock("SKU-1", 1), [
      { sku: "SKU-2", available: 5, reserved: 0, policy: stocked },
    ]);
  });

  test("a SKU made and given rules in one batch has them", async ({ shard }) => {
    const shelf = new Shelf();
    const made = shelf.next("create", "adjustment-2", [["SKU-2", 5, 0]], keeper);
    const rules = shelf.next("rules", "", [["SKU-2", 0, 0]], {
      ...keeper,
      data: { policy: { token: true } },
    });
    applied(await shard.apply([entry(1, made, rules)]));
    assert.deepEqual(await shard.stock("SKU-1", 1), [
      { sku: "SKU-2", available: 5, reserved: 0, policy: { token: true } },
    ]);
  });

  test("quotas count what is still sold or held within the window, in pages of lines", async (fixture) => {
    const { shard } = fixture;
    const shelf = new Shelf();
    const quota = (sku: string, sale: number) =>
      shelf.next("rules", "", [[sku, 0, 0]], { ...keeper, data: { policy: { quota: 5, sale } } });
    const sell = (sku: string, userId: string, id: string) =>
      shelf.next("deduct", id, [[sku, -1, 0]], { userId });
    applied(
      await shard.apply([entry(
        1,
        shelf.next("create", "adjustment-2", [["SKU-2", 50, 0]], keeper),
        shelf.next("create", "adjustment-3", [["SKU-3", 50, 0]], keeper),
        sell("SKU-2", "early", "before the window"),
        quota("SKU-2", 5),
        sell("SKU-2", "b", "in the batch that opens it"),
        sell("SKU-3", "b", "a SKU without quota"),
      )]),
    );
    const held = { ...shelf.reserve("held", ["SKU-2", 2]), userId: "ä" };
    const over = { ...shelf.reserve("over", ["SKU-2", 3]), userId: "over" };
    applied(
      await shard.apply([entry(
        1,
        held,
        over,
        shelf.next("cancel", "over", [["SKU-2", 3, -3]]),
        shelf.next("order", "basket", [["SKU-1", -1, 0], ["SKU-2", -4, 0]], { userId: "B" }),
        shelf.next("return", "basket", [["SKU-2", 1, 0]], { userId: "B", reference: "return-1" }),
        sell("SKU-2", "b", "again"),
      )]),
    );
    assert.deepEqual(await allQuotas(shard), [
      { userId: "B", sku: "SKU-2", units: 3, sale: 5 },
      { userId: "b", sku: "SKU-2", units: 2, sale: 5 },
      { userId: "ä", sku: "SKU-2", units: 2, sale: 5 },
    ]);

    applied(
      await shard.apply([entry(
        1,
        quota("SKU-2", 14), // a new window: all that was bought before no longer counts
        quota("SKU-3", 15),
        sell("SKU-3", "b", "three"),
        sell("SKU-2", "b", "two"),
      )]),
    );
    assert.deepEqual(await allQuotas(shard), [
      { userId: "b", sku: "SKU-2", units: 1, sale: 14 },
      { userId: "b", sku: "SKU-3", units: 1, sale: 15 },
    ]);
    applied(
      await shard.apply([
        entry(1, shelf.next("rules", "", [["SKU-3", 0, 0]], { ...keeper, data: { policy: {} } })),
      ]),
    );
    assert.deepEqual(await allQuotas(shard), [{ userId: "b", sku: "SKU-2", units: 1, sale: 14 }]);
    await assertSums(fixture);
  });

  test("sales taken from a store under one number count for a quota each, also in pages of one", async ({ shard }) => {
    const shelf = new Shelf();
    const policy = { quota: 5, sale: 2 };
    applied(
      await shard.apply([
        entry(1, shelf.next("rules", "", [["SKU-1", 0, 0]], { ...keeper, data: { policy } })),
      ]),
    );
    const [one, other] = ["one", "other"].map((id) =>
      shelf.next("deduct", id, [["SKU-1", -1, 0]], { userId: id })
    );
    const recalled = [one, other].map((event) => ({ ...event ?? assert.fail(), seq: 4 }));
    const by = { actor: "cli:alice", reason: "backup" };
    await shard.jump({ to: { epoch: 2, seq: 4 }, ...by, recalled });
    assert.deepEqual(await allQuotas(shard), [
      { userId: "one", sku: "SKU-1", units: 1, sale: 2 },
      { userId: "other", sku: "SKU-1", units: 1, sale: 2 },
    ]);
  });

  test("remembered lines say all of each kind", async ({ shard }) => {
    const shelf = new Shelf();
    applied(
      await shard.apply([entry(
        1,
        shelf.next("deduct", "plain", [["SKU-1", -1, 0]]),
        shelf.next("create", "made", [["SKU-2", 5, 0]], { ...keeper, reference: "invoice" }),
        shelf.next("adjust", "less", [["SKU-2", -2, 0]], keeper),
        shelf.next("set", "put", [["SKU-2", 4, 0]], keeper),
        shelf.next("order", "basket", [["SKU-1", -1, 0], ["SKU-2", -2, 0]], { userId: "user-2" }),
        shelf.next("return", "basket", [["SKU-2", 1, 0]], { userId: "user-2", reference: "return-1" }),
        shelf.reserve("taken", ["SKU-1", 2]),
        shelf.reserve("open", ["SKU-2", 1]),
        shelf.next("confirm", "taken", [["SKU-1", 1, -2]]),
        shelf.next("pause", "", [["SKU-2", 0, 0]], { ...keeper, data: { policy: { paused: true } } }),
      )]),
    );
    const { rows } = await shard.lines(atMs + 2, { seq: 0, line: 0 }, 100);
    const adjustment = { userId: "", units: 0 };
    const bought = { id: "basket", seq: 6, kind: "order", userId: "user-2" };
    const hold = { kind: "reserve", holdMs, expiresAtMs: atMs + holdMs };
    assert.deepEqual(rows, [
      plainLine({ id: "plain", sku: "SKU-1", amount: 1, newStock: 9, seq: 2 }),
      plainLine({ ...adjustment, id: "made", sku: "SKU-2", kind: "create", amount: 5, newStock: 5, seq: 3 }),
      plainLine({ ...adjustment, id: "less", sku: "SKU-2", kind: "adjust", amount: -2, newStock: 3, seq: 4 }),
      plainLine({ ...adjustment, id: "put", sku: "SKU-2", kind: "set", amount: 4, newStock: 7, seq: 5 }),
      plainLine({ ...bought, sku: "SKU-1", amount: 1, newStock: 8 }),
      plainLine({ ...bought, sku: "SKU-2", amount: 2, newStock: 5, units: 1 }),
      plainLine({
        ...{ ...bought, seq: 7, kind: "return", returnId: "return-1" },
        ...{ sku: "SKU-2", amount: 1, newStock: 6, units: 0 },
      }),
      plainLine({
        ...{
          ...hold,
          id: "taken",
          sku: "SKU-1",
          amount: 2,
          newStock: 6,
          seq: 8,
          state: "confirmed",
          units: 1,
        },
        ...{ settledSeq: 10, settledUnits: 1, settledStock: 7 },
      }),
      plainLine({ ...hold, id: "open", sku: "SKU-2", amount: 1, newStock: 5, seq: 9, state: "held" }),
    ]);
  });

  test("a remembered line has the name of its token; imported and open sales have no owner", async ({ ledger, shard }) => {
    const shelf = new Shelf();
    const actors = ["shop", "", "cli:alice", "cli", "x".repeat(64)];
    const sales = actors.map((actor, i) => shelf.next("deduct", `o${i}`, [["SKU-1", -1, 0]], { actor }));
    applied(await shard.apply([entry(1, ...sales)]));
    const { rows } = await shard.lines(atMs, { seq: 1, line: 0 }, 100);
    const expected = ["shop", "", "", "cli", "x".repeat(64)];
    assert.deepEqual(rows.map(({ actor }) => actor), expected);
    const found = await Promise.all(actors.map((_, i) => ledger.findOrder(`o${i}`)));
    assert.deepEqual(found.map(({ lines }) => lines[0]?.actor), expected);
  });

  test("remembered lines come in pages: those of the window, and whatever is still held", async ({ shard }) => {
    const shelf = new Shelf();
    applied(
      await shard.apply([entry(
        1,
        shelf.reserve("held for long", ["SKU-1", 1]),
        shelf.next("deduct", "too old", [["SKU-1", -1, 0]]),
        shelf.reserve("settled", ["SKU-1", 1]),
        shelf.reserve("held as well", ["SKU-1", 1]),
        shelf.next("expire", "settled", [["SKU-1", 1, -1]]),
        shelf.next("create", "made", [["SKU-2", 5, 0]], keeper),
        // Clocks go backwards at times: within the window by number, too old by time.
        shelf.next("deduct", "late", [["SKU-1", -1, 0]], { atMs }),
        { ...shelf.reserve("late but held", ["SKU-1", 1]), atMs },
        shelf.next("order", "basket", [["SKU-1", -1, 0], ["SKU-2", -2, 0]]),
        shelf.next("adjust", "less", [["SKU-2", -3, 0]], keeper),
      )]),
    );
    const expected = [
      ...["held for long SKU-1", "held as well SKU-1", "made SKU-2", "late but held SKU-1"],
      ...["basket SKU-1", "basket SKU-2", "less SKU-2"],
    ];
    for (const limit of [1, 2, 3, 100]) {
      const rows = await allLines(shard, atMs + 7, limit);
      assert.deepEqual(rows.map(({ id, sku }) => `${id} ${sku}`), expected, `${limit} rows a page`);
    }
    const heldOnly = await allLines(shard, atMs + 1000, 2);
    assert.deepEqual(heldOnly.map(({ id }) => id), ["held for long", "held as well", "late but held"]);
  });

  test("with nothing in the window and nothing held there are no remembered lines", async ({ shard }) => {
    assert.deepEqual(await shard.lines(atMs + 2, { seq: 0, line: 0 }, 10), { rows: [], next: undefined });
  });
}

/** What the pages add up to, of any size. */
async function allQuotas(shard: ShardLedger): Promise<QuotaRow[]> {
  const found: QuotaRow[][] = [];
  for (const limit of [1, 2, 100]) {
    const all = new Map<string, QuotaRow>();
    for (let after: QuotaCursor | undefined = { sku: "", seq: 0, line: 0 }; after;) {
      const { rows, next }: QuotaPage = await shard.quotas(after, limit);
      assert.ok(rows.length <= limit);
      for (const row of rows) {
        const key = `${row.userId} ${row.sku}`;
        all.set(key, { ...row, units: row.units + (all.get(key)?.units ?? 0) });
      }
      after = next;
    }
    found.push([...all.keys()].sort().flatMap((key) => all.get(key) ?? []));
  }
  const [first = []] = found;
  for (const other of found) assert.deepEqual(other, first);
  return first;
}

async function allLines(shard: ShardLedger, sinceMs: number, limit: number): Promise<LineRow[]> {
  const all: LineRow[] = [];
  for (let after: { seq: number; line: number } | undefined = { seq: 0, line: 0 }; after;) {
    const page = await shard.lines(sinceMs, after, limit);
    assert.ok(page.rows.length <= limit);
    all.push(...page.rows);
    after = page.next;
  }
  return all;
}
