/**
 * The main promise with Kafka between Redis and PostgreSQL, while each of them fails.
 */
import assert from "node:assert/strict";
import kafkajs from "kafkajs";
import type { LogEntry, Position } from "../../src/domain/event.ts";
import { KafkaTopic } from "../../src/kafka/topic.ts";
import { encodeMessages, type TopicMessage } from "../../src/log/message.ts";
import { RedisStream } from "../../src/redis/stream.ts";
import { ShardConnections } from "../../src/redis/shard_connections.ts";
import { ClusterMap } from "../../src/redis/cluster_map.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { backUp, restore } from "../../tools/servers/backup.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { type KafkaServer, startKafka } from "../../tools/servers/kafka.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres, sharedRedis } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { runToEnd, type Stack, startStack } from "../system/stack.ts";
import { FaultScenario, note, SCENARIO_ENV, untilUnarmed } from "../fault/fault_scenario.ts";
import { cursorOf, headOf } from "../fault/fault_probe.ts";
import { position } from "../fault/redis_state.ts";

const STEP_DEADLINE_MS = 60_000;
const ORDERS_A_FAULT = 3_000;
/** Sold before a fault strikes, and again while it lasts. */
const SOLD_BETWEEN = 300;
/** What is promised: 3 s until the ledger ends a silent session, and the rest. */
const TAKEOVER_MAX_MS = 15_000; // as in tests/fault/lease_test.ts
const TOPIC = "inventory.events";

/** Everything that one test needs. */
interface Fixture extends AsyncDisposable {
  readonly kafka: KafkaServer;
  readonly redis: RedisServer;
  readonly databaseUrl: string;
  readonly stack: Stack;
  readonly scenario: FaultScenario;
}

/** One thing that happens in the middle of a rush. */
interface Fault {
  readonly what: string;
  readonly strike: (fixture: Fixture) => Promise<void> | void;
  readonly heal: (fixture: Fixture) => Promise<void> | void;
}

