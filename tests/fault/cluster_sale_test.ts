/**
 * The main promise on a Redis Cluster: a sale on twelve shards over three masters while a master is killed,
 * failovers go there and back, slots are moved, and workers and an API process are killed and frozen.
 */
import assert from "node:assert/strict";
import { allShardKeys, allShardSlots, keyNames } from "../../src/redis/keys.ts";
import { type RedisCluster, startCluster } from "../../tools/servers/cluster.ts";
import type { RedisServer } from "../../tools/servers/redis.ts";
import { startPostgres } from "../../tools/servers/postgres.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { assertLedger, readLedger, stockOf, stockUp, unitsOf } from "../system/ledger_audit.ts";
import { LoadClients } from "../system/load_clients.ts";
import { oneSkuAShard, planOrders, runSeed, wanted } from "../system/plan.ts";
import { type Service, startStack } from "../system/stack.ts";
import { note } from "./fault_scenario.ts";
import { endOfLog, killUnanswered } from "./unanswered.ts";

const ORDERS = 50_000;
const SHARDS = 12;
const CONNECTIONS = 64;
/** The faults take 25 s, on a fast machine too. */
const ORDERS_PER_SECOND_MAX = 1_600;
const REQUEST_TIMEOUT_MS = 1_000;
/** Longer than a lease may be silent (3 s), so that another worker takes the shards. */
const FREEZE_MS = 4_000;
const STEP_DEADLINE_MS = 60_000;
const SETTLE_DEADLINE_MS = 60_000;
/** A replica that follows its new master is in sync in a second or two. */
const ANOTHER_AFTER_MS = 10_000;
/** Redis gives up a failover after 5 s. */
const FAILOVER_RETRY_MS = 6_000;
/** Sold between two faults, so that each strikes a system that sells. */
const SOLD_BETWEEN = 500;
/** Beyond the failover itself, which is Redis's own business. */
const UNARMED_MAX_MS = 15_000;

/** One thing that happens in the middle of the sale. */
interface Fault {
  readonly what: string;
  /** Whether orders hear it; else selling goes on meanwhile. */
  readonly isHeard: boolean;
  /** Returns when the cluster's part is over: from then on the clock for arming runs. */
  readonly strike: () => Promise<unknown> | void;
  readonly heal?: () => Promise<unknown> | void;
}

Deno.test("cluster: 50,000 orders on 12 shards over 3 masters while masters, slots, workers and an API fail in turn", async () => {
  const seed = runSeed();
  note(`seed ${seed}`);
  await using cluster = await startCluster();
  await using postgres = await startPostgres();
  const databaseUrl = await postgres.freshDatabase();
  await using stack = await startStack({
    redisUrl: cluster.urls.join(),
    databaseUrl,
    apis: 2,
    workers: 3,
    env: {
      SHARDS: String(SHARDS),
      USER_LIMIT_MS: "0",
      REQUEST_TIMEOUT_MS: String(REQUEST_TIMEOUT_MS),
    },
  });
  const { apis: [api, otherApi], workers: [worker, otherWorker] } = stack;
  assert.ok(api && otherApi && worker && otherWorker);
  const skus = oneSkuAShard(SHARDS);
  const orders = planOrders({ seed, orders: ORDERS, skus, users: ORDERS });
  // Every other SKU is sold out on the way; the rest lasts.
  const initial = new Map(skus.map((sku, i) => [sku, Math.floor(wanted(orders, sku) * (i % 2 ? 0.4 : 1.1))]));
  const history = await stockUp(api, initial);
  await using clients = new LoadClients({
    orders,
    urls: [api.url, otherApi.url],
    connections: CONNECTIONS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    ordersPerSecondMax: ORDERS_PER_SECOND_MAX,
    lasts: true,
    history,
  });

  const [first = 0, second = 0, third = 0] = [0, 4, 8].map((shard) => slots[shard]);
  const faults: readonly Fault[] = [
    { what: "a worker is killed", isHeard: false, strike: () => worker.kill(), heal: () => worker.restart() },
    {
      what: "another worker is frozen",
      isHeard: false,
      strike: () => otherWorker.freeze(),
      heal: () => elapsed(FREEZE_MS).then(() => otherWorker.thaw()),
    },
    {
      what: "an API is killed with accepted orders that it has not answered",
      isHeard: true,
      strike: () => killUnanswered(otherApi, clients, () => endOfLogs(cluster)),
      heal: () => otherApi.restart(),
    },
    masterKilled(cluster, first),
    replicaKilled(cluster, second),
    { what: "a failover", isHeard: true, strike: () => failOver(cluster, second) },
    { what: "a failover back", isHeard: true, strike: () => failOver(cluster, second) },
    { what: "a slot is moved", isHeard: true, strike: () => moveAway(cluster, third) },
    { what: "another slot is moved", isHeard: true, strike: () => moveAway(cluster, second) },
  ];
  const rush = clients.rush();
  const struck: string[] = [];
  for (const fault of faults) {
    await clients.sells(SOLD_BETWEEN, STEP_DEADLINE_MS);
    struck.push(`${fault.what}: ${await strike(fault, clients, api)}`);
  }
  await clients.sells(SOLD_BETWEEN, STEP_DEADLINE_MS);
  clients.finish();
  await rush;
  const settled = await clients.settle(SETTLE_DEADLINE_MS);

  const stock = await stockOf(api, skus);
  const tables = await readLedger({ databaseUrl }, stock, STEP_DEADLINE_MS);
  note(`${clients.ordersPerSecond} orders/s; struck:`, struck);
  note(`${clients.count("accepted")} accepted, ${clients.count("insufficient_stock")} sold out`, settled);
  assertLedger({ orders, heard: clients.heard, initial, left: unitsOf(stock), history }, tables);
  assert.equal(clients.heard.length, ORDERS);
  assert.deepEqual(tables.jumps, [], "no number was lost");
  assert.equal(new Set(tables.movements.map(({ shard }) => shard)).size, SHARDS, "every shard has sold");
  assert.ok(clients.count("insufficient_stock") > ORDERS / 10, "the stock was too little");
  assert.ok(settled.hadTakenEffect > 0, "an answer was lost whose order had been accepted");
});

