/**
 * A sale through a Kafka of three brokers, whose topic has three copies and takes nothing with fewer than two: one broker
 * dies, then two.
 */
import assert from "node:assert/strict";
import { startKafkaCluster } from "../../tools/servers/kafka.ts";
import { withConnection } from "../../tools/servers/database.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { note } from "../fault/fault_scenario.ts";
import { headOf } from "../fault/fault_probe.ts";
import { Sale } from "../fault/sale.ts";
import { isLong, trial } from "../fault/trial.ts";
import { Service } from "../system/stack.ts";

const STEP_DEADLINE_MS = 90_000;
const FOR_MS = isLong ? 30_000 : 3_000;
const ENV = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: "1000" };
/** Selling does not need Kafka. */
const BOUNDS = { acceptedMin: 0.4, pauseMaxMs: 5_000 };

Deno.test("kafka: of three brokers one dies, and applying goes on; two die, and selling does", async () => {
  await using cluster = await startKafkaCluster(3);
  const [, second, third] = cluster.brokers;
  assert.ok(second && third);
  await using redis = await startRedis();
  const databaseUrl = await sharedPostgres().freshDatabase();
  const env = {
    REDIS_URL: redis.url,
    KAFKA_BROKERS: cluster.brokers.map(({ broker }) => broker).join(),
    ...ENV,
  };
  await using _worker = await Service.start("worker", { ...env, DATABASE_URL: databaseUrl });
  await using api = await Service.start("api", env);
  await api.ready(STEP_DEADLINE_MS);
  await using sale = await Sale.open({ apis: [api], databaseUrl, skus: ["one", "two"] });
  await withConnection(databaseUrl, async (sql) => {
    const cursor = async () => {
      const [row] = await sql`select seq::int from inventory.log_cursor where shard = 0`;
      return Number(row?.seq);
    };
    await trial(sale, "Kafka", {
      what: `one of three brokers is killed, ${FOR_MS / 1000} s`,
      async strike() {
        await second.kill();
        const struckMs = performance.now();
        const head = await headOf(redis);
        await waitFor(async () => await cursor() >= head, {
          deadlineMs: STEP_DEADLINE_MS,
          what: "what was sold until then in the ledger, with two brokers",
        });
        note(`applied ${Math.round(performance.now() - struckMs)} ms after it`);
      },
      forMs: FOR_MS,
      heal: () => second.start(),
      ...BOUNDS,
    });
    await trial(sale, "Kafka", {
      what: `two of three are killed, the topic has min.insync.replicas 2, ${FOR_MS / 1000} s`,
      strike: () => Promise.all([second.kill(), third.kill()]),
      forMs: FOR_MS,
      heal: () => Promise.all([second.start(), third.start()]),
      ...BOUNDS,
    });
  });
});