async function openFixture(orders: number, workers: number = 1): Promise<Fixture> {
  await using started = new AsyncDisposableStack();
  const kafka = started.use(await startKafka());
  const redis = started.use(await startRedis());
  const databaseUrl = await sharedPostgres().freshDatabase();
  // No fault here is one of Redis: a buyer whose answer is unknown has felt it, and not a busy machine.
  const env = { ...SCENARIO_ENV, REQUEST_TIMEOUT_MS: "4000", KAFKA_BROKERS: kafka.broker };
  const stack = started.use(await startStack({ redisUrl: redis.url, databaseUrl, workers, env }));
  const scenario = await FaultScenario.open({ api: stack.api, databaseUrl, orders });
  const owned = started.move();
  return { kafka, redis, databaseUrl, stack, scenario, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

Deno.test("a rush through Kafka while broker and worker are killed, the broker frozen and the topic truncated", async () => {
  const faults: readonly Fault[] = [
    {
      what: "broker killed and away",
      strike: ({ kafka }) => kafka.kill(),
      heal: ({ kafka }) => kafka.start(),
    },
    {
      what: "worker killed",
      strike: ({ stack: { worker } }) => worker.kill(),
      heal: ({ stack: { worker } }) => worker.restart(),
    },
    {
      what: "broker and worker killed, the worker back first",
      async strike({ kafka, stack: { worker } }) {
        await kafka.kill();
        await worker.kill();
      },
      async heal({ kafka, stack: { worker } }) {
        await worker.restart();
        await kafka.start();
      },
    },
    {
      what: "broker frozen",
      strike: ({ kafka }) => kafka.freeze(),
      heal: ({ kafka }) => kafka.thaw(),
    },
    { what: "topic truncated", strike: ({ kafka }) => truncate(kafka), heal: () => {} },
  ];
  await using fixture = await openFixture(ORDERS_A_FAULT * faults.length);
  for (const { what, strike, heal } of faults) {
    const clients = fixture.scenario.act(ORDERS_A_FAULT);
    const rush = clients.rush();
    await sold(clients, SOLD_BETWEEN);
    const before = clients.count("accepted");
    await strike(fixture);
    await sold(clients, SOLD_BETWEEN, before); // also while it strikes: a fast rush may be over then
    const meanwhile = clients.count("accepted") - before;
    await heal(fixture);
    await rush;
    assert.equal(clients.count("unknown"), 0, `buyers felt '${what}'`);
    const startMs = performance.now();
    await fixture.scenario.applied(STEP_DEADLINE_MS);
    note(
      `${what}: ${meanwhile} sold meanwhile, applied ${
        Math.round(performance.now() - startMs)
      } ms after the rush`,
    );
  }
  const { jumps } = await fixture.scenario.audit();
  assert.deepEqual(jumps, [], "no number was lost");
  fixture.kafka.freeze();
  const { code } = await fixture.stack.worker.stop();
  fixture.kafka.thaw();
  assert.equal(code, 0, "a worker stops in time while the broker does not answer");
});

Deno.test("a Redis flushed while the ledger lags: what Kafka has is applied first, and nothing is lost", async () => {
  await using fixture = await openFixture(2_000);
  const { redis, scenario, stack: { api, worker } } = fixture;
  await scenario.sell(100);
  await scenario.applied();
  await worker.kill();
  const lagging = scenario.again(scenario.act(200)); // one after the other: an entry each
  await lagging.rush();
  const { seq: head } = await position(redis);
  await relay(fixture, () => false);

  await redis.cli("FLUSHALL");
  await untilUnarmed(api);
  await worker.restart();
  await api.ready();
  const arming = worker.logged("shard armed").at(-1);
  assert.deepEqual([arming?.rebuilt, arming?.lost], ["the store is empty", 0]);
  assert.equal((await position(redis)).seq, head, "numbers go on behind the last one");
  const { replays } = await lagging.settle();
  assert.ok(replays > 0, "first answers came again");
  await scenario.sell(100);
  const { jumps } = await scenario.audit();
  assert.deepEqual(jumps, []);
});

Deno.test("a Redis flushed while ledger and topic lag: lost is what neither has, and no number is issued again", async () => {
  await using fixture = await openFixture(2_000);
  const { redis, scenario, stack: { api, worker } } = fixture;
  await scenario.sell(100);
  await scenario.applied();
  await worker.kill();
  const lagging = scenario.again(scenario.act(200));
  await lagging.rush();
  const { seq: head } = await position(redis);
  // Acknowledged and never written, and the relay died before it noticed.
  const lost = head - 99;
  await relay(fixture, ({ key }) => key.endsWith(`-${lost}`));

  await redis.cli("FLUSHALL");
  await untilUnarmed(api);
  await worker.restart();
  await api.ready();
  const arming = worker.logged("shard armed").at(-1);
  assert.equal(arming?.lost, 100, "behind the gap nothing can be applied");
  assert.equal((await position(redis)).seq, head, "a lost number is never issued again");
  const again = scenario.again(lagging);
  await again.rush();
  api.history.declaredLosses(100);
  const { jumps } = await scenario.audit();
  assert.deepEqual(jumps.map(({ shard, from_seq, to_seq }) => [shard, from_seq, to_seq]), [[
    0,
    lost - 1,
    head,
  ]]);
});

Deno.test("a PostgreSQL of an older copy and a Redis that is empty: what Kafka has is applied, and nothing is issued again", async () => {
  await using fixture = await openFixture(1_000);
  const { redis, databaseUrl, scenario, stack: { api, worker } } = fixture;
  await scenario.sell(100);
  await scenario.applied();
  await backUp(databaseUrl);
  await scenario.sell(300);
  await scenario.applied();
  const before = await position(redis);
  await worker.kill();
  await restore(databaseUrl);
  await redis.cli("FLUSHALL");
  await untilUnarmed(api);
  await worker.restart();
  await api.ready();
  const arming = worker.logged("shard armed").at(-1);
  assert.deepEqual([arming?.rebuilt, arming?.lost], ["the store is empty", 0]);
  const after = await position(redis);
  assert.equal(after.seq, before.seq, "numbers go on behind the last one");
  assert.ok(after.epoch > before.epoch, `epoch ${after.epoch} after ${before.epoch}`);
  await scenario.sell(100);
  const { jumps } = await scenario.audit();
  assert.deepEqual(jumps, []);
});

Deno.test("PostgreSQL and Redis of one older copy: what only Kafka has is applied, and nothing is issued again", async () => {
  await using fixture = await openFixture(1_000);
  const { redis, databaseUrl, scenario, stack: { api, worker } } = fixture;
  await scenario.sell(100);
  await scenario.applied();
  await backUp(databaseUrl);
  await worker.kill();
  const keys = (await redis.cli("KEYS", "{inventory:0}:*")).split("\n").filter((key) => key !== "");
  for (const key of keys) await redis.cli("COPY", key, `copy:${key}`, "DB", "1");
  await worker.restart();
  await scenario.sell(300);
  await scenario.applied();
  const before = await position(redis);
  await worker.kill();
  await restore(databaseUrl);
  await redis.cli("FLUSHDB");
  for (const key of keys) await redis.cli("-n", "1", "COPY", `copy:${key}`, key, "DB", "0");
  await redis.cli("HDEL", "{inventory:0}:meta", "armed"); // as a server that was started from a copy has none
  await worker.restart();
  await api.ready();
  const arming = worker.logged("shard armed").at(-1);
  assert.match(String(arming?.rebuilt), /^the store went back/);
  assert.equal(arming?.lost, 0);
  const after = await position(redis);
  assert.equal(after.seq, before.seq, "numbers go on behind the last one");
  assert.ok(after.epoch > before.epoch, `epoch ${after.epoch} after ${before.epoch}`);
  await scenario.sell(100);
  const { jumps } = await scenario.audit();
  assert.deepEqual(jumps, []);
});

Deno.test("through Kafka, too, another worker takes over soon after a freeze, and the thawed one does no harm", async () => {
  await using fixture = await openFixture(30_000, 2);
  const { redis, databaseUrl, scenario, stack: { workers } } = fixture;
  await using clients = scenario.act(30_000);
  const rush = clients.rush();
  await sold(clients, SOLD_BETWEEN);
  const ms = await withConnection(databaseUrl, async (sql) => {
    const [lease] = await sql<{ name: string }[]>`
      select application_name as name from pg_locks join pg_stat_activity using (pid)
      where locktype = 'advisory' and granted and objsubid = 2 and objid = 0 and datname = current_database()`;
    const holder = workers.find(({ pid }) => lease?.name.startsWith(`inventory-worker:${pid}@`));
    assert.ok(holder, `no worker is called ${lease?.name}`);
    const startMs = performance.now();
    holder.freeze();
    const reached = await cursorOf(sql);
    await waitFor(async () => await headOf(redis) > reached + SOLD_BETWEEN, {
      deadlineMs: STEP_DEADLINE_MS,
      what: "sales after it",
    });
    const head = await headOf(redis);
    await waitFor(async () => await cursorOf(sql) >= head, {
      deadlineMs: STEP_DEADLINE_MS,
      what: "another worker to book",
    });
    const ms = Math.round(performance.now() - startMs);
    holder.thaw();
    return ms;
  });
  note(`taken over ${ms} ms after a freeze`);
  assert.ok(ms <= TAKEOVER_MAX_MS, `${ms} ms`);
  clients.stop();
  await rush;
  await clients.settle();
  const { jumps } = await scenario.audit();
  assert.deepEqual(jumps, []);
});

Deno.test("a topic with fewer partitions than there are shards: the worker refuses to start, with the reason", async () => {
  await using kafka = await startKafka();
  const topic = new KafkaTopic({
    brokers: [kafka.broker],
    namespace: "inventory",
    shards: 1,
    onLog: () => {},
  });
  await waitFor(() => topic.prepare().then(() => true), {
    deadlineMs: STEP_DEADLINE_MS,
    what: "a broker that leads the topic that it has just made",
  });
  await topic.close();
  const { code, said } = await runToEnd("worker", {
    REDIS_URL: sharedRedis().url,
    DATABASE_URL: await sharedPostgres().freshDatabase(),
    KAFKA_BROKERS: kafka.broker,
    SHARDS: "3",
  });
  assert.equal(code, 2);
  assert.match(
    said,
    /^Cannot use topic 'inventory.events' as it must have a partition per shard: it has 1, SHARDS is 3$/m,
  );
});

/** As a worker's relay: reads everything after the cursor through the topic, and applies nothing of it. */
async function relay(
  { kafka, redis, databaseUrl }: Fixture,
  isLost: (message: TopicMessage) => boolean,
): Promise<void> {
  const [{ deployment, epoch, seq }] = await withConnection(
    databaseUrl,
    (sql) =>
      sql<[{ deployment: string; epoch: number; seq: number }]>`
      select id::text as deployment, epoch::int, seq::int from inventory.deployment, inventory.log_cursor`,
  );
  const place = { namespace: "inventory", shards: 1 };
  const topic = new KafkaTopic({ ...place, brokers: [kafka.broker], onLog: () => {} });
  const servers = new ClusterMap([redis.url], place, { name: "relay", world: realWorld, onError() {} });
  const stream = new RedisStream(new ShardConnections(servers, "shard"), place);
  try {
    for (let after: Position | undefined = { epoch, seq }; after;) {
      const entries: LogEntry[] = await stream.read(0, after, {
        entriesMax: 64,
        waitMs: 0,
        signal: new AbortController().signal,
      });
      const messages = entries.flatMap((entry) => encodeMessages(entry, { shard: 0, deployment }, 1e6));
      if (messages.length > 0) await topic.append(0, messages.filter((message) => !isLost(message)));
      after = entries.at(-1)?.position;
    }
  } finally {
    await Promise.all([stream.close(), topic.close()]);
    await servers.close();
  }
}

/** Waits until so many more orders have been accepted. */
async function sold(
  clients: { count(what: string): number },
  count: number,
  before: number = clients.count("accepted"),
): Promise<void> {
  await waitFor(() => clients.count("accepted") >= before + count, {
    deadlineMs: STEP_DEADLINE_MS,
    what: `${count} more sales`,
  });
}

/** Cuts off all that the topic has now. */
async function truncate(kafka: KafkaServer): Promise<void> {
  const admin = new kafkajs.Kafka({ brokers: [kafka.broker], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.fetchTopicOffsets(TOPIC); // kafkajs must have heard of the topic
  await admin.deleteTopicRecords({ topic: TOPIC, partitions: [{ partition: 0, offset: "-1" }] });
  await admin.disconnect();
}