const place = { namespace: "inventory", shards: SHARDS };
const slots = allShardSlots(place);

/** The ends of the logs of all shards. */
async function endOfLogs(cluster: RedisCluster): Promise<string> {
  const keys = allShardKeys(place).map((names) => names[keyNames.indexOf("events")]);
  const ends = slots.map(async (slot, shard) => endOfLog(await cluster.ownerOf(slot), keys[shard]));
  return (await Promise.all(ends)).join("\n");
}

/** Strikes once. Returns how many orders felt it, and how long shards could not sell after it. */
async function strike(
  { what, isHeard, strike, heal }: Fault,
  clients: LoadClients,
  api: Service,
): Promise<string> {
  const felt = () => clients.count(isHeard ? "unknown" : "accepted");
  const before = felt();
  await strike();
  const struckMs = performance.now();
  await waitFor(() => felt() > before, { deadlineMs: STEP_DEADLINE_MS, what: `a strike of '${what}'` });
  await api.ready(STEP_DEADLINE_MS);
  const ms = Math.round(performance.now() - struckMs);
  assert.ok(ms < UNARMED_MAX_MS, `'${what}': ${ms} ms until every shard sold again`);
  await heal?.();
  return `${felt() - before} orders, every shard sells after ${ms} ms`;
}

/** Killed until its replica has taken over; then it comes back as the replica. */
function masterKilled(cluster: RedisCluster, slot: number): Fault {
  let killed: RedisServer | undefined;
  return {
    what: "a master is killed",
    isHeard: true,
    async strike() {
      killed = await cluster.ownerOf(slot);
      const witness = cluster.nodes.find((node) => node !== killed) ?? killed;
      await killed.kill();
      await waitFor(async () => await cluster.ownerOf(slot, witness) !== killed, {
        deadlineMs: STEP_DEADLINE_MS,
        what: "a successor",
      });
    },
    async heal() {
      await killed?.start();
      await cluster.whole();
    },
  };
}

/** Killed until it is declared failed and answers no longer wait for it; then it comes back. */
function replicaKilled(cluster: RedisCluster, slot: number): Fault {
  let killed: RedisServer | undefined;
  return {
    what: "a replica is killed",
    isHeard: true,
    async strike() {
      killed = (await replicaOf(cluster, slot)).successor;
      await killed.kill();
    },
    async heal() {
      await killed?.start();
      await cluster.whole();
    },
  };
}

/** The replica of a slot's master takes over, with the master's consent: nothing that it has is lost. */
async function failOver(cluster: RedisCluster, slot: number): Promise<void> {
  const { successor, owned } = await replicaOf(cluster, slot);
  // Masters vote for one successor of a master in two node timeouts; a failover that was refused is asked for again.
  let askedMs = -Infinity;
  await waitFor(async () => {
    if (performance.now() - askedMs > FAILOVER_RETRY_MS) {
      askedMs = performance.now();
      await successor.cli("CLUSTER", "FAILOVER");
    }
    return await cluster.ownerOf(owned, successor) === successor;
  }, { deadlineMs: STEP_DEADLINE_MS, what: "a failover" });
}

/**
 * A replica in sync of a slot's master, as the replica itself says, and a slot that its master owns. Redis may have
 * moved that master's replica to another master meanwhile: after a while one of those is taken.
 */
async function replicaOf(
  cluster: RedisCluster,
  slot: number,
): Promise<{ readonly successor: RedisServer; readonly owned: number }> {
  const found: { successor: RedisServer; owned: number }[] = [];
  const startMs = performance.now();
  await waitFor(async () => {
    found.length = 0;
    for (const node of cluster.nodes) {
      if (!/role:slave[^]*master_link_status:up/.test(await node.cli("INFO", "replication"))) continue;
      const view = await cluster.view(node);
      const self = view.find(({ flags }) => flags.includes("myself"));
      const { ranges = [] } = view.find(({ id }) => id === self?.masterId) ?? {};
      const [[owned] = []] = ranges;
      if (owned === undefined) continue;
      const isWanted = ranges.some(([first, last]) => first <= slot && slot <= last);
      if (isWanted) found.unshift({ successor: node, owned: slot });
      else if (performance.now() - startMs > ANOTHER_AFTER_MS) found.push({ successor: node, owned });
    }
    return found.length > 0;
  }, { deadlineMs: STEP_DEADLINE_MS, what: "a replica of the slot's master" });
  const [best] = found;
  assert.ok(best);
  return best;
}

/** Moves a slot to another master. */
async function moveAway(cluster: RedisCluster, slot: number): Promise<void> {
  const owner = await cluster.ownerOf(slot);
  const view = await cluster.view(owner);
  const port = view.find(({ flags, ranges }) => !flags.includes("myself") && ranges.length > 0)?.port;
  const to = cluster.nodes.find((node) => node.port === port);
  assert.ok(to, "another master");
  await cluster.moveSlot(slot, to);
}

/** How long a fault lasts is the fault: this waits for nothing else. */
function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
