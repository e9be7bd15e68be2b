import assert from "node:assert/strict";
import { LeaseLost } from "../../src/domain/errors.ts";
import { type Ledger, type ShardLedger } from "../../src/ledger/ledger.ts";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { openLedger } from "../../src/ledger/postgres/ledger.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import {
  applied,
  entry,
  event,
  leased,
  type MakeLedgers,
  opening,
  registrar,
  sale,
} from "./ledger_fixture.ts";
import { registerPeers } from "./ledger_reads_suite.ts";
import { ledgerSuite } from "./ledger_suite.ts";

function postgresAt(url: string, namespace = "inventory") {
  return openPostgres({ url, namespace, applicationName: "holdfast-test", world: realWorld });
}

/** One database for the whole suite, as making one takes 0.3 s; each test has schemas of its own in it. */
let suiteDatabase: Promise<string> | undefined;

const onPostgres: MakeLedgers = async () => {
  const url = await (suiteDatabase ??= sharedPostgres().freshDatabase());
  const namespace = crypto.randomUUID().slice(0, 8);
  return {
    open: async () => {
      const database = postgresAt(url, namespace);
      return { database, ledger: await openLedger(database, realWorld) };
    },
    async [Symbol.asyncDispose]() {},
  };
};

ledgerSuite("PostgreSQL", onPostgres);
registerPeers(registrar("PostgreSQL", onPostgres));

Deno.test("PostgreSQL: two namespaces of one database do not see each other", async () => {
  const url = await sharedPostgres().freshDatabase();
  const owners: string[] = [];
  for (const namespace of ["one", 'the "other"']) {
    const ledger = await openLedger(postgresAt(url, namespace), realWorld);
    try {
      owners.push((await ledger.prepare(1)).id);
      const shard = await leased(ledger);
      assert.equal((await shard.cursor()).seq, 0);
      applied(await shard.apply([entry(1, opening(1, "SKU-1", 1), sale(2, "SKU-1", 0))]));
      assert.equal((await ledger.findOrder("order-2")).lines.length, 1);
    } finally {
      await ledger.close();
    }
  }
  assert.notEqual(owners[0], owners[1]);
});

Deno.test("PostgreSQL: movements cannot be truncated, not even by the owner", () =>
  withLease((_ledger, _shard, url) =>
    withConnection(
      url,
      (sql) => assert.rejects(Promise.resolve(sql`truncate inventory.movements`), { code: "42501" }),
    )
  ));

/** A prepared ledger on PostgreSQL with the lease of shard 0. */
async function withLease(run: (ledger: Ledger, shard: ShardLedger, url: string) => Promise<void>) {
  const url = await sharedPostgres().freshDatabase();
  const ledger = await openLedger(postgresAt(url), realWorld);
  try {
    await ledger.prepare(1);
    const shard = await ledger.lease(0);
    assert.ok(shard);
    await run(ledger, shard, url);
  } finally {
    await ledger.close();
  }
}

/** Process ids of the sessions that hold a lease in this database. */
function leaseHolders(url: string): Promise<number[]> {
  return withConnection(url, async (sql) => {
    const rows = await sql<{ pid: number }[]>`
      select l.pid from pg_locks l join pg_database d on d.oid = l.database
      where d.datname = current_database() and l.locktype = 'advisory' and l.granted`;
    return rows.map(({ pid }) => pid);
  });
}

async function terminate(url: string): Promise<void> {
  const [pid] = await leaseHolders(url);
  assert.ok(pid, "no session holds a lease");
  await withConnection(url, (sql) => sql`select pg_terminate_backend(${pid})`);
}

async function untilFree(ledger: Ledger): Promise<ShardLedger> {
  let lease: ShardLedger | undefined;
  const taken = async () => (lease = await ledger.lease(0)) !== undefined;
  await waitFor(taken, { deadlineMs: 60_000, what: "a free lease" });
  assert.ok(lease);
  return lease;
}

