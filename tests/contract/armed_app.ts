/**
 * The real API on a real inventory in memory that may sell, called past any socket.
 */
import { loadConfig } from "../../src/config.ts";
import { type App, createApp } from "../../src/http/app.ts";
import { InventoryService } from "../../src/inventory/service.ts";
import type { ShardControl } from "../../src/inventory/shard_control.ts";
import { realWorld } from "../../src/world.ts";
import { armEmpty } from "./store_suite.ts";
import { makeMemoryStore } from "./stores.ts";

/** An API with an inventory of its own. */
export interface AppUnderTest extends AsyncDisposable {
  readonly app: App;
  /** Errors that no route expected. */
  readonly broken: readonly unknown[];
}

/** The API as `env` configures it. */
export async function startApp(env: Record<string, string> = {}): Promise<AppUnderTest> {
  return await start(env, armEmpty);
}

/** The API while no worker has verified the stock. */
export async function startUnarmedApp(): Promise<AppUnderTest> {
  return await start({}, async () => {});
}

async function start(
  env: Record<string, string>,
  arm: (control: ShardControl) => Promise<void>,
): Promise<AppUnderTest> {
  const config = loadConfig(env);
  const parts = await makeMemoryStore({ userLimitMs: config.userLimitMs });
  await arm(parts.control);
  const broken: unknown[] = [];
  const { batchMax, queueMax, requestTimeoutMs } = config;
  const inventory = new InventoryService(parts.store, realWorld, {
    shards: 1,
    batchMax,
    callsMax: 2,
    queueMax,
    requestTimeoutMs,
    idempotencyWindowMs: config.idempotencyWindowS * 1000,
    promisesOff: [],
    archive: null,
    onBroken: (error) => broken.push(error),
  });
  const app = createApp({ inventory, config, world: realWorld, reportError: (error) => broken.push(error) });
  return {
    app,
    broken,
    async [Symbol.asyncDispose]() {
      await inventory.drained();
      await parts[Symbol.asyncDispose]();
    },
  };
}
