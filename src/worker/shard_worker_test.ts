import assert from "node:assert/strict";
import { DurableStore, Watermark } from "../decide/durable_store.ts";
import type { LogEntry } from "../domain/event.ts";
import type { ShardLedger } from "../ledger/ledger.ts";
import { Reminder } from "../runtime/reminder.ts";
import { realWorld } from "../runtime/world.ts";
import { type EmbeddedParts, makeEmbeddedParts, withMembers } from "../../tests/contract/embedded_parts.ts";
import { adjust, deduct, inTime } from "../../tests/contract/store_suite.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import type { ShardWorkerParts } from "./shard_parts.ts";
import { type Ending, runShard } from "./shard_worker.ts";

const DEADLINE_MS = 10_000;

interface Kept extends AsyncDisposable {
  /** Numbers that were said to be in the ledger. */
  readonly applied: readonly number[];
  readonly failures: readonly unknown[];
  stop(): Promise<Ending>;
}

/** Keeps the shard of `parts` with another ledger, or other parts, than its own. */
function keep(
  parts: EmbeddedParts,
  ledger: ShardLedger = parts.shard,
  more: Partial<ShardWorkerParts> = {},
): Kept {
  const stopping = new AbortController();
  const applied: number[] = [];
  const failures: unknown[] = [];
  const ended = runShard(ledger, {
    ...parts.arming(),
    ledger: parts.ledger,
    store: parts.store,
    retentionMs: 86_400_000,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    interruption: new Reminder(realWorld, () => {}),
    onFailure: (error) => failures.push(error),
    ...more,
    onApplied(shard, seq) {
      applied.push(seq);
      more.onApplied?.(shard, seq);
    },
    signal: stopping.signal,
  });
  const stop = () => {
    stopping.abort();
    return ended;
  };
  return { applied, failures, stop, [Symbol.asyncDispose]: async () => void await stop() };
}

function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  return waitFor(holds, { deadlineMs: DEADLINE_MS, what });
}

Deno.test("shard worker: while the ledger's commit hangs nothing is said to be in it, and no order has its answer", async () => {
  await using parts = await makeEmbeddedParts(realWorld);
  const isAsked = Promise.withResolvers<void>();
  const mayCommit = Promise.withResolvers<void>();
  const hanging = withMembers(parts.shard, {
    async apply(entries) {
      if (entries.length > 0) {
        isAsked.resolve();
        await mayCommit.promise;
      }
      return await parts.shard.apply(entries);
    },
  });
  const watermark = new Watermark();
  await using kept = keep(parts, hanging, { onApplied: (shard, seq) => watermark.advance(shard, seq) });
  await until("an armed shard", () => kept.applied.length > 0);
  let isAnswered = false;
  const answer = new DurableStore(parts.store, watermark).decide(0, [inTime(adjust("a", "S", 5))])
    .finally(() => isAnswered = true);
  await isAsked.promise;
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.deepEqual([kept.applied, isAnswered], [[0], false]);
  mayCommit.resolve();
  assert.equal((await answer).kind, "decided");
  assert.deepEqual([kept.applied, (await parts.shard.cursor()).seq], [[0, 1], 1]);
});

Deno.test("shard worker: it arms, applies what is sold, and gives the lease back when it is stopped", async () => {
  await using parts = await makeEmbeddedParts(realWorld);
  const kept = keep(parts);
  await until("an armed shard", () => kept.applied.length > 0);
  await parts.decide(adjust("a", "S", 5), deduct("o", "S", 2));
  await until("two events in the ledger", () => kept.applied.includes(2));
  const next = await parts.ledger.lease(0);
  assert.equal(next, undefined, "it has the lease");
  assert.equal(await kept.stop(), "stopped");
  assert.deepEqual(kept.failures, []);
  const lease = await parts.ledger.lease(0) ?? assert.fail("the lease was not given back");
  assert.deepEqual((await lease.stock("", 9)).map(({ sku, available }) => [sku, available]), [["S", 3]]);
});

Deno.test("shard worker: what is sold shortly after a small commit is one commit", async () => {
  await using parts = await makeEmbeddedParts(realWorld);
  await using kept = keep(parts, parts.shard, { gatherMs: 1000 });
  await until("an armed shard", () => kept.applied.length > 0);
  await parts.decide(adjust("a", "S", 5));
  await until("the first commit", () => kept.applied.includes(1));
  for (const order of ["o", "p", "q"]) await parts.decide(deduct(order, "S", 1));
  await until("all of it in the ledger", () => kept.applied.includes(4));
  assert.deepEqual(kept.applied, [0, 1, 4]);
});

