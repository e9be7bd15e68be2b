/**
 * Packets that are dropped between a worker and its broker: selling goes on, and the ledger has all of it soon after.
 */
import assert from "node:assert/strict";
import { withConnection } from "../../tools/servers/database.ts";
import { startKafka } from "../../tools/servers/kafka.ts";
import { openNetwork } from "../../tools/servers/network.ts";
import { startPostgres } from "../../tools/servers/postgres.ts";
import { startRedis } from "../../tools/servers/redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { headOf } from "../fault/fault_probe.ts";
import { note } from "../fault/fault_scenario.ts";
import { Sale } from "../fault/sale.ts";
import { isLong, trial } from "../fault/trial.ts";
import { Service } from "../system/stack.ts";

const STEP_DEADLINE_MS = 90_000;
const FOR_MS = isLong ? [1_000, 10_000, 60_000] : [1_000];
const ENV = { USER_LIMIT_MS: "0", REQUEST_TIMEOUT_MS: "1000" };
/** Selling does not need Kafka. */
const BOUNDS = { acceptedMin: 0.4, pauseMaxMs: 5_000 };
/** A request on its way times out after 4 s, and the relay tries again after a second at most; a busy machine takes longer. */
const APPLIED_MAX_MS = 30_000;

Deno.test("packets dropped between a worker and its broker: selling goes on, and all is applied soon after healing", async () => {
  await using network = await openNetwork();
  const [broker, workerHost, redisHost, ledger] = [
    await network.host(),
    await network.host(),
    await network.host(),
    await network.host(),
  ];
  await using kafka = await startKafka({ host: broker });
  await using redis = await startRedis({ host: redisHost });
  await using postgres = await startPostgres({ host: ledger });
  const databaseUrl = await postgres.freshDatabase();
  const env = { REDIS_URL: redis.url, KAFKA_BROKERS: kafka.broker, ...ENV };
  await using _worker = await Service.start(
    "worker",
    { ...env, DATABASE_URL: databaseUrl },
    { host: workerHost },
  );
  await using api = await Service.start("api", env);
  await api.ready(STEP_DEADLINE_MS);
  await using sale = await Sale.open({ apis: [api], databaseUrl, skus: ["one", "two"] });
  await withConnection(databaseUrl, async (sql) => {
    const cursor = async () => {
      const [row] = await sql`select seq::int from inventory.log_cursor where shard = 0`;
      return Number(row?.seq);
    };
    /** Waits until the ledger has what was sold until now. Returns how long that took, ms. */
    const applied = async () => {
      const [fromMs, head] = [performance.now(), await headOf(redis)];
      await waitFor(async () => await cursor() >= head, {
        deadlineMs: STEP_DEADLINE_MS,
        what: "what was sold until then in the ledger",
      });
      return Math.round(performance.now() - fromMs);
    };
    const cuts = [
      { what: "a worker from its broker", cut: () => network.cut(workerHost, broker) },
      ...isLong
        ? [{
          what: "replies of its broker to a worker, requests arrive",
          cut: () => network.cutOneWay(broker, workerHost),
        }]
        : [],
    ];
    for (const forMs of FOR_MS) {
      for (const { what, cut } of cuts) {
        await applied();
        let afterMs = Infinity;
        await trial(sale, "Partitions", {
          what: `${what}, ${forMs / 1000} s`,
          strike: cut,
          forMs,
          async heal() {
            assert.ok(await cursor() < await headOf(redis), "the ledger went on: nothing was cut");
            await network.heal();
            afterMs = await applied();
            note(`applied ${afterMs} ms after healing`);
          },
          ...BOUNDS,
        });
        assert.ok(afterMs < APPLIED_MAX_MS, `applied ${afterMs} ms after healing`);
      }
    }
  });
});
