/**
 * What piles up while no worker runs, in units that cost: reservations of 100 lines that lapsed, and large entries.
 */
import assert from "node:assert/strict";
import type { Sale } from "../../src/domain/command.ts";
import { openPostgres } from "../../src/ledger/postgres/server.ts";
import { openLedger } from "../../src/ledger/postgres/ledger.ts";
import type { Logger } from "../../src/runtime/logger.ts";
import { startWorker } from "../../src/worker/balancer.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { watchLoop } from "../event_loop.ts";
import { adjust, armEmpty, decide, deduct, inTime } from "./store_suite.ts";
import { makeRedisStore } from "./stores.ts";

const shards = 2;
const holds = 320;
const linesEach = 100;
const skus = Array.from({ length: linesEach }, (_, i) => `S${i}`);
/** A lease is lost after 3 s of silence, and the heartbeat of an idle shard comes every 200 ms. */
const blockedMaxMs = 1000;

function reserve(orderId: string): Sale {
  const lines = skus.map((sku) => ({ sku, amount: 1 }));
  return { ...deduct(orderId, "", 1, "user-1"), kind: "reserve", lines, holdMs: 1 };
}

Deno.test("worker: 32,000 lines lapsed while it was away are applied, and no lease is lost", async () => {
  await using parts = await makeRedisStore(sharedRedis("redis").url, {}, shards);
  const databaseUrl = await sharedPostgres().freshDatabase();
  const ledger = await openLedger(
    openPostgres({ url: databaseUrl, namespace: "inventory", applicationName: "holdfast-test", world }),
    world,
  );
  const messages: string[] = [];
  const note = (message: string) => void messages.push(message);
  const logger: Logger = { debug() {}, info: note, warn: note, error: note };
  const applied: number[] = [];
  const start = async () =>
    startWorker({
      ...parts,
      ledger,
      deployment: await ledger.prepare(shards),
      world,
      logger,
      onApplied: (shard, seq) => applied[shard] = seq,
      durability: "report",
      retentionMs: 400 * 86_400_000,
    });
  const { store } = parts;
  const armed = () => messages.filter((message) => message === "shard armed").length;

  const first = await start();
  await waitFor(() => armed() === shards, { deadlineMs: 60_000, what: "both shards to be armed" });
  await first.stop();

  await decide(store, ...skus.map((sku) => adjust("opening", sku, holds)));
  for (let i = 0; i < holds; i += 2) await decide(store, reserve(`r-${i}`), reserve(`r-${i + 1}`));
  for (let isMoreDue = true; isMoreDue;) {
    const result = await store.decide(0, []);
    isMoreDue = result.kind === "decided" && result.isMoreDue;
  }
  const { position: { seq: head } } = await parts.control.inspect(0);
  assert.equal(head, linesEach + 2 * holds);

  using loop = watchLoop();
  const second = await start();
  try {
    await waitFor(() => applied[0] === head && armed() === 2 * shards, {
      deadlineMs: 60_000,
      what: "everything to be applied",
    });
  } finally {
    await second.stop();
    await ledger.close();
  }
  assert.ok(!messages.includes("shard interrupted"), messages.join("\n"));
  assert.ok(loop.blockedMs() < blockedMaxMs, `the event loop was blocked for ${loop.blockedMs()} ms`);
});

Deno.test("log: entries are read by their size, none is left out", async () => {
  await using parts = await makeRedisStore(sharedRedis("redis").url);
  await armEmpty(parts.control);
  const reason = "x".repeat(256);
  const batches = 40;
  for (let i = 0; i < batches; i++) {
    const commands = Array.from({ length: 256 }, (_, n) => ({ ...adjust(`${i}-${n}`, `S${n}`, 1), reason }));
    await parts.store.decide(0, commands.map(inTime));
  }
  const sizes: number[] = [];
  const { signal } = new AbortController();
  let seq = 0;
  for (let after = { epoch: 0, seq: 0 };;) {
    const entries = await parts.log.read(0, after, { entriesMax: 64, waitMs: 0, signal });
    const last = entries.at(-1);
    if (!last) break;
    for (const event of entries.flatMap(({ events }) => events)) assert.equal(event.seq, ++seq);
    sizes.push(entries.length);
    after = last.position;
  }
  assert.equal(seq, batches * 256);
  assert.deepEqual(sizes.slice(0, 4), [1, 2, 4, 8]);
  assert.ok(Math.max(...sizes) < 30, `reads of ${sizes} entries, each of 120,000 characters`);
});
