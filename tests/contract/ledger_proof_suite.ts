/**
 * What every ledger must do, sixth part: prove that it is whole, and say exactly what is not.
 */
import assert from "node:assert/strict";
import type { Queries } from "../../src/ledger/database.ts";
import { compensationId } from "../../src/ledger/compensation_id.ts";
import type { Ledger, ShardLedger } from "../../src/ledger/ledger.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { MovementPass } from "../../src/worker/movement_pass.ts";
import { applied, atMs, entry, holdMs, type Registrar, Shelf } from "./ledger_fixture.ts";

const dayMs = 86_400_000;
const keeper = { userId: "" };

/** Everything that an order and a SKU can go through, and a rebuild that lost three numbers. */
async function live(shard: ShardLedger): Promise<void> {
  const shelf = new Shelf();
  const policy = { paused: true } as const;
  applied(
    await shard.apply([
      entry(
        1,
        shelf.next("create", "adjustment-2", [["SKU-2", 50, 0]], keeper),
        shelf.next("order", "basket", [["SKU-1", -2, 0], ["SKU-2", -3, 0]]),
        shelf.next("deduct", "plain", [["SKU-2", -4, 0]]),
        shelf.reserve("held", ["SKU-2", 5]),
        shelf.reserve("confirmed", ["SKU-2", 2], ["SKU-1", 1]),
      ),
      entry(
        1,
        shelf.next("extend", "held", [["SKU-2", 0, 0]], { data: { expires: atMs + 2 * holdMs } }),
        shelf.next("confirm", "confirmed", [["SKU-2", 1, -2], ["SKU-1", 0, -1]]),
        shelf.next("return", "plain", [["SKU-2", 3, 0]], { reference: "return-1" }),
        shelf.next("pause", "", [["SKU-2", 0, 0]], { ...keeper, data: { policy } }),
        shelf.next("deduct", "plain", [["SKU-2", -4, 0]]), // 11: a second time, after the window
        shelf.next("adjust", compensationId(0, 11), [["SKU-2", 4, 0]], keeper),
        shelf.next("deduct", "plain", [["SKU-2", -7, 0]], { userId: "user-2" }), // 13: a dead letter
      ),
    ]),
  );
  await shard.jump({ to: { epoch: 2, seq: 16 }, actor: "worker", reason: "the store is empty" });
  for (let i = 0; i < 3; i++) shelf.next("deduct", "lost", []);
  applied(await shard.apply([entry(2, shelf.next("deduct", "after", [["SKU-1", -1, 0]]))]));
}

async function faultsOf(ledger: Ledger): Promise<string[]> {
  const faults: string[] = [];
  for await (const { check, seq, subject, wrong } of ledger.prove(0, 30 * dayMs, () => {})) {
    faults.push(`${check} ${seq} ${subject}: ${wrong}`);
  }
  return faults;
}

/** Changes movements, which only grow without this. */
function tamper(database: Queries, statement: string): Promise<void> {
  return database.script(
    `alter table movements disable trigger user; ${statement}; alter table movements enable trigger user`,
  );
}

