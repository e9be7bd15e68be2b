/**
 * Three shards with their worker, and APIs on them that may die at any step of a basket.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { BasketDecisions } from "../../src/decide/basket_decisions.ts";
import { DurableStore, Watermark } from "../../src/decide/durable_store.ts";
import { MemoryStore } from "../../src/decide/memory/store.ts";
import { Router } from "../../src/decide/router.ts";
import { InventoryService } from "../../src/decide/service.ts";
import type { ShardControl } from "../../src/decide/shard_control.ts";
import type { StockStore } from "../../src/decide/store.ts";
import type { Command, Sale } from "../../src/domain/command.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import { openSqliteLedger } from "../../src/ledger/sqlite/ledger.ts";
import type { EventLog } from "../../src/log/event_log.ts";
import { createLoggerTo } from "../../src/runtime/logger.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { startWorker } from "../../src/worker/balancer.ts";
import { openLedgerAt } from "../fault/worker_fixture.ts";
import { type LedgerTables, readFolder, readLedger } from "../system/ledger_audit.ts";
import { checkAtEnd } from "../system/recorded.ts";
import { HistoryRecorder } from "../system/recorder.ts";
import { sharedPostgres } from "../../tools/servers/shared.ts";
import { waitFor } from "../../tools/servers/wait.ts";
import { withMembers } from "./embedded_parts.ts";
import { recorded } from "./recorded_service.ts";
import { adjust, decideIn, deduct } from "./store_suite.ts";
import { makeRedisStore, makeRelayedStore, type RedisUnderTest } from "./stores.ts";

/** Shards of a site. */
export const siteShards = 3;
/** Units of each SKU at the start. */
export const unitsEach = 10;
/** Of an API that dies: its basket is aborted after it. It takes milliseconds on a quiet machine to get to any step. */
const dyingTimeoutMs = 3000;
/** Of any other API, for a busy machine. */
const timeoutMs = 10_000;
const patienceMs = 30_000;

const limits = { userLimitMs: 0, idempotencyWindowMs: 86_400_000, backlogMax: 1_000_000 };

/** The steps of a basket that an API takes in the world outside, by name; those of a shard end with its number. */
export type Step =
  | "begin"
  | "look"
  | "commit"
  | "abort"
  | `prepare-${number}`
  | `commit-${number}`
  | `abort-${number}`;

/** Where an API dies: before a step has an effect, or after it, before its answer arrives. */
export interface Death {
  readonly step: Step;
  readonly moment: "before" | "after";
  /** What happens there while the API waits. It does not die then: it goes on. */
  readonly strike?: () => Promise<void>;
}

/** The servers of a site. */
export interface SiteServers {
  /** One, or the nodes of a cluster. */
  readonly redis: string | readonly string[];
  /** A shared one when left out. */
  readonly databaseUrl?: string;
  /** The log is read through Kafka. */
  readonly broker?: string;
}

/** What a worker runs on. */
interface Running extends AsyncDisposable {
  readonly store: StockStore;
  readonly ledger: Ledger;
}

/** Three shards in a worker's care, with one SKU each. */
export interface BasketSite extends AsyncDisposable {
  readonly ledger: Ledger;
  readonly namespace: string;
  /** What was sent to the APIs and answered. The site's end checks it. */
  readonly history: HistoryRecorder;
  /** What the ledger has. */
  readonly read: () => Promise<LedgerTables>;
  /** One SKU in each shard. */
  readonly skus: readonly string[];
  /** An API, which dies at a step if one is given. */
  api(death?: Death): InventoryService;
  /** Sends a basket to an API that dies at a step, and resolves when it has died. */
  dieAt(death: Death, basket: Sale): Promise<void>;
  /** An order of these units, by shard. */
  basket(orderId: string, amounts: readonly number[], userId?: string): Sale;
  /** Waits until no line is prepared and no decision is left. */
  settled(): Promise<void>;
  /** Available and reserved units of each SKU. */
  stock(): Promise<(readonly [number, number])[]>;
  /** All processes and the store end and start again: what is not in the ledger, or in Redis, is gone. */
  restart(): Promise<void>;
  /** Redis loses a shard. */
  lose(shard: number): Promise<void>;
}

