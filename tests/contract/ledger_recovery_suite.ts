/**
 * What every ledger must do, sixth part: know that it went back, and go over lost numbers as a person decided.
 */
import assert from "node:assert/strict";
import { applied, assertSums, atMs, entry, holdMs, type Registrar, sale, Shelf } from "./ledger_fixture.ts";

const accepted = {
  fromSeq: 1,
  toSeq: 9,
  source: "store",
  actor: "cli:alice",
  reason: "backup of May 3rd",
} as const;

/** Registers these tests. */
export function registerRecovery({ test }: Registrar): void {
  test("what a store knows beyond the ledger is recorded, never backwards, and its epoch is not issued", async ({ shard }) => {
    await shard.recordSeen({ epoch: 7, seq: 40 }, 30);
    await shard.recordSeen({ epoch: 3, seq: 20 }, 10);
    const seen = { recordedHead: 40, seenApplied: 30 };
    assert.deepEqual(await shard.cursor(), { epoch: 1, seq: 1, issuedEpoch: 1, ...seen });
    assert.equal(await shard.issueEpoch(1, 0), 8);
  });

  test("a jump takes the store's stock in by corrections, says who and why, and closes what was accepted", async (fixture) => {
    const { ledger, shard, rows } = fixture;
    await ledger.acceptLoss(0, { ...accepted, toSeq: 5 });
    await ledger.acceptLoss(0, accepted);
    const recovery = await shard.recovery();
    assert.deepEqual({ ...recovery, id: 0 }, { ...accepted, id: 0 }, "the last one counts");
    const { actor, reason } = accepted;
    await shard.jump({
      to: { epoch: 2, seq: 9 },
      actor,
      reason,
      recoveryId: recovery?.id ?? 0,
      corrections: [
        { sku: "SKU-1", delta: -4, reservedDelta: 1, available: 6, reserved: 1 },
        { sku: "SKU-2", delta: 5, reservedDelta: 0, available: 5, reserved: 0 },
      ],
    });
    assert.equal(await shard.recovery(), undefined);
    const { epoch, seq } = await shard.cursor();
    assert.deepEqual({ epoch, seq }, { epoch: 2, seq: 9 });
    assert.deepEqual(await rows("select from_seq, to_seq, count, actor, reason from log_jumps"), [
      { from_seq: 1, to_seq: 9, count: 8, actor, reason },
    ]);
    const reference = "numbers 2 to 9 are lost";
    assert.deepEqual(
      await rows(
        "select seq, sku, delta, actor, reason, reference from movements where kind = 'correction' order by line",
      ),
      [
        { seq: 1, sku: "SKU-1", delta: -4, actor, reason, reference },
        { seq: 1, sku: "SKU-2", delta: 5, actor, reason, reference },
      ],
    );
    await assertSums(fixture);
    const next = sale(10, "SKU-1", 5);
    applied(
      await shard.apply([entry(2, { ...next, lines: next.lines.map((line) => ({ ...line, reserved: 1 })) })]),
    );
    await assertSums(fixture);
  });

  test("events taken from a store stand at their own numbers, and the ledger is proved whole", async (fixture) => {
    const { ledger, shard, rows } = fixture;
    const shelf = new Shelf();
    applied(await shard.apply([entry(1, shelf.reserve("before", ["SKU-1", 2]))]));
    const [correction] = shelf.next("deduct", "forgotten", [["SKU-1", -1, 0]]).lines; // 3
    assert.ok(correction);
    const policy = { paused: true } as const;
    const recalled = [
      shelf.next("deduct", "lost", [["SKU-1", -2, 0]]),
      shelf.next("confirm", "before", [["SKU-1", 1, -2]]),
      shelf.next("return", "lost", [["SKU-1", 1, 0]], { reference: "return-1" }),
      shelf.reserve("held", ["SKU-1", 1]),
      shelf.next("create", "adjustment-8", [["SKU-2", 5, 0]], { userId: "" }),
      shelf.next("extend", "held", [["SKU-1", 0, 0]], { data: { expires: atMs + 2 * holdMs } }),
      shelf.next("rules", "", [["SKU-2", 0, 0]], { userId: "", data: { policy } }),
    ];
    const last = recalled.at(-1)?.seq ?? 0;
    await shard.jump({
      ...{ to: { epoch: 2, seq: last }, actor: "cli:alice", reason: "backup" },
      corrections: [correction],
      recalled: recalled.map((one) => one.kind === "extend" ? { ...one, seq: last } : one),
    });
    await assertSums(fixture);
    const faults = [];
    for await (const fault of ledger.prove(0, 86_400_000, () => {})) faults.push(fault);
    assert.deepEqual(faults, []);
    assert.deepEqual(
      await rows("select order_id, state, units, seq, settled_seq from order_lines order by seq"),
      [
        { order_id: "before", state: "confirmed", units: 1, seq: 2, settled_seq: 5 },
        { order_id: "lost", state: "accepted", units: 1, seq: 4, settled_seq: null },
        { order_id: "held", state: "held", units: 1, seq: 7, settled_seq: null },
      ],
    );
    const page = await shard.lines(0, { seq: 0, line: 0 }, 100);
    assert.deepEqual(
      page.rows.map(({ id, kind, seq, newStock }) => [id, kind, seq, newStock]).slice(1),
      [
        ["before", "reserve", 2, 8],
        ["lost", "deduct", 4, 5],
        ["lost", "return", 6, 7],
        ["held", "reserve", 7, 6],
        ["adjustment-8", "create", 8, 5],
      ],
    );
    assert.deepEqual((await shard.stock("", 10)).map(({ sku, policy }) => [sku, policy]), [
      ["SKU-1", null],
      ["SKU-2", policy],
    ]);
    applied(await shard.apply([entry(2, shelf.next("deduct", "after", [["SKU-1", -1, 0]]))]));
    await assertSums(fixture);
  });

  test("a number that was declared lost is not applied, although the batch was prepared before", async ({ shard, rows }) => {
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9))]));
    await shard.jump({ to: { epoch: 2, seq: 6 }, actor: "worker", reason: "a test" });
    assert.equal(applied(await shard.apply([entry(1, sale(3, "SKU-1", 8))])).events, 0);
    assert.deepEqual(await rows("select seq from movements order by seq"), [{ seq: 1 }, { seq: 2 }]);
    assert.equal((await shard.cursor()).seq, 6);
  });

  test("a basket taken from a store of which one line was sold before leaves none of its lines", async ({ shard, rows }) => {
    const shelf = new Shelf();
    const made = shelf.next("create", "adjustment-2", [["SKU-2", 5, 0]], { userId: "" });
    applied(await shard.apply([entry(1, made, shelf.next("deduct", "twice", [["SKU-1", -1, 0]]))]));
    const again = shelf.next("order", "twice", [["SKU-1", -1, 0], ["SKU-2", -1, 0]]);
    const by = { actor: "cli:alice", reason: "backup" };
    await shard.jump({ to: { epoch: 2, seq: again.seq }, ...by, recalled: [again] });
    assert.deepEqual(await rows("select seq from dead_letters"), [{ seq: again.seq }]);
    assert.deepEqual(await rows("select seq, sku from order_lines"), [{ seq: 3, sku: "SKU-1" }]);
  });

  test("events taken from a store that have no line of their own are dead letters", async ({ ledger, shard, rows }) => {
    const shelf = new Shelf();
    const end = (kind: string) => shelf.next(kind, "twice", [["SKU-1", 2, -2]]);
    applied(await shard.apply([entry(1, shelf.reserve("twice", ["SKU-1", 2]), end("cancel"))]));
    const recalled = [shelf.reserve("twice", ["SKU-1", 2]), end("expire")];
    const seq = recalled.at(-1)?.seq ?? 0;
    await shard.jump({ to: { epoch: 2, seq }, actor: "cli:alice", reason: "backup", recalled });
    assert.deepEqual(await rows("select seq from dead_letters order by seq"), [{ seq: seq - 1 }, { seq }]);
    assert.deepEqual(await shard.heldAside(), []);
    for await (const fault of ledger.prove(0, 86_400_000, () => {})) assert.fail(JSON.stringify(fault));
  });

  test("of two ends under one number, the one that has no line of its own is a dead letter", async ({ shard, rows }) => {
    const shelf = new Shelf();
    const end = (kind: string, id: string) => shelf.next(kind, id, [["SKU-1", 1, -1]]);
    applied(await shard.apply([entry(1, shelf.reserve("twice", ["SKU-1", 1]), end("cancel", "twice"))]));
    const held = [shelf.reserve("twice", ["SKU-1", 1]), shelf.reserve("once", ["SKU-1", 1])];
    const ends = [end("expire", "once"), end("expire", "twice")];
    const seq = ends.at(-1)?.seq ?? 0;
    const recalled = [...held, ...ends.map((event) => ({ ...event, seq }))];
    await shard.jump({ to: { epoch: 2, seq }, actor: "cli:alice", reason: "backup", recalled });
    const found = await rows(
      "select event ->> 'kind' as kind, event ->> 'id' as id from dead_letters order by seq",
    );
    assert.deepEqual(found, [{ kind: "reserve", id: "twice" }, { kind: "expire", id: "twice" }]);
  });

  test("a sale taken from a store a second time gives back its own units, and not those of its number", async ({ shard, rows }) => {
    const shelf = new Shelf();
    const sold = () => shelf.next("deduct", "twice", [["SKU-1", -1, 0]]);
    applied(await shard.apply([entry(1, shelf.reserve("held", ["SKU-1", 2]), sold())]));
    const end = shelf.next("expire", "held", [["SKU-1", 2, -2]]);
    const again = sold();
    const { seq } = again;
    const by = { actor: "cli:alice", reason: "backup" };
    await shard.jump({ to: { epoch: 2, seq }, ...by, recalled: [again, { ...end, seq }] });
    assert.deepEqual(await rows("select seq, sku, amount from compensations"), [{
      seq,
      sku: "SKU-1",
      amount: 1,
    }]);
  });
}
