/**
 * What every ledger must do, third part: leases, epochs, reads, and whose ledger they are.
 */
import assert from "node:assert/strict";
import type { Position } from "../../src/domain/event.ts";
import { LeaseLost } from "../../src/domain/errors.ts";
import { applied, entry, leased, opening, plainLine, type Registrar, sale } from "./ledger_fixture.ts";

const jumpTo = (to: Position) => ({ to, actor: "worker", reason: "the store is empty" });

/** Registers these tests. */
export function registerLeaseAndReads({ test, testOpening }: Registrar): void {
  test("low stock: below a number, the fewest first, and sold-out SKUs last", async ({ shard }) => {
    const units = [["SKU-2", 0], ["SKU-3", 4], ["SKU-4", 9], ["SKU-5", 4]] as const;
    applied(await shard.apply([entry(1, ...units.map(([sku, count], i) => opening(2 + i, sku, count)))]));
    const low = async (below: number, limit = 10) =>
      (await shard.lowStock(below, limit)).map(({ sku, available }) => [sku, available]);
    assert.deepEqual(await low(9), [["SKU-3", 4], ["SKU-5", 4], ["SKU-2", 0]]);
    assert.deepEqual(await low(10, 3), [["SKU-3", 4], ["SKU-5", 4], ["SKU-4", 9]]);
  });

  test("an epoch is issued once", async ({ shard }) => {
    assert.equal((await shard.cursor()).issuedEpoch, 1);
    assert.equal(await shard.issueEpoch(1, 0), 2);
    assert.equal(await shard.issueEpoch(1, 0), undefined);
    assert.equal(await shard.issueEpoch(2, 2), 3);
    assert.equal(
      await shard.issueEpoch(3, 7),
      8,
      "an older copy of the ledger does not issue an epoch again",
    );
    assert.deepEqual(await shard.cursor(), {
      epoch: 1,
      seq: 1,
      issuedEpoch: 8,
      recordedHead: 0,
      seenApplied: 0,
    });
  });

  test("the noted head never falls", async ({ shard }) => {
    await shard.recordHead(40);
    await shard.recordHead(30);
    assert.equal((await shard.cursor()).recordedHead, 40);
  });

  test("the progress of the ledger is readable without a lease", async ({ ledger, shard, rows }) => {
    assert.deepEqual(await ledger.progress(), [{ shard: 0, seq: 1, recordedHead: 0, deadLetters: 0 }]);
    applied(await shard.apply([entry(1, sale(2, "SKU-1", 9))]));
    await shard.recordHead(40);
    await rows(
      "insert into dead_letters (shard, seq, event, sqlstate, reason) values (0, 2, '{}', '22000', 'r')",
    );
    assert.deepEqual(await ledger.progress(), [{ shard: 0, seq: 2, recordedHead: 40, deadLetters: 1 }]);
  });

  test("a jump moves the cursor over lost numbers and counts them", async ({ shard, rows }) => {
    await shard.jump(jumpTo({ epoch: 4, seq: 11 }));
    assert.deepEqual(await shard.cursor(), {
      epoch: 4,
      seq: 11,
      issuedEpoch: 4,
      recordedHead: 0,
      seenApplied: 0,
    });
    assert.deepEqual(await rows("select shard, from_seq, to_seq, epoch, count from log_jumps"), [
      { shard: 0, from_seq: 1, to_seq: 11, epoch: 4, count: 10 },
    ]);
    applied(await shard.apply([entry(4, sale(12, "SKU-1", 9))]));
    await assert.rejects(shard.jump(jumpTo({ epoch: 4, seq: 12 })), RangeError);
    await assert.rejects(
      shard.jump(jumpTo({ epoch: 3, seq: 20 })),
      /Cannot jump to 3-20 .* applied up to 4-12/,
    );
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

  testOpening("more shards than sessions are leased, applied and released one by one", async (open) => {
    const { ledger } = await open();
    try {
      const shards = Array.from({ length: 20 }, (_, shard) => shard);
      await ledger.prepare(shards.length);
      const leases = await Promise.all(shards.map((shard) => leased(ledger, shard)));
      const membership = await ledger.join();
      const taken = async () => (await membership.heartbeat("active")).leased.toSorted((a, b) => a - b);
      assert.deepEqual(await taken(), shards);
      await Promise.all(leases.map((lease) => lease.apply([entry(1, opening(1, "SKU-1", 10))])));
      assert.deepEqual(
        (await Promise.all(leases.map((lease) => lease.cursor()))).map(({ seq }) => seq),
        shards.map(() => 1),
      );

      const [first, second, ...others] = leases;
      assert.ok(first && second);
      await Promise.all([first.release(), first.release()]);
      assert.deepEqual(await taken(), shards.slice(1));
      await assert.rejects(first.cursor(), LeaseLost);
      assert.equal((await second.cursor()).seq, 1);
      const again = await leased(ledger, 0);
      assert.equal((await again.cursor()).seq, 1);
      await Promise.all([again, second, ...others].map((lease) => lease.release()));
      assert.deepEqual(await taken(), []);
    } finally {
      await ledger.close();
    }
  });

  test("three batches at once are applied one after the other", async ({ shard }) => {
    const kinds = await Promise.all([
      shard.apply([entry(1, sale(2, "SKU-1", 9))]),
      shard.apply([entry(1, sale(3, "SKU-1", 8))]),
      shard.apply([entry(1, sale(4, "SKU-1", 7))]),
    ]);
    assert.deepEqual(kinds.map(({ kind }) => kind), ["applied", "applied", "applied"]);
    assert.equal((await shard.cursor()).seq, 4);
  });

  test("quantities of 10^12 and numbers of 10^14 stay exact", async ({ shard, ledger }) => {
    await shard.jump(jumpTo({ epoch: 90_000_000_000_001, seq: 99_999_999_999_997 }));
    const made = opening(99_999_999_999_998, "SKU-9", 1_000_000_000_000);
    const sold = sale(99_999_999_999_999, "SKU-9", 999_999_999_999, { id: "big" });
    applied(await shard.apply([entry(90_000_000_000_001, made, sold)]));
    assert.deepEqual(await shard.cursor(), {
      epoch: 90_000_000_000_001,
      seq: 99_999_999_999_999,
      issuedEpoch: 90_000_000_000_001,
      recordedHead: 0,
      seenApplied: 0,
    });
    assert.deepEqual(await shard.stock("SKU-1", 10), [
      { sku: "SKU-9", available: 999_999_999_999, reserved: 0, policy: null },
    ]);
    const [line] = (await ledger.findOrder("big")).lines;
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

  testOpening("an order is found in every shard", async (open) => {
    const { ledger } = await open();
    try {
      await ledger.prepare(3);
      for (const number of [0, 2]) {
        const shard = await leased(ledger, number);
        const sku = `SKU-${number}`;
        applied(await shard.apply([entry(1, opening(1, sku, 5), sale(2, sku, 4, { id: "wide" }))]));
      }
      const lines = (await ledger.findOrder("wide")).lines;
      assert.deepEqual(lines.map(({ shard, sku, state }) => ({ shard, sku, state })), [
        { shard: 0, sku: "SKU-0", state: "accepted" },
        { shard: 2, sku: "SKU-2", state: "accepted" },
      ]);
      const line = plainLine({ id: "wide", sku: "SKU-0", amount: 1, newStock: 4, seq: 2 });
      assert.deepEqual(lines[0], { shard: 0, ...line });
      assert.deepEqual((await ledger.findOrder("unknown")).lines, []);
    } finally {
      await ledger.close();
    }
  });

  testOpening("a ledger is prepared once and keeps its owner", async (open) => {
    const { ledger: first } = await open();
    const owner = await first.prepare(2).finally(() => first.close());
    assert.match(owner.id, /^[0-9a-f-]{36}$/);
    const { ledger: second } = await open();
    try {
      assert.deepEqual(await second.prepare(2), owner);
      await assert.rejects(second.prepare(4), {
        name: "RangeError",
        message: /^Cannot use SHARDS=4 as this ledger was created for 2: /,
      });
      const beyond = await leased(second, 2);
      await assert.rejects(beyond.cursor(), /Cannot read the ledger of shard 2/);
    } finally {
      await second.close();
    }
  });

  test("scripts of at most 8 versions are kept, the last ones in use", async ({ ledger, rows }) => {
    const scripts = Array.from(
      { length: 10 },
      (_, i) => ({ sha: String(i).repeat(40), source: `return ${i}` }),
    );
    // SQLite's clock has milliseconds: two scripts that are kept in the same one would have no order.
    const keep = async (...kept: readonly { sha: string; source: string }[]) => {
      await rows("update scripts set used_at = used_at - interval '1 second'");
      await ledger.keepScripts(kept);
    };
    for (const script of scripts) await keep(script);
    const kept = async () => (await ledger.scripts()).map(({ sha }) => Number(sha[0]));
    assert.deepEqual(await kept(), [9, 8, 7, 6, 5, 4, 3, 2]);
    await keep(...scripts.slice(2, 3));
    assert.deepEqual(await ledger.scripts().then(([first]) => first), scripts[2]);
    await rows("update scripts set used_at = now() - interval '91 days' where digest like '9%'");
    await keep(...scripts.slice(3, 4));
    assert.deepEqual(await kept(), [3, 2, 8, 7, 6, 5, 4]);
    const long = { sha: "f".repeat(40), source: "-".repeat(256 * 1024 + 1) };
    await assert.rejects(ledger.keepScripts([long]), /scripts_source_check/);
  });

  testOpening("a ledger of a newer program is refused", async (open) => {
    const { ledger, database } = await open();
    try {
      await ledger.prepare(1);
      await database.query("insert into migrations (id, name) values (9999, 'from the future')");
      await assert.rejects(ledger.prepare(1), /a newer Holdfast created it: .* version 9999/);
    } finally {
      await ledger.close();
    }
  });
}

/** Registers what a database does that several workers share. */
export function registerPeers({ test }: Registrar): void {
  test("peers: places are taken in the order of age, and end with their worker", async ({ ledger }) => {
    const [elder, younger] = [await ledger.join(), await ledger.join()];
    const leased = [0]; // by the test itself
    assert.deepEqual(await elder.heartbeat("active"), { workers: 1, index: 0, leased });
    assert.deepEqual(await younger.heartbeat("active"), { workers: 2, index: 1, leased });
    assert.deepEqual(await elder.heartbeat("active"), { workers: 2, index: 0, leased });
    // A suspended worker is the last in its own list, and in no other's.
    assert.deepEqual(await elder.heartbeat("suspended"), { workers: 2, index: 1, leased });
    assert.deepEqual(await younger.heartbeat("active"), { workers: 1, index: 0, leased });
    assert.deepEqual(await elder.heartbeat("active"), { workers: 2, index: 1, leased });
    await younger.leave();
    assert.deepEqual(await elder.heartbeat("active"), { workers: 1, index: 0, leased });
    await elder.leave();
    await assert.rejects(elder.heartbeat("active"), LeaseLost);
  });
}
