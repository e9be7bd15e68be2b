/**
 * An empty Redis, or one that went back, is filled from the ledger: stock, and remembered lines with their
 * answers. What only the lost part of the log knew is lost, and counted.
 */
import assert from "node:assert/strict";
import { withConnection } from "../../tools/servers/database.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { Service, type Stack, startStack } from "../system/stack.ts";
import { digest, DIGESTIBLE, position, remembered, untilRecorded } from "./redis_state.ts";
import { FaultScenario, note, SCENARIO_ENV, untilUnarmed } from "./fault_scenario.ts";

const STEP_DEADLINE_MS = 60_000;
/** More than the 64 entries of a transaction: one order an entry, as they are sent one after the other. */
const LAG_ORDERS = 200;
/** So slow that the worker notes the head of the log between two transactions, as it does every 200 ms. */
const SLOW_APPLYING_S = 0.3;
/** Longer than a busy machine takes to kill the worker. */
const HELD_S = 600;
/** Lines of an older sale: 200 chunks of a rebuild take a second. */
const OLD_LINES = 200_000;

/** Everything that one test needs. */
interface Fixture extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly databaseUrl: string;
  readonly stack: Stack;
  readonly scenario: FaultScenario;
}

async function openFixture(workers: number = 1): Promise<Fixture> {
  await using started = new AsyncDisposableStack();
  const redis = started.use(await startRedis({ args: DIGESTIBLE }));
  const databaseUrl = await sharedPostgres().freshDatabase();
  const stack = started.use(
    await startStack({ redisUrl: redis.url, databaseUrl, workers, env: SCENARIO_ENV }),
  );
  const scenario = await FaultScenario.open({ api: stack.api, databaseUrl, orders: 2_000 });
  const owned = started.move();
  return { redis, databaseUrl, stack, scenario, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

Deno.test("a flushed Redis gets stock and remembered lines with their answers, under the next epoch", async () => {
  await using fixture = await openFixture();
  const { redis, scenario, stack: { api, worker } } = fixture;
  const clients = await scenario.sell(400);
  await scenario.applied();
  const before = { left: await scenario.left(), lines: await remembered(redis), ...await position(redis) };

  await worker.kill();
  await redis.cli("FLUSHALL");
  await worker.restart();
  await api.ready();

  const after = await position(redis);
  assert.equal(after.seq, before.seq, "numbers go on, none is issued twice");
  assert.ok(after.epoch > before.epoch, `epoch ${after.epoch} after ${before.epoch}`);
  assert.deepEqual(await scenario.left(), before.left);
  assert.equal(await remembered(redis), before.lines);
  const { replays } = await clients.settle();
  assert.ok(replays > 0, "first answers came again");
  assert.equal((await position(redis)).seq, before.seq, "a replay sells nothing");
  const [arming] = worker.logged("shard armed");
  assert.equal(arming?.rebuilt, "the store is empty");
  assert.equal(arming?.lost, 0);
  await scenario.sell(200);
  const { jumps } = await scenario.audit();
  assert.deepEqual(jumps, []);
});

Deno.test("with a lag, exactly the numbers that were recorded and not applied are lost, and nothing is sold twice", async () => {
  await using fixture = await openFixture();
  const { redis, databaseUrl, scenario, stack: { api, worker } } = fixture;
  await scenario.sell(100);
  await scenario.applied();
  await worker.kill();
  const lagging = scenario.again(scenario.act(LAG_ORDERS));
  await lagging.rush();
  const { seq: head } = await position(redis);
  await slowApplying(databaseUrl, head);
  await worker.restart();
  await waitFor(async () => (await cursor(databaseUrl)).noted === head, {
    deadlineMs: STEP_DEADLINE_MS,
    what: "a worker that notes the head",
  });
  await worker.kill();
  await untilNoWorkerApplies(databaseUrl);
  await fastApplying(databaseUrl);
  const applied = (await cursor(databaseUrl)).seq;
  const lost = head - applied;
  assert.ok(lost > 0, "there is a lag");
  const answers = [...lagging.heard];

  await redis.cli("FLUSHALL");
  await untilUnarmed(api);
  await worker.restart();
  await api.ready();
  const arming = worker.logged("shard armed").at(-1);
  note(`head ${head}, applied ${applied}: the rebuild reports ${arming?.lost} lost`);
  assert.equal(arming?.lost, lost);
  assert.equal((await position(redis)).seq, head, "a lost number is never issued again");

  // A client who asks again learns the truth: what was applied stands, what was lost is decided anew.
  const again = scenario.again(lagging);
  await again.rush();
  const kept = again.heard.filter((heard) => heard.kind === "accepted" && heard.replayed);
  const sold = answers.filter((heard) => heard.kind === "accepted");
  assert.equal(sold.length - kept.length, lost);
  const stands = (heard: unknown) => answers.some((answer) => sameAnswer(answer, heard));
  assert.ok(kept.every(stands), "what was applied has its first answer");
  api.history.declaredLosses(lost);
  const { jumps } = await scenario.audit();
  assert.deepEqual(jumps.map(({ shard, from_seq, to_seq }) => [shard, from_seq, to_seq]), [[
    0,
    applied,
    head,
  ]]);
});

Deno.test("a worker frozen in the middle of a rebuild changes nothing once another one has armed the shard", async () => {
  await using fixture = await openFixture();
  const { redis, databaseUrl, scenario, stack: { api, worker } } = fixture;
  await scenario.sell(100);
  await scenario.applied();
  await worker.kill();
  await addOldLines(databaseUrl);
  await freezeInRebuild(redis, worker);

  await using other = await Service.start("worker", { ...worker.env, REDIS_URL: redis.url });
  await api.ready(2 * STEP_DEADLINE_MS).catch((error) => {
    throw new Error(`${error.message}\n${other.output()}`, { cause: error });
  });
  assert.ok(other.logged("shard armed").length > 0);
  await scenario.sell(200);
  await scenario.applied();
  await untilRecorded(redis);
  const before = await digest(redis);
  worker.thaw();
  await waitFor(() => worker.logged("shard interrupted").length > 0, {
    deadlineMs: STEP_DEADLINE_MS,
    what: "a thawed worker that notices",
  });
  assert.equal(await digest(redis), before);
  await scenario.sell(200);
  const lines = await remembered(redis);
  assert.ok(lines > OLD_LINES, `${lines} remembered lines`);
  await other.kill();
  await scenario.sell(100); // the thawed one takes over, and applies this
  const { cursors, deadLetters } = await scenario.applied();
  assert.equal(cursors[0]?.seq, (await position(redis)).seq);
  assert.equal(deadLetters, 0);
});

Deno.test("a whole Redis whose log is gone before it was applied is refused, not filled from the ledger", async () => {
  await using fixture = await openFixture();
  const { redis, databaseUrl, scenario, stack: { api, worker } } = fixture;
  api.history.unchecked("the log is deleted before it is applied");
  await scenario.sell(100);
  await scenario.applied();
  await worker.kill();
  await scenario.sell(100); // only the log and Redis know these
  const [stock, lines] = [await redis.cli("HGETALL", "{inventory:0}:stock"), await remembered(redis)];
  const { seq } = await cursor(databaseUrl);
  assert.ok((await position(redis)).seq > seq, "there is something that is not applied");
  await redis.cli("XTRIM", "{inventory:0}:events", "MAXLEN", "0");
  await redis.kill();
  await redis.start();
  await worker.restart();
  await waitFor(() => worker.logged("shard refused").length > 0, {
    deadlineMs: STEP_DEADLINE_MS,
    what: "a refusal",
  });
  const [refusal] = worker.logged("shard refused");
  assert.match(
    String(refusal?.reason),
    /^Cannot arm shard 0 as the log ends before \d+\. \d+ numbers, \d+ to \d+, are neither/,
  );
  await untilUnarmed(api);
  assert.equal(await redis.cli("HGETALL", "{inventory:0}:stock"), stock);
  assert.equal(await remembered(redis), lines);
  assert.equal((await cursor(databaseUrl)).seq, seq);
  const clients = scenario.act(20);
  await clients.rush();
  assert.equal(clients.count("unarmed"), 20);
});

function sameAnswer(one: unknown, other: unknown): boolean {
  const plain = (heard: unknown) => JSON.stringify({ ...heard as object, replayed: false });
  return plain(one) === plain(other);
}

async function cursor(databaseUrl: string): Promise<{ seq: number; noted: number }> {
  return await withConnection(databaseUrl, async (sql) => {
    const [row] = await sql`select seq::int, noted_head::int as noted from inventory.log_cursor`;
    return { seq: Number(row?.seq), noted: Number(row?.noted) };
  });
}

/** Starts a worker on an empty store, and freezes it before it has filled it. */
async function freezeInRebuild(redis: RedisServer, worker: Service): Promise<void> {
  const lines = async () => Number(await redis.cli("HLEN", "{inventory:0}:orders:0"));
  for (const untilMs = performance.now() + STEP_DEADLINE_MS;;) {
    await redis.cli("FLUSHALL");
    await worker.restart();
    await waitFor(async () => await lines() > 0, {
      deadlineMs: STEP_DEADLINE_MS,
      what: "a rebuild that writes lines",
    });
    worker.freeze();
    note(`frozen after ${await lines()} of ${OLD_LINES} lines`);
    if (await redis.cli("HGET", "{inventory:0}:meta", "token") !== "") return;
    assert.ok(performance.now() < untilMs, "every rebuild was over before the freeze");
    await worker.kill();
  }
}

/** Makes the worker's transactions slow, and those after it has noted the head never end. */
async function slowApplying(databaseUrl: string, head: number): Promise<void> {
  await withConnection(databaseUrl, async (sql) => {
    await sql.unsafe(`create function inventory.wait_a_while() returns trigger language plpgsql as
      $$ begin
        perform pg_sleep(case when noted_head < ${head} then ${SLOW_APPLYING_S} else ${HELD_S} end)
        from inventory.log_cursor;
        return null;
      end $$`);
    await sql.unsafe(`create trigger slow after insert on inventory.order_lines
      for each statement execute function inventory.wait_a_while()`);
  });
}

async function fastApplying(databaseUrl: string): Promise<void> {
  await withConnection(databaseUrl, (sql) => sql.unsafe("drop trigger slow on inventory.order_lines"));
}

/** A transaction that was on its way when its worker was killed may still commit, unless it is the one that waits. */
async function untilNoWorkerApplies(databaseUrl: string): Promise<void> {
  await withConnection(databaseUrl, async (sql) => {
    await waitFor(async () => {
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and wait_event = 'PgSleep'
        and xact_start < clock_timestamp() - interval '1 second'`;
      const [row] = await sql`
        select count(*)::int as count from pg_stat_activity
        where datname = current_database() and application_name like 'inventory-worker:%'`;
      return row?.count === 0;
    }, { deadlineMs: STEP_DEADLINE_MS, what: "the end of the worker's sessions" });
  });
}

/** Copies of a line, of orders that this test does not send again: they only have to be remembered. */
async function addOldLines(databaseUrl: string): Promise<void> {
  await withConnection(databaseUrl, async (sql) => {
    await sql`
      insert into inventory.order_lines
      select copy.* from (select * from inventory.order_lines order by seq limit 1) as sample,
        generate_series(1, ${OLD_LINES}::int) as n,
        lateral jsonb_populate_record(null::inventory.order_lines,
          to_jsonb(sample) || jsonb_build_object('order_id', 'old-' || n, 'line', n)) as copy`;
    await sql`analyze inventory.order_lines`; // as autovacuum does while a real table grows
  });
}