/** Changes by hand, and what the proof says of them. */
const slips: readonly { readonly by: string; readonly says: readonly RegExp[] }[] = [
  {
    by: "delete from movements where seq = 4",
    says: [
      /^numbers 5 : numbers 4 to 4 are missing/,
      /^figures 5 SKU-2: 38\+5 is the stated stock, the sum is 42\+5/,
      /^stock 0 SKU-2: stock has 33\+5, the movements give 37\+5/,
      /^order lines 4 plain SKU-2: no movement sold it/,
    ],
  },
  {
    by: "delete from movements where seq = 3 and line = 1",
    says: [/^figures 4 SKU-2/, /^stock 0 SKU-2/, /^order lines 3 basket SKU-2: no movement sold it/],
  },
  {
    by: "delete from movements where seq = 17",
    says: [/the movements end at 16, the cursor is at 17/, /^stock 0 SKU-1/, /^order lines 17/],
  },
  {
    by: "update movements set delta = -1, available_after = available_after + 1 where seq = 17",
    says: [/^figures 17 SKU-1: 7\+0/, /new_stock/],
  },
  {
    by: "update movements set available_after = 1 where seq = 17",
    says: [/^figures 17 SKU-1: 1\+0/, /new_stock/],
  },
  { by: "delete from log_jumps", says: [/^numbers 17 : numbers 14 to 16 are missing/] },
  {
    by: "update log_jumps set from_seq = 12, count = 4",
    says: [/^numbers 17 : numbers 14 to 16/, /log_jumps says that 13 to 16 are lost, but they are present/],
  },
  {
    by: "update log_cursor set seq = 13, epoch = 1",
    says: [/the movements go on to 17, the cursor is at 13/],
  },
  {
    by: "update stock set available = available + 10 where sku = 'SKU-1'",
    says: [/^stock 0 SKU-1: .* 16\+0/],
  },
  { by: "update stock set reserved = 0 where sku = 'SKU-2'", says: [/^stock 0 SKU-2/] },
  { by: "delete from stock where sku = 'SKU-1'", says: [/^stock 0 SKU-1: its row in stock is missing/] },
  { by: "update stock set policy = null where sku = 'SKU-2'", says: [/^rules 0 SKU-2: stock has no rules/] },
  { by: "update stock set policy = '{\"quota\":1}' where sku = 'SKU-1'", says: [/^rules 0 SKU-1: .*quota/] },
  {
    by: "delete from order_lines where order_id = 'basket' and sku = 'SKU-2'",
    says: [/^order lines 3 basket SKU-2: order: its order line is missing/],
  },
  {
    by: "update order_lines set amount = 9 where order_id = 'basket' and sku = 'SKU-1'",
    says: [/amount 9 instead of 2/, /units 2 instead of 9/],
  },
  {
    by: "update order_lines set user_id = 'eve' where order_id = 'after'",
    says: [/^order lines 17 after SKU-1: deduct: user$/],
  },
  {
    by: "update order_lines set units = 4 where order_id = 'plain'",
    says: [/^order lines 4 plain SKU-2: units 4 instead of 1/],
  },
  {
    by: "update order_lines set state = 'cancelled' where order_id = 'confirmed'",
    says: [/state cancelled/, /state cancelled/],
  },
  {
    by: "update order_lines set expires_at = now() where order_id = 'held'",
    says: [/^holds 5 held SKU-2: expires at/],
  },
  {
    by: "delete from order_lines where order_id = 'held'",
    says: [/its order line is missing/, /^holds 5 held SKU-2: it is held by its movements/],
  },
  {
    by:
      "insert into order_lines (shard, order_id, sku, user_id, amount, kind, state, units, has_quota, fingerprint, new_stock, seq, line, accepted_at) select shard, 'planted', sku, user_id, amount, kind, state, units, has_quota, fingerprint, new_stock, 99, 0, accepted_at from order_lines where order_id = 'after'",
    says: [/^order lines 99 planted SKU-1: no movement sold it/],
  },
  {
    by: "update compensations set done_at = null",
    says: [/^compensations 11 SKU-2: it is open, and was returned 1 times/],
  },
  {
    by: "delete from compensations",
    says: [/^order lines 11 plain SKU-2: deduct: its order line belongs to number 4/],
  },
  {
    by: "delete from dead_letters",
    says: [/^order lines 13 plain SKU-2: deduct: its order line belongs to number 4/],
  },
];