/** Runs a worker on a store. */
async function runWorker(
  ledger: Ledger,
  parts: { store: StockStore; control: ShardControl; log: EventLog },
  onApplied: (shard: number, seq: number) => void,
): Promise<AsyncDisposable> {
  const worker = startWorker({
    ...parts,
    ledger,
    deployment: await ledger.prepare(siteShards),
    world: realWorld,
    logger: createLoggerTo(realWorld, "error", () => {}),
    durability: "report",
    retentionMs: 400 * 86_400_000,
    onApplied,
  });
  return { [Symbol.asyncDispose]: () => worker.stop() };
}

/** The embedded default, on a folder. */
async function runEmbedded(folder: string): Promise<Running> {
  const ledger = await openSqliteLedger({ folder, namespace: "inventory", world: realWorld });
  await ledger.prepare(siteShards);
  const memory = new MemoryStore(realWorld, limits, siteShards);
  const watermark = new Watermark();
  const parts = { store: memory, control: memory, log: memory };
  const worker = await runWorker(ledger, parts, (shard, seq) => watermark.advance(shard, seq));
  return {
    store: new DurableStore(memory, watermark),
    ledger,
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await memory.close();
      await ledger.close();
    },
  };
}

async function runOnServers(under: RedisUnderTest, databaseUrl: string): Promise<Running> {
  const ledger = await openLedgerAt(databaseUrl, under.namespace);
  await ledger.prepare(siteShards);
  const worker = await runWorker(ledger, under, () => {});
  return {
    store: under.store,
    ledger,
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await ledger.close();
    },
  };
}

/** The embedded default: everything ends together. */
export async function embeddedSite(): Promise<BasketSite> {
  const folder = await Deno.makeTempDir({ prefix: "holdfast-baskets-" });
  return await startSite({
    run: () => runEmbedded(folder),
    lose: () => Promise.reject(new Error("there is no Redis")),
    namespace: "inventory",
    read: () => readFolder(folder),
    owned: { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) },
  });
}

/** Redis, or a cluster of several, and PostgreSQL. */
export async function serverSite({ redis, databaseUrl: own, broker }: SiteServers): Promise<BasketSite> {
  const under = broker === undefined
    ? await makeRedisStore(redis, limits, siteShards)
    : await makeRelayedStore(redis, broker, limits, siteShards);
  const databaseUrl = own ?? await sharedPostgres().freshDatabase();
  const lose = async (shard: number) => {
    const { position } = await under.control.inspect(shard);
    assert.ok(position.seq > 0);
    await under.control.markForRebuild(shard, await deploymentOf(databaseUrl, under.namespace));
  };
  const { namespace } = under;
  return await startSite({
    run: () => runOnServers(under, databaseUrl),
    lose,
    namespace,
    read: () => readLedger({ databaseUrl, namespace }, new Map()),
    owned: under,
  });
}

async function deploymentOf(databaseUrl: string, namespace: string): Promise<string> {
  const ledger = await openLedgerAt(databaseUrl, namespace);
  try {
    return (await ledger.deployment())?.id ?? assert.fail("the ledger has no owner");
  } finally {
    await ledger.close();
  }
}

/** What a site is made of. */
interface SiteParts extends Pick<BasketSite, "lose" | "namespace" | "read"> {
  readonly run: () => Promise<Running>;
  /** Ends with the site. */
  readonly owned: AsyncDisposable;
}

