/**
 * The real API on the real inventory and a memory store, in this process, with real telemetry: for many requests in
 * little time. Its store fails for orders that say so.
 *
 * @module
 */
import { loadConfig } from "../../src/runtime/settings/config.ts";
import { type App, createApp } from "../../src/http/app.ts";
import { InventoryService } from "../../src/decide/service.ts";
import { StoreError } from "../../src/domain/errors.ts";
import { type StockStore } from "../../src/decide/store.ts";
import { startTelemetry, type Telemetry } from "../../src/observe/telemetry.ts";
import { realWorld as world } from "../../src/runtime/world.ts";
import { armEmpty } from "../contract/store_suite.ts";
import { makeMemoryStore } from "../contract/stores.ts";

/** Orders whose ids begin with it meet a store that is away. */
export const FAILING = "failing-";

/** An API under test. */
export interface WatchedApp extends AsyncDisposable {
  readonly app: App;
  readonly telemetry: Telemetry;
  /** Why telemetry could not be sent. */
  readonly failures: readonly string[];
  /** Sends a deduct of one unit. */
  deduct(orderId: string, extra?: DeductExtra): Promise<Response>;
}

/** What a deduct of a test has in addition to its order. */
export interface DeductExtra {
  readonly sku?: string;
  readonly headers?: Record<string, string>;
}

/** Starts one with 1,000,000 units of `SKU`. */
export async function startObservedApp(env: Record<string, string>): Promise<WatchedApp> {
  const config = loadConfig({ USER_LIMIT_MS: "0", ...env });
  const parts = await makeMemoryStore({ userLimitMs: 0 });
  await armEmpty(parts.control);
  const failures: string[] = [];
  const identity = { namespace: "inventory", program: "api" } as const;
  const telemetry = await startTelemetry(
    config.telemetry,
    identity,
    world,
    (signal, why) => failures.push(`${signal}: ${why}`),
  );
  if (telemetry === null) throw new Error("Cannot watch without OTLP_ENDPOINT");
  const { batchMax, queueMax, requestTimeoutMs } = config;
  const inventory = new InventoryService(failing(parts.store), world, {
    ...{
      shards: 1,
      batchMax,
      callsMax: 2,
      queueMax,
      requestTimeoutMs,
      guaranteesOff: () => [],
      archive: null,
      decisions: null,
    },
    onBroken: (error) => failures.push(String(error)),
    onCall: telemetry.onStoreCall,
  });
  telemetry.observeInventory(inventory);
  const app = createApp({
    inventory,
    config,
    world,
    reportError: (error) => failures.push(String(error)),
    deployment: () => null,
    observers: [telemetry.requests("memory", () => {})],
  });
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) =>
    await app.fetch(
      new Request(`http://127.0.0.1:8080${path}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      }),
    );
  await post("/api/v1/inventory/SKU/adjustments", { adjustment_id: "a", delta: 1_000_000 });
  return {
    app,
    telemetry,
    failures,
    deduct: (orderId, { sku = "SKU", headers } = {}) =>
      post("/api/v1/inventory/deduct", { sku, user_id: orderId, order_id: orderId, amount: 1 }, headers),
    async [Symbol.asyncDispose]() {
      await telemetry.stop();
      await inventory.drained();
      await parts[Symbol.asyncDispose]();
    },
  };
}

function failing(store: StockStore): StockStore {
  return {
    async decide(shard, batch) {
      const fails = batch.some(({ command }) => "orderId" in command && command.orderId.startsWith(FAILING));
      if (fails) throw new StoreError("connection_lost", "none", "as the test wants it");
      return await store.decide(shard, batch);
    },
    guaranteesOff: (shard) => store.guaranteesOff(shard),
    close: () => store.close(),
  };
}