/** Registers these tests. */
export function registerProof({ test }: Registrar): void {
  test("a ledger that went through everything is proved whole, and each slip of a hand is found", async (fixture) => {
    const { ledger, shard, database } = fixture;
    await live(shard);
    await database.script("update compensations set done_at = now()");
    assert.deepEqual(await faultsOf(ledger), []);
    const tables = [
      "movements",
      "order_lines",
      "stock",
      "log_cursor",
      "log_jumps",
      "compensations",
      "dead_letters",
    ];
    await database.script(tables.map((name) => `create table kept_${name} as table ${name}`).join(";"));
    const wrong: string[] = [];
    for (const { by, says } of slips) {
      const [, name = ""] = /(?:update|delete from|into) (\w+)/.exec(by) ?? [];
      await tamper(database, by);
      const faults = await faultsOf(ledger);
      const rest = says.filter((words) => !faults.some((fault) => words.test(fault)));
      if (faults.length !== says.length || rest.length > 0) {
        wrong.push(`${by}: ${rest}\n${faults.join("\n")}`);
      }
      const overriding = name === "dead_letters" ? "overriding system value" : "";
      await tamper(database, `delete from ${name}; insert into ${name} ${overriding} table kept_${name}`);
    }
    assert.equal(wrong.join("\n\n"), "");
    assert.deepEqual(await faultsOf(ledger), []);
  });

  test("a correction puts the sums right without hiding what it is for", async ({ ledger, shard, database }) => {
    await live(shard);
    await tamper(database, "delete from movements where seq = 17");
    await database.script("update log_cursor set seq = 16");
    const note = { actor: "cli:alice", reason: "event 17 was deleted", reference: "" };
    const correction = { sku: "SKU-1", delta: -1, reservedDelta: 0, available: 6, reserved: 0 };
    await ledger.correct(0, () => Promise.resolve([correction]), note);
    assert.deepEqual(await faultsOf(ledger), ["order lines 17 after SKU-1: no movement sold it"]);
  });

  test("stock as it was after a number, and the sums of movements by ranges, are those of the events", async ({ shard }) => {
    await live(shard);
    const skus = ["SKU-1", "SKU-2", "SKU-3"];
    const at = async (seq: number) =>
      (await shard.stockAt(skus, seq)).map((row) =>
        `${row.sku} ${row.available}+${row.reserved} ${row.policy}`
      )
        .sort();
    assert.deepEqual(await at(17), ["SKU-1 6+0 {}", 'SKU-2 33+5 {"paused":true}']);
    assert.deepEqual(await at(10), ["SKU-1 7+0 {}", 'SKU-2 40+5 {"paused":true}']);
    assert.deepEqual(await at(4), ["SKU-1 8+0 {}", "SKU-2 43+0 null"], "its rules changed later");
    assert.deepEqual(await at(1), ["SKU-1 10+0 {}"], "SKU-2 was created later");
    const sums = async (...[afterSeq, toSeq, afterSku, toSku]: [number, number, string, string]) =>
      (await shard.sumMovements({ afterSeq, toSeq, afterSku, toSku }))
        .map(({ sku, available, reserved }) => `${sku} ${available}+${reserved}`).sort();
    assert.deepEqual(await sums(0, 17, "", ""), ["SKU-1 6+0", "SKU-2 33+5"]);
    assert.deepEqual(await sums(0, 17, "SKU-1", ""), ["SKU-2 33+5"]);
    assert.deepEqual(await sums(4, 17, "", "SKU-1"), ["SKU-1 -2+0"]);
    assert.deepEqual([await shard.nthSku("", 2), await shard.nthSku("SKU-1", 2)], ["SKU-2", undefined]);
  });

  test("the pass over the movements finds a row of stock that is not their sum, in each range of SKUs, at its second look", async ({ shard, database }) => {
    await live(shard);
    const shelf = new Shelf();
    for (let i = 0; i < 16; i++) shelf.next("deduct", "", []);
    const more = Array.from(
      { length: 7 },
      (_, i) => shelf.next("create", `m-${i}`, [[`SKU-${i + 3}`, 10, 0]], keeper),
    );
    applied(await shard.apply([entry(2, ...more)]));
    const cursor = await shard.cursor();
    const pass = new MovementPass({ ledger: shard, world: realWorld, rangeSkus: 2 });
    const walk = async () => {
      const found: string[] = [];
      for (let [steps, isOver] = [0, false]; !isOver && steps < 100; steps++) {
        const compared = await pass.step(cursor);
        found.push(...compared?.found.map((one) => `${one.name}: ${one.ledger}, ${one.store}`) ?? []);
        isOver = compared?.isOver ?? false;
      }
      return found;
    };
    assert.deepEqual(await walk(), []);
    await database.script("update stock set available = 4 where sku = 'SKU-1' or sku = 'SKU-9'");
    assert.deepEqual(await walk(), [
      "SKU-1: stock 4+0, movements 6+0",
      "SKU-9: stock 4+0, movements 10+0",
    ]);
    await database.script(
      "update stock set available = 6 where sku = 'SKU-1'; delete from stock where sku = 'SKU-9'",
    );
    assert.deepEqual(await walk(), ["SKU-9: stock nothing, movements 10+0"]);
  });

  test("order lines that retention deleted are not missing, what is younger is", async ({ ledger, shard, database }) => {
    await live(shard);
    const old =
      "update movements set occurred_at = occurred_at - interval '31 days' where order_id = 'basket'";
    await tamper(database, `${old}; delete from order_lines where order_id = 'basket' or order_id = 'after'`);
    assert.deepEqual(await faultsOf(ledger), [
      "order lines 17 after SKU-1: deduct: its order line is missing",
    ]);
  });
}