async function startSite({ run, lose, namespace, read, owned }: SiteParts): Promise<BasketSite> {
  let running = await run();
  const router = new Router(siteShards);
  const skus = router.all().map((shard) => {
    for (let n = 0;; n++) if (router.route(`SKU-${n}`) === shard) return `SKU-${n}`;
  });
  const armed = () =>
    waitFor(async () => {
      const results = await Promise.all(router.all().map((shard) => running.store.decide(shard, [])));
      return results.every(({ kind }) => kind === "decided");
    }, { deadlineMs: patienceMs, what: "armed shards" });
  await armed();
  await Promise.all(
    skus.map((sku, shard) => decideIn(shard, running.store, adjust("opening", sku, unitsEach))),
  );
  const apis: InventoryService[] = [];
  const history = new HistoryRecorder();
  const open = (death?: Death, onDeath?: () => void) => {
    const api = recorded(makeApi(running, death, onDeath), history);
    apis.push(api);
    return api;
  };
  return {
    get ledger() {
      return running.ledger;
    },
    skus,
    namespace,
    history,
    read,
    api: (death) => open(death),
    async dieAt(death, basket) {
      const died = Promise.withResolvers<void>();
      const api = open(death, died.resolve);
      const answered = api.submit(basket).then(() =>
        assert.fail(`it did not die ${death.moment} ${death.step}`)
      );
      await Promise.race([died.promise, answered]);
      answered.catch(() => {}); // a request that died is answered by nothing but its timers
    },
    basket: (orderId, amounts, userId = "user-1") => ({
      ...deduct(orderId, "", 1, userId),
      kind: "order",
      lines: amounts.flatMap((amount, shard) => amount > 0 ? [{ sku: skus[shard] ?? "", amount }] : []),
    }),
    async settled() {
      await waitFor(async () => {
        const stock = await stockOf(running.store, skus);
        return stock.every(([, reserved]) => reserved === 0);
      }, { deadlineMs: patienceMs, what: "no units to be held" });
    },
    stock: () => stockOf(running.store, skus),
    async restart() {
      await running[Symbol.asyncDispose]();
      running = await run();
      await armed();
    },
    async lose(shard) {
      await lose(shard);
      await armed();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(apis.map((api) => api.drained()));
      await checkAtEnd(history, read);
      await running[Symbol.asyncDispose]();
      await owned[Symbol.asyncDispose]();
    },
  };
}

async function stockOf(store: StockStore, skus: readonly string[]): Promise<(readonly [number, number])[]> {
  return await Promise.all(skus.map(async (sku, shard) => {
    const [found] = await decideIn(shard, store, { kind: "stock", sku });
    return found?.kind === "stock" ? [found.available, found.reserved] as const : assert.fail(found?.kind);
  }));
}

/** An API on the site's store and ledger. After its death nothing that it does reaches them. */
function makeApi({ store, ledger }: Running, death?: Death, onDeath = () => {}): InventoryService {
  let [isDead, isStruck] = [false, false];
  const never = new Promise<never>(() => {});
  const take = async <T>(step: Step, act: () => Promise<T>, isDone = (_: T) => true): Promise<T> => {
    if (isDead) return await never;
    const isLast = death?.step === step;
    const die = async () => {
      if (death?.strike) {
        const isFirst = !isStruck;
        isStruck = true;
        return isFirst ? await death.strike() : undefined;
      }
      isDead = true;
      onDeath();
      return await never;
    };
    if (isLast && death.moment === "before") await die();
    const result = await act();
    if (isLast && death.moment === "after" && isDone(result)) await die();
    return isDead ? await never : result;
  };
  const { baskets } = ledger;
  const decisions: BasketDecisions = {
    begin: (...args) => take("begin", () => baskets.begin(...args)),
    commit: (...args) => take("commit", () => baskets.commit(...args), (result) => result === "committed"),
    abort: (...args) => take("abort", () => baskets.abort(...args)),
    find: (...args) => baskets.find(...args),
  };
  const stepOf = (shard: number, command: Command | undefined): Step | undefined =>
    command?.kind === "prepare" || command?.kind === "commit" || command?.kind === "abort"
      ? `${command.kind}-${shard}`
      : undefined;
  return new InventoryService(
    withMembers(store, {
      decide: (shard, batch) => {
        const step = stepOf(shard, batch[0]?.command);
        const act = () => store.decide(shard, batch);
        return step ? take(step, act) : isDead ? never : act();
      },
    }),
    realWorld,
    {
      ...{ shards: siteShards, batchMax: 64, callsMax: 2, queueMax: 1000 },
      requestTimeoutMs: death ? dyingTimeoutMs : timeoutMs,
      guaranteesOff: () => [],
      archive: withMembers(ledger, { findOrder: (id) => take("look", () => ledger.findOrder(id)) }),
      decisions,
      onBroken: () => {},
    },
  );
}
