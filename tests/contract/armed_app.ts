/**
 * The real API on a real inventory that may sell, called past any socket: in memory or in Redis, of one shard or several.
 */
import { loadConfig } from "../../src/runtime/settings/config.ts";
import { type App, createApp } from "../../src/http/app.ts";
import { Router } from "../../src/decide/router.ts";
import { InventoryService } from "../../src/decide/service.ts";
import type { ShardControl } from "../../src/decide/shard_control.ts";
import type { StockStore } from "../../src/decide/store.ts";
import { realWorld } from "../../src/runtime/world.ts";
import { sharedRedis } from "../../tools/servers/shared.ts";
import { armEmpty, type MakeStore } from "./store_suite.ts";
import { makeMemoryStore, makeRedisStore } from "./stores.ts";

/** What an API decides with. */
export interface Backend {
  /** For the titles of tests. */
  readonly name: string;
  /** `SHARDS`. */
  readonly shards: number;
  /** Makes a store of that many shards. */
  readonly make: MakeStore;
}

const inMemory = (shards: number): Backend => ({
  name: `memory, SHARDS=${shards}`,
  shards,
  make: (limits) => makeMemoryStore(limits, shards),
});

const inRedis = (shards: number): Backend => ({
  name: `Redis, SHARDS=${shards}`,
  shards,
  make: (limits) => makeRedisStore(sharedRedis("redis").url, limits, shards),
});

/** In memory, one shard. */
export const plainBackend: Backend = inMemory(1);

/** Every backend that the tests of the API run on. */
export const backends: readonly Backend[] = [plainBackend, inMemory(3), inRedis(1), inRedis(3)];

/** An API with an inventory of its own. */
export interface AppUnderTest extends AsyncDisposable {
  readonly app: App;
  /** What the API asks. */
  readonly inventory: InventoryService;
  /** What decides, past both. */
  readonly store: StockStore;
  /** Errors that no route expected. */
  readonly broken: readonly unknown[];
  /** `names` with something added that puts each into a shard of its own, as far as there are shards. */
  apart(...names: string[]): string[];
}

/** The API as `env` configures it. */
export async function startApp(
  env: Record<string, string> = {},
  backend: Backend = plainBackend,
): Promise<AppUnderTest> {
  return await start(env, backend, armEmpty);
}

/** The API while no worker has verified the stock, and the ledger has not said which deployment it is. */
export async function startUnarmedApp(backend: Backend = plainBackend): Promise<AppUnderTest> {
  return await start({ PURCHASE_TOKEN_KEY: "k".repeat(32) }, backend, async () => {}, null);
}

async function start(
  env: Record<string, string>,
  { shards, make }: Backend,
  arm: (control: ShardControl, epoch: number, shards: number) => Promise<void>,
  deployment: string | null = "here",
): Promise<AppUnderTest> {
  const config = loadConfig(env);
  const parts = await make({ userLimitMs: config.userLimitMs });
  await arm(parts.control, 1, shards);
  const broken: unknown[] = [];
  const { batchMax, queueMax, requestTimeoutMs } = config;
  const inventory = new InventoryService(parts.store, realWorld, {
    shards,
    batchMax,
    callsMax: 2,
    queueMax,
    requestTimeoutMs,
    guaranteesOff: () => [],
    archive: null,
    decisions: null,
    onBroken: (error) => broken.push(error),
  });
  const app = createApp({
    inventory,
    config,
    world: realWorld,
    deployment: () => deployment,
    reportError: (error) => broken.push(error),
  });
  return {
    app,
    inventory,
    store: parts.store,
    broken,
    apart: (...names) => names.map((name, i) => inShard(new Router(shards), i % shards, name)),
    async [Symbol.asyncDispose]() {
      await inventory.drained();
      await parts[Symbol.asyncDispose]();
    },
  };
}

function inShard(router: Router, shard: number, name: string): string {
  for (let i = 0;; i++) {
    const sku = `${name}-${i}`;
    if (router.route(sku) === shard) return sku;
  }
}