Deno.test("PostgreSQL: a lease whose connection is gone stays lost and never reconnects", () =>
  withLease(async (ledger, shard, url) => {
    await shard.apply([entry(1, opening(1, "SKU-1", 5))]);
    await terminate(url);
    await assert.rejects(shard.apply([entry(1, sale(2, "SKU-1", 4))]), LeaseLost);
    await assert.rejects(shard.beat(), LeaseLost);
    await assert.rejects(shard.cursor(), LeaseLost);
    const next = await untilFree(ledger);
    assert.equal((await next.cursor()).seq, 1);
    assert.equal((await next.apply([entry(1, sale(2, "SKU-1", 4))])).kind, "applied");
    await assert.rejects(shard.issueEpoch(1, 0), LeaseLost);
    await shard.release();
  }));

Deno.test("PostgreSQL: an entry of 20,000 lines is applied in transactions of 16,384 at most", () =>
  withLease(async (_ledger, shard, url) => {
    const skus = Array.from({ length: 100 }, (_, i) => `basket-${i}`);
    const openings = skus.map((sku, i) => opening(1 + i, sku, 1000));
    const baskets = Array.from({ length: 200 }, (_, i) =>
      event(
        101 + i,
        skus.map((sku) => ({ sku, delta: -1, reservedDelta: 0, available: 999 - i, reserved: 0 })),
      ));
    const result = await shard.apply([entry(1, ...openings), entry(1, ...baskets)]);
    assert.ok(result.kind === "applied");
    assert.deepEqual([result.events, result.cursor.seq], [300, 300]);
    // Every row of a transaction has its time.
    const transactions = await withConnection(
      url,
      (sql) => sql`select count(*)::int as lines from inventory.movements group by recorded_at`,
    );
    const most = Math.max(...transactions.map(({ lines }) => lines));
    assert.ok(most > 10_000 && most < 16_384 + 100, `${most} lines in one transaction`);
    const [stock] = await shard.stock("basket-98", 1);
    assert.equal(stock?.available, 800);
  }));

Deno.test("PostgreSQL: calls under way when the connection goes reject", () =>
  withLease(async (_ledger, shard, url) => {
    const blocker = Promise.withResolvers<void>();
    const blocked = Promise.withResolvers<void>();
    const holding = withConnection(url, (sql) =>
      sql.begin(async (tx) => {
        await tx`select from inventory.log_cursor for update`;
        blocked.resolve();
        await blocker.promise;
      }));
    await blocked.promise;
    const apply = assert.rejects(shard.apply([entry(1, opening(1, "SKU-1", 5))]), LeaseLost);
    const behind = assert.rejects(shard.cursor(), LeaseLost);
    await terminate(url);
    await Promise.all([apply, behind]);
    blocker.resolve();
    await holding;
  }));

Deno.test("PostgreSQL: a worker that falls silent loses its lease in time for another", () =>
  withLease(async (_ledger, shard, url) => {
    const other = await openLedger(postgresAt(url), realWorld);
    try {
      assert.equal(await other.lease(0), undefined);
      const next = await untilFree(other);
      await assert.rejects(shard.beat(), LeaseLost);
      await next.beat();
    } finally {
      await other.close();
    }
  }));

Deno.test("PostgreSQL: a worker that beats keeps its lease", () =>
  withLease(async (ledger, shard) => {
    const startedMs = performance.now();
    await waitFor(async () => {
      await shard.beat();
      return performance.now() - startedMs > 4000;
    }, { deadlineMs: 60_000, what: "4 s with a heartbeat" });
    assert.equal(await ledger.lease(0), undefined);
  }));

Deno.test("PostgreSQL: leases of two namespaces in one database are apart", () =>
  withLease(async (_ledger, _shard, url) => {
    const other = await openLedger(postgresAt(url, "inventory_2"), realWorld);
    try {
      await other.prepare(1);
      assert.ok(await other.lease(0));
      assert.equal(await other.lease(0), undefined);
      assert.equal((await leaseHolders(url)).length, 2);
    } finally {
      await other.close();
    }
  }));

Deno.test("PostgreSQL: two workers that prepare at once agree on the owner", async () => {
  const url = await sharedPostgres().freshDatabase();
  const ledgers = await Promise.all(
    Array.from({ length: 4 }, () => openLedger(postgresAt(url), realWorld)),
  );
  try {
    const owners = await Promise.all(ledgers.map((ledger) => ledger.prepare(2)));
    assert.equal(new Set(owners.map(({ id }) => id)).size, 1);
  } finally {
    await Promise.all(ledgers.map((ledger) => ledger.close()));
  }
});

