/**
 * Baskets of several shards on real servers: a Redis or PostgreSQL is killed with -9 between prepare, decision and
 * confirm, and starts again. On one Redis, on a cluster of three masters, and through Kafka. After each kill answers,
 * Redis, order lines and movements are compared, and the history is checked.
 */
import assert from "node:assert/strict";
import type { Outcome } from "../../src/domain/outcome.ts";
import { allShardSlots } from "../../src/redis/keys.ts";
import { startCluster } from "../../tools/servers/cluster.ts";
import { startKafka } from "../../tools/servers/kafka.ts";
import { startPostgres } from "../../tools/servers/postgres.ts";
import { type RedisServer, startRedis } from "../../tools/servers/redis.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { type BasketSite, type Death, serverSite, siteShards, unitsEach } from "../contract/basket_site.ts";
import type { LedgerTables } from "../system/ledger_audit.ts";
import { isLong } from "./trial.ts";
import { FIXTURE_OPTIONS } from "./worker_fixture.ts";

const DEADLINE_MS = 60_000;
/** Of the shards 0, 1 and 2: ten baskets leave something. */
const amounts = [1, 0, 1];

/** Something that is killed and started again. */
type Victim = Pick<RedisServer, "kill" | "start">;

/** The lowest shard of a basket decides first, and the others do what it did. */
type VictimName = "Redis" | "lowest shard" | "PostgreSQL";

/** A site on servers that may be killed. */
interface Site {
  readonly site: BasketSite;
  readonly victims: Readonly<Partial<Record<VictimName, Victim>>>;
}

/** A server dies at a moment of a basket. */
interface Strike {
  readonly victim: VictimName;
  readonly at: Omit<Death, "strike">;
}

/** All lines are prepared, the decision is recorded, one of two shards has confirmed. */
const strikes: readonly Strike[] = [
  { victim: "Redis", at: { step: "prepare-2", moment: "after" } },
  { victim: "Redis", at: { step: "commit", moment: "after" } },
  { victim: "lowest shard", at: { step: "commit", moment: "after" } },
  { victim: "lowest shard", at: { step: "commit-0", moment: "after" } },
  { victim: "PostgreSQL", at: { step: "commit", moment: "before" } },
  { victim: "PostgreSQL", at: { step: "commit", moment: "after" } },
];
/** Each takes the API's timeout and the start of a server: those that differ less are for `FAULT_LONG=1`. */
const longStrikes: readonly Strike[] = [
  { victim: "Redis", at: { step: "commit", moment: "before" } },
  { victim: "Redis", at: { step: "commit-2", moment: "after" } },
  { victim: "lowest shard", at: { step: "prepare-2", moment: "after" } },
  { victim: "PostgreSQL", at: { step: "prepare-2", moment: "after" } },
  { victim: "PostgreSQL", at: { step: "commit-2", moment: "after" } },
];

/** Kills a server at a moment of a basket, and starts it when the API has answered. The order is sent until it is sold. */
async function strike(under: Site, { victim, at }: Strike): Promise<void> {
  const { site, victims: { [victim]: server } } = under;
  assert.ok(server);
  const orderId = `${victim} ${at.moment} ${at.step}`;
  let isKilled = false;
  const dying = site.api({
    ...at,
    async strike() {
      await server.kill();
      isKilled = true;
      // The decision is recorded, and its answer is lost with the connection.
      if (victim === "PostgreSQL" && at.step === "commit") throw new Error("Lost the connection");
    },
  });
  const heard = await dying.submit(site.basket(orderId, amounts));
  assert.ok(isKilled, `${orderId}: heard ${JSON.stringify(heard)} before the kill`);
  await server.start();
  await site.settled();
  const isSold = await soldWhole(site, orderId);
  if (heard.kind === "accepted") assert.ok(isSold, `${orderId}: accepted, and not sold`);
  const api = site.api();
  let outcome: Outcome = heard;
  await waitFor(async () => {
    outcome = await api.submit(site.basket(orderId, amounts));
    return outcome.kind === "accepted";
  }, { deadlineMs: DEADLINE_MS, what: `a sale of ${orderId}`, seen: () => outcome });
  assert.ok(outcome.kind === "accepted");
  if (isSold) assert.ok(outcome.replayed, `${orderId}: sold twice`);
  await site.settled();
  assert.ok(await soldWhole(site, orderId), orderId);
}

/** Waits until the ledger has what Redis has, compares all, and returns whether an order was sold: all of it or nothing. */
async function soldWhole(site: BasketSite, orderId: string): Promise<boolean> {
  let tables: LedgerTables | undefined;
  const stock = await site.stock();
  const inRedis = site.skus.map((sku, shard) => [sku, stock[shard]?.[0], 0]);
  await waitFor(async () => {
    tables = await site.read();
    const inLedger = site.skus.map((sku) => {
      const row = tables?.stock.find((row) => row.sku === sku);
      return [sku, row?.available, row?.reserved];
    });
    assert.deepEqual(inLedger, inRedis);
    return true;
  }, { deadlineMs: DEADLINE_MS, what: "a ledger that has the same stock as Redis" });
  assert.ok(tables);
  const { lines, movements } = tables;
  for (const [sku, available] of inRedis) {
    const units = movements.filter((row) => row.sku === sku).reduce((sum, { delta }) => sum + delta, 0);
    const sold = lines.filter((row) => row.sku === sku).reduce((sum, { amount }) => sum + amount, 0);
    assert.deepEqual([units, unitsEach - sold], [available, available], `${orderId}: ${sku}`);
  }
  site.history.assertHolds(tables);
  const found = lines.filter(({ order_id }) => order_id === orderId);
  assert.ok([0, 2].includes(found.length), `${orderId} is sold in part`);
  return found.length === 2;
}

async function strikeAll(under: Site): Promise<void> {
  const all = (isLong ? [...strikes, ...longStrikes] : strikes).filter(({ victim }) => under.victims[victim]);
  for (const each of all) await strike(under, each);
  const { lines } = await under.site.read();
  assert.equal(lines.length, 2 * all.length, "every order is sold, once");
}

Deno.test(
  "baskets on a cluster: a master or PostgreSQL killed between prepare, decision and confirm leaves all or nothing",
  FIXTURE_OPTIONS,
  async () => {
    await using cluster = await startCluster({ replicas: 0 });
    await using postgres = await startPostgres();
    const databaseUrl = await postgres.freshDatabase();
    await using site = await serverSite({ redis: cluster.urls, databaseUrl });
    const slots = allShardSlots({ namespace: site.namespace, shards: siteShards });
    const masters = await Promise.all(slots.map((slot) => cluster.ownerOf(slot)));
    assert.equal(new Set(masters).size, siteShards, "each shard is on a master of its own");
    const [lowest, , highest] = masters;
    assert.ok(lowest && highest);
    await strikeAll({ site, victims: { Redis: highest, "lowest shard": lowest, PostgreSQL: postgres } });
  },
);

Deno.test(
  "baskets through Kafka: Redis or PostgreSQL killed between prepare, decision and confirm leaves all or nothing",
  FIXTURE_OPTIONS,
  async () => {
    await using kafka = await startKafka();
    await using redis = await startRedis();
    await using postgres = await startPostgres();
    const databaseUrl = await postgres.freshDatabase();
    await using site = await serverSite({ redis: redis.url, databaseUrl, broker: kafka.broker });
    await strikeAll({ site, victims: { Redis: redis, PostgreSQL: postgres } });
  },
);