Deno.test("shard worker: a worker that catches up does not wait between its commits", async () => {
  await using parts = await makeEmbeddedParts(realWorld);
  const gatherMs = 2000;
  await using kept = keep(parts, parts.shard, { gatherMs });
  await until("an armed shard", () => kept.applied.length > 0);
  await parts.decide(adjust("a", "S", 200));
  await until("the first commit", () => kept.applied.includes(1));
  // One entry each; a read takes 64.
  for (let i = 0; i < 200; i++) await parts.decide(deduct(`o-${i}`, "S", 1, `user-${i}`));
  await until("the first full read", () => kept.applied.includes(65));
  const startMs = performance.now();
  await until("all of it in the ledger", () => kept.applied.includes(201));
  assert.ok(performance.now() - startMs < gatherMs, "it waited after a full read");
});

Deno.test("shard worker: room is made for movements, and old ones are looked for if they have a retention", async () => {
  // A minute passes in 60 ms.
  const world = { ...realWorld, elapsedMs: () => realWorld.elapsedMs() * 1000 };
  for (const movementsRetentionMs of [0, 86_400_000]) {
    await using parts = await makeEmbeddedParts(realWorld);
    let [extended, asked] = [0, 0];
    const watched = withMembers(parts.shard, {
      extendRanges: () => Promise.resolve(++extended > 0),
      foldMovements(ageMs) {
        assert.equal(ageMs, movementsRetentionMs);
        asked++;
        return Promise.resolve(undefined);
      },
    });
    await using _ = keep(parts, watched, { world, movementsRetentionMs });
    await until("more room", () => extended > 9);
    if (movementsRetentionMs > 0) await until("a look for old movements", () => asked > 0);
    else assert.equal(asked, 0);
  }
});

Deno.test("shard worker: a shard that lost its right to sell is armed again under the next epoch", async () => {
  await using parts = await makeEmbeddedParts(realWorld);
  await using kept = keep(parts);
  await until("an armed shard", () => kept.applied.length > 0);
  await parts.store.disarm(0, parts.deployment.id);
  await until("epoch 2", async () => {
    const { armed, position } = await parts.store.inspect(0);
    return armed && position.epoch === 2;
  });
  assert.deepEqual(kept.failures, []);
});

Deno.test("shard worker: quantities that the ledger does not have disarm the shard, are reported, and are not applied", async () => {
  await using parts = await makeEmbeddedParts(realWorld);
  const changed = (entries: readonly LogEntry[]) =>
    entries.map((entry) => ({
      ...entry,
      events: entry.events.map((event) => ({
        ...event,
        lines: event.lines.map((line) => ({ ...line, available: line.available + 1 })),
      })),
    }));
  const wrong = withMembers(parts.store, {
    read: async (...args) => changed(await parts.store.read(...args)),
    entries: async (...args) => changed(await parts.store.entries(...args)),
  });
  await using kept = keep(parts, parts.shard, { control: wrong, log: wrong });
  await until("an armed shard", () => kept.applied.length > 0);
  await parts.decide(adjust("a", "S", 5));
  await until("a failure", () => kept.failures.length > 0);
  assert.match(
    String(kept.failures[0]),
    /Cannot arm shard 0 as 1 SKUs differ: 'S' is 5\+0 in the ledger and 6\+0 in the store/,
  );
  assert.ok(!(await parts.store.inspect(0)).armed);
  assert.deepEqual(kept.applied, [0]);
});

Deno.test("shard worker: a log that is whole again during a refusal for missing numbers is read again at once", async () => {
  await using parts = await makeEmbeddedParts(realWorld);
  await parts.arm();
  await parts.decide(adjust("a", "S", 5), deduct("o", "S", 2));
  await parts.store.disarm(0, parts.deployment.id);
  let isWhole = false;
  const broken = withMembers(parts.store, {
    async inspect(shard: number) {
      const view = await parts.store.inspect(shard);
      return isWhole ? view : { ...view, log: null };
    },
    read: (...args) => isWhole ? parts.store.read(...args) : Promise.resolve([]),
  });
  const quiet = { debug() {}, info() {}, warn() {} };
  const logger = { ...quiet, error: () => void (isWhole = true) }; // between the verdict and the wait
  await using kept = keep(parts, parts.shard, { control: broken, log: broken, logger });
  await until("both events in the ledger", () => kept.applied.includes(2));
  assert.match(String(kept.failures[0]), /Cannot arm shard 0 as the log ends before 2/);
});
