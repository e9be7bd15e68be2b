/**
 * The API process: settings, store, inventory, HTTP. With no settings it is the whole system: memory store, ledger in a
 * folder, and the worker's loop in the same process.
 *
 * @module
 */
import { createApp } from "./src/http/app.ts";
import { guardHost, guardOpen } from "./src/http/guard/guard.ts";
import { Listener } from "./src/http/listener.ts";
import { InventoryService } from "./src/decide/service.ts";
import { orExit, say, stopOnSignal } from "./src/runtime/lifecycle.ts";
import { banner } from "./src/compose/banner.ts";
import { stockDemo } from "./src/compose/demo.ts";
import { reportBroken } from "./src/compose/reports.ts";
import { fatal, openProcess } from "./src/compose/process.ts";
import { describeError, traceIds } from "./src/runtime/logger.ts";
import { sleep } from "./src/runtime/world.ts";

const process = await openProcess("api");
const { config, world, logger, telemetry } = process;

// Loaded when wanted: the embedded default needs no Redis client and no PostgreSQL client, and the reverse.
const { store, ledger, deployment, guaranteesOff, stop, demoStock } = config.store.kind === "redis"
  ? await (await import("./src/compose/redis_store.ts")).openRedisStore(process, config.store)
  : await orExit((await import("./src/compose/embedded_store.ts")).openEmbeddedStore(process, config.store));

const inventory = new InventoryService(store, world, {
  shards: config.shards,
  batchMax: config.batchMax,
  // In memory a call decides at once, and all that wait for one commit of the ledger share it: 1.25 × the orders.
  callsMax: config.store.kind === "redis" ? 2 : 64,
  // With 10,000 connections a turn of the event loop takes 100 ms and more, and brings the answers once. With two calls
  // a turn the process decided 5,000 orders a second of 17,000, and refused the rest as overloaded.
  fullCallsMax: config.store.kind === "redis" ? 8 : 64,
  queueMax: config.queueMax,
  requestTimeoutMs: config.requestTimeoutMs,
  guaranteesOff,
  archive: ledger,
  decisions: ledger?.baskets ?? null,
  onBroken: reportBroken(world, logger),
  ...telemetry && { onCall: telemetry.onStoreCall },
});
telemetry?.observeInventory(inventory);
if (demoStock) await stockDemo(inventory);

const app = createApp({
  inventory,
  config,
  world,
  reportError: (error, traceparent) =>
    logger.error("broken request", { error: describeError(error), ...traceIds(traceparent) }),
  ledger,
  deployment,
  observers: telemetry === null ? [] : [telemetry.requests(
    config.store.kind === "redis" ? "redis" : "memory",
    ({ route, status, timings: [first], traceparent }) =>
      logger.warn("request failed", { route, status, code: first?.result, ...traceIds(traceparent) }),
  )],
});
const listener = await orExit(listen());
// Only the embedded default has files. After listening: a platform may want a socket in a folder.
if (config.store.kind === "redis") await Deno.permissions.revoke({ name: "write" });
process.started();
stopOnSignal(world, logger, config.drainDelayMs + config.drainTimeoutMs, [
  () => {
    app.drain();
    return sleep(world, config.drainDelayMs);
  },
  () => {
    app.stop();
    // Every request under way is settled by its deadline; what is left then is a client that does not read.
    return listener.shutdown(Math.min(config.requestTimeoutMs + 250, config.drainTimeoutMs * 0.75));
  },
  () => inventory.drained(),
  ...stop,
  async () => await telemetry?.stop(),
]);
say(banner(config, listener.addr, Deno.pid, world));
const { descriptors, wanted } = listener.boundByDescriptors();
if (descriptors < wanted) {
  logger.warn("descriptors are few: raise the limit (ulimit -n, nofile)", { descriptors, wanted });
}

/** Loopback only without tokens: `config.ts` has seen to HOST and DENO_SERVE_ADDRESS. */
function listen(): Promise<Listener> {
  const { host: hostname, port, access, queueMax, connectionsMax } = config;
  try {
    const listener = new Listener({
      hostname,
      port,
      world,
      guard: access.kind === "open" ? guardOpen : guardHost,
      fetch: app.fetch,
      requestsMax: queueMax,
      connectionsMax,
      onCheck: app.sweep,
      onReplaced: (why, error) => logger.warn(why, error === null ? {} : { error: describeError(error) }),
      onFailed: fatal,
    });
    return Promise.resolve(listener);
  } catch (cause) {
    return Promise.reject(new Error(`Cannot listen on ${hostname}:${port}`, { cause }));
  }
}