Deno.test("PostgreSQL: a lease before the schema is made is an error, not a shard taken", async () => {
  const ledger = await openLedger(postgresAt(await sharedPostgres().freshDatabase()), realWorld);
  await assert.rejects(ledger.lease(0), /the ledger has no schema yet/).finally(() => ledger.close());
});

Deno.test("PostgreSQL: a session to another deployment's ledger is refused, and one whose ledger got another id applies nothing more", () =>
  withLease(async (ledger, shard, url) => {
    await shard.apply([entry(1, opening(1, "SKU-1", 5))]);
    await withConnection(url, (sql) => sql`update inventory.deployment set id = gen_random_uuid()`);
    const foreign = { name: "ForeignLedger" };
    await assert.rejects(shard.apply([entry(1, sale(2, "SKU-1", 4))]), foreign);
    await assert.rejects(shard.jump({ to: { epoch: 1, seq: 9 }, actor: "", reason: "" }), foreign);
    assert.equal(await shard.issueEpoch(1, 0), undefined);
    assert.equal((await shard.cursor()).issuedEpoch, 1);
    await shard.release();
    await assert.rejects(ledger.lease(0), foreign);
    await assert.rejects(ledger.join(), foreign);
    await assert.rejects(ledger.deployment(), foreign);
    await assert.rejects(ledger.findOrder("order"), foreign);
    await withConnection(url, (sql) => sql`drop schema inventory cascade`);
    await assert.rejects(ledger.lease(0), foreign);
  }));

Deno.test("a namespace that PostgreSQL would cut off is refused", () => {
  for (const namespace of ["", "n".repeat(64), "ö".repeat(32)]) {
    assert.throws(() => postgresAt("postgres://unknown@127.0.0.1:1/none", namespace), RangeError);
  }
});

Deno.test("PostgreSQL: a server that is away rejects with the reason, not with a lost lease", async () => {
  // Port 1 on loopback: nothing listens there, two hosts because the driver treats those differently.
  for (const host of ["127.0.0.1:1", "127.0.0.1:1,127.0.0.1:2"]) {
    const ledger = await openLedger(postgresAt(`postgres://unknown@${host}/none`), realWorld);
    await assert.rejects(ledger.prepare(1), (error: Error) => {
      assert.ok(!(error instanceof LeaseLost), String(error));
      assert.match(JSON.stringify(error, Object.getOwnPropertyNames(error)), /refused/i);
      return true;
    }).finally(() => ledger.close());
  }
});

Deno.test("PostgreSQL: an event that another session applies while this one waits for the cursor is not applied again", () =>
  withLease(async (_ledger, shard, url) => {
    await shard.apply([entry(1, opening(1, "SKU-1", 5))]);
    const isMoved = Promise.withResolvers<void>();
    const mayCommit = Promise.withResolvers<void>();
    const other = withConnection(url, (sql) =>
      sql.begin(async (tx) => {
        await tx`select from inventory.log_cursor where shard = 0 for update`;
        await tx`insert into inventory.movements
          select shard, epoch, 2, line, 'deduct', 'order-2', 'user-1', sku, -1, 0, 4, 0, fingerprint, reason, reference,
            'till', traceparent, data, occurred_at + interval '1 ms' from inventory.movements where seq = 1`;
        await tx`update inventory.stock set available = 4`;
        await tx`update inventory.log_cursor set seq = 2 where shard = 0`;
        isMoved.resolve();
        await mayCommit.promise;
      }));
    await isMoved.promise;
    const applying = shard.apply([entry(1, sale(2, "SKU-1", 4))]);
    let waitsIn: string[] = [];
    await waitFor(() =>
      withConnection(url, async (sql) => {
        const rows = await sql<{ query: string }[]>`select query from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`;
        waitsIn = rows.map(({ query }) => query);
        return rows.length > 0;
      }), { deadlineMs: 60_000, what: "a session that waits for a lock" });
    assert.match(waitsIn.join(), /from log_cursor/, "it waits before it applies anything");
    mayCommit.resolve();
    await other;
    assert.deepEqual(await applying, {
      kind: "applied",
      cursor: { epoch: 1, seq: 2 },
      events: 0,
      deadLetters: 0,
      compensations: 0,
    });
  }));
