/**
 * Arming reads the log after it has looked at the store. What happens between the two is no loss of the log.
 */
import assert from "node:assert/strict";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { openLedger } from "../../src/ledger/postgres/ledger.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { arm } from "../../src/worker/arming.ts";
import { Reminder } from "../../src/runtime/reminder.ts";
import { runShard } from "../../src/worker/shard_worker.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { adjust, deduct, inTime } from "./store_suite.ts";
import { makeRedisStore } from "./stores.ts";

const SALES = 5;

/** A shard that has sold, with none of it applied, and has lost its right to sell. */
async function unapplied() {
  await using started = new AsyncDisposableStack();
  const store = started.use(await makeRedisStore(sharedRedis().url));
  const url = await sharedPostgres().freshDatabase();
  const database = openPostgres({ url, namespace: "inventory", applicationName: "test", world });
  const ledger = await openLedger(database, world);
  started.defer(() => ledger.close());
  const deployment = await ledger.prepare(1);
  const lease = await ledger.lease(0) ?? assert.fail("the lease is taken");
  const armWith = (log: EventLog, signal: AbortSignal) =>
    arm({
      control: store.control,
      ledger: lease,
      log,
      signal,
      deployment,
      world,
      durability: "report",
    });
  const { signal } = new AbortController();
  assert.equal((await armWith(store.log, signal)).kind, "armed");
  const commands = [
    adjust("a", "sku", 100),
    ...Array.from({ length: SALES }, (_, i) => deduct(`o${i}`, "sku")),
  ];
  for (const command of commands) await store.store.decide(0, [inTime(command)]);
  await store.control.disarm(0, deployment.id);
  const owned = started.move();
  return {
    store,
    ledger,
    lease,
    deployment,
    armWith,
    signal,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The same log; `before` runs before each read. */
function interrupted(log: EventLog, before: () => Promise<void> | void): EventLog {
  return {
    async read(...args) {
      await before();
      return await log.read(...args);
    },
    tail: (shard) => log.tail(shard),
    close: () => log.close(),
  };
}

Deno.test("arming: a shard that is given back while its log is read is not refused", async () => {
  await using shard = await unapplied();
  const { store, armWith } = shard;
  const stop = new AbortController();
  const log = interrupted(store.log, () => stop.abort(new Error("given back")));
  await assert.rejects(armWith(log, stop.signal), /given back/);
  const verdict = await armWith(store.log, shard.signal);
  assert.partialDeepStrictEqual(verdict, {
    kind: "armed",
    epoch: 2,
    rebuilt: "",
    lost: 0,
    changedSettings: [],
  });
  assert.equal((await shard.lease.cursor()).seq, 1 + SALES);
});

Deno.test("arming: a shard that is given back before a rebuild loses no entry that its log still has", async () => {
  await using shard = await unapplied();
  const { store, lease, armWith } = shard;
  await lease.recordHead(100); // the store went back
  const stop = new AbortController();
  const log = interrupted(store.log, () => stop.abort(new Error("given back")));
  await assert.rejects(armWith(log, stop.signal), /given back/);
  const verdict = await armWith(store.log, shard.signal);
  assert.ok(verdict.kind === "armed" && verdict.rebuilt !== "", JSON.stringify(verdict));
  assert.equal(verdict.lost, 100 - 1 - SALES, "lost is what neither store nor ledger has");
  assert.deepEqual((await lease.stock("", 10)).map(({ available }) => available), [100 - SALES]);
});

Deno.test("arming: a store that is armed by another worker while its log is read is looked at again", async () => {
  await using shard = await unapplied();
  const { store, deployment, armWith, signal } = shard;
  const elsewhere: EventLog = {
    // The other worker has applied and trimmed what this one was about to read.
    async read() {
      const seen = await store.control.inspect(0);
      await store.control.arm(0, {
        seen,
        epoch: 2,
        deployment: deployment.id,
        shards: 1,
        applied: seen.position.seq,
        token: "",
        chunks: 0,
      });
      return [];
    },
    tail: (shard) => store.log.tail(shard),
    close: () => Promise.resolve(),
  };
  assert.deepEqual(await armWith(elsewhere, signal), { kind: "changed" });
});

Deno.test("a shard that is refused for missing numbers does not read its log again while nothing changes", async () => {
  await using shard = await unapplied();
  const { store, lease, deployment } = shard;
  await store.call("XTRIM", store.key("events"), "MAXLEN", 0);
  let reads = 0;
  const log = interrupted(store.log, () => void reads++);
  const said: [string, unknown][] = [];
  const note = (message: string, fields: unknown) => void said.push([message, fields]);
  const stop = new AbortController();
  const parts = { ...store, log, deployment, world, durability: "report", retentionMs: 1e12 } as const;
  const kept = runShard(lease, {
    ...parts,
    ledger: shard.ledger,
    logger: { debug() {}, info: note, warn: note, error: note },
    signal: stop.signal,
    interruption: new Reminder(world, (fields) => note("shard interrupted", fields)),
  });
  const until = (message: string) =>
    waitFor(() => said.some(([one]) => one === message), { deadlineMs: 60_000, what: message });
  await until("shard refused");
  const before = reads;
  const beats = Date.now() + 2500; // two attempts would have come by now
  await waitFor(() => Date.now() > beats, { deadlineMs: 60_000, what: "two more attempts" });
  assert.equal(reads, before);
  const loss = {
    fromSeq: 0,
    toSeq: 1 + SALES,
    source: "store",
    actor: "cli:test",
    reason: "trimmed",
  } as const;
  await shard.ledger.acceptLoss(0, loss);
  await until("shard armed");
  const { rows } = await lease.lines(0, { seq: 0, line: 0 }, 100);
  const taken = rows.map(({ id, seq, newStock, actor }) => [id, seq, newStock, actor]);
  assert.deepEqual(taken, [
    ["a", 1, 100, ""],
    ...Array.from({ length: SALES }, (_, i) => [`o${i}`, 2 + i, 99 - i, "till"]),
  ]);
  stop.abort();
  assert.equal(await kept, "stopped");
});

Deno.test("arming: a ledger of an older copy that finds a restore unfinished does not fill the store unasked", async () => {
  await using shard = await unapplied();
  const { store, lease, deployment, ledger, armWith, signal } = shard;
  const { seq } = await lease.cursor();
  const start = { deployment: deployment.id, shards: 1, seq: seq + 20, applied: seq + 12 };
  await store.control.beginRestore(0, "t", await store.control.inspect(0), start);
  const refusal = await armWith(store.log, signal);
  assert.match(
    JSON.stringify(refusal),
    new RegExp(
      `went back: it ends at ${seq}, and a store has an acknowledgement of ${seq + 12}. 20 numbers`,
    ),
  );
  await ledger.acceptLoss(0, {
    ...{ fromSeq: seq, toSeq: seq + 20, source: "ledger", actor: "cli:test", reason: "no other copy" },
  });
  assert.partialDeepStrictEqual(await armWith(store.log, signal), { kind: "armed", lost: 20 });
});
