/**
 * The API process: settings → store → inventory → HTTP. With no settings it is the whole system: memory
 * store, ledger in a folder, and the worker's loop in the same process.
 *
 * @module
 */
import type { StoreConfig } from "./src/runtime/settings/config.ts";
import { createApp } from "./src/http/app.ts";
import { guardHost, guardOpen } from "./src/http/guard/guard.ts";
import { Listener } from "./src/http/listener.ts";
import { DurableStore, Watermark } from "./src/decide/durable_store.ts";
import { limitsOf } from "./src/domain/limits.ts";
import { MemoryStore } from "./src/decide/memory/store.ts";
import { RedisStore } from "./src/redis/store.ts";
import { InventoryService } from "./src/decide/service.ts";
import { StoreError } from "./src/domain/errors.ts";
import { type StockStore } from "./src/decide/store.ts";
import { DeploymentMonitor, ledgerNotMade } from "./src/ledger/postgres/deployment_watch.ts";
import type { Ledger } from "./src/ledger/ledger.ts";
import { openPglite } from "./src/ledger/postgres/pglite.ts";
import { openPostgres } from "./src/ledger/postgres/server.ts";
import { openLedger } from "./src/ledger/postgres/ledger.ts";
import {
  configOrExit,
  die,
  exitCodes,
  exitOnSignal,
  orExit,
  say,
  stopOnSignal,
  type StopStep,
} from "./src/runtime/lifecycle.ts";
import { banner } from "./src/compose/banner.ts";
import { stockDemo } from "./src/compose/demo.ts";
import { reportBroken, reportRedis } from "./src/compose/reports.ts";
import { ShardConnections } from "./src/redis/shard_connections.ts";
import { ClusterMap } from "./src/redis/cluster_map.ts";
import { adviceOn } from "./src/runtime/advice.ts";
import { createLogger, describeError, traceIds } from "./src/runtime/logger.ts";
import { notSent, startTelemetry } from "./src/observe/telemetry.ts";
import { startWorker } from "./src/worker/balancer.ts";
import { Reminder } from "./src/runtime/reminder.ts";
import { realWorld as world, sleep } from "./src/runtime/world.ts";

const config = configOrExit();
const { shards, namespace } = config;
const telemetry = await startTelemetry(
  config.telemetry,
  { namespace, program: "api" },
  world,
  (signal, why) => logger.warn(notSent, { signal, why }),
);
const logger = createLogger(world, config.logLevel, telemetry?.log);
const started = exitOnSignal(logger);
for (const parameter of config.ignored) logger.warn("parameter of a URL has no effect", { parameter });
const onCall = telemetry && { onCall: telemetry.onClientCall };
const limits = limitsOf(config);
const fatal = (error: unknown) => die(`Stopped: ${describeError(error)}`, exitCodes.failed);

const { store, books, deployment, guaranteesOff, stop, demoStock } = config.store.kind === "redis"
  ? await openRedis(config.store)
  : await orExit(openEmbedded(config.store));

const inventory = new InventoryService(store, world, {
  shards,
  batchMax: config.batchMax,
  callsMax: 2,
  queueMax: config.queueMax,
  requestTimeoutMs: config.requestTimeoutMs,
  guaranteesOff,
  archive: books,
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
  books,
  deployment,
  watch: telemetry?.requests(
    config.store.kind === "redis" ? "redis" : "memory",
    ({ route, status, timings, traceparent }) =>
      logger.warn("request failed", { route, status, code: timings?.result, ...traceIds(traceparent) }),
  ) ?? null,
});
const listener = await orExit(listen());
// Only the embedded default has files. After listening: a platform may want a socket in a folder.
if (config.store.kind === "redis") await Deno.permissions.revoke({ name: "write" });
started();
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

interface OpenStore {
  readonly store: StockStore;
  readonly books: Ledger | null;
  /** Its id; null until it is known. */
  readonly deployment: () => string | null;
  readonly guaranteesOff: () => readonly string[];
  readonly stop: StopStep[];
  /** Nothing was ever sold here, and the demo is wanted. */
  readonly demoStock: boolean;
}

async function openRedis(
  { redisUrls: urls, databaseUrl, deploymentId }: Extract<StoreConfig, { kind: "redis" }>,
): Promise<OpenStore> {
  const keySpace = { namespace, shards };
  const clusterMap = new ClusterMap(urls, keySpace, {
    name: `${namespace}-api`,
    world,
    // By then every request that waits there has had its answer; below 2 s a busy machine would look like a cut link.
    silenceMaxMs: Math.max(2000, config.requestTimeoutMs),
    onError: reportRedis(world, logger),
    ...onCall,
  });
  const connections = new ShardConnections(clusterMap, "shard");
  await orExit(
    connections.whenReady(0, 2000).catch((error) => {
      if (error instanceof RangeError) throw error;
      logger.warn("redis is away: orders get 503 until it is back");
    }),
  );
  const applicationName = `${namespace}-api`;
  const ledger = databaseUrl === null ? null : await openLedger(
    openPostgres({ url: databaseUrl, namespace, applicationName, world, ...onCall }),
    world,
    deploymentId ?? undefined,
  );
  // Without a ledger nobody says whose stock it is; with one that is away, selling somebody else's would be a guess.
  const store = new RedisStore(
    connections,
    { ...keySpace, deployment: deploymentId ?? (ledger ? null : "") },
    {
      ...limits,
      replicaTimeoutMs: Math.floor(config.requestTimeoutMs / 2),
      onDifferent: (why) => logger.warn("settings differ", { why }),
      onUnarmed: (shard, reason) => logger.warn("shard unarmed", { shard, reason }),
    },
  );
  const watch = ledger && monitorDeployment(ledger, store, deploymentId !== null);
  await watch?.check();
  if (watch?.error instanceof RangeError) die(watch.error.message, exitCodes.badSettings);
  await orExit(refuseForeign(store));
  const stopping = new AbortController();
  void watch?.run(stopping.signal);
  return {
    store,
    books: ledger,
    deployment: () => deploymentId ?? watch?.deploymentId ?? null,
    guaranteesOff: () => guaranteesOffWithout(watch),
    stop: [
      () => Promise.resolve(stopping.abort()),
      () => store.close(),
      () => clusterMap.close(),
      async () => await ledger?.close(),
    ],
    demoStock: false,
  };
}

/** A Redis that is away is waited for; one that is armed for other settings, or gives too few rights, is not. */
async function refuseForeign(store: StockStore): Promise<void> {
  await store.decide(0, []).catch((error) => {
    const isFinal = error instanceof StoreError && (error.code === "foreign" || error.code === "no_rights");
    if (isFinal) throw new RangeError(error.message);
  });
}

function monitorDeployment(ledger: Ledger, store: RedisStore, isKnown: boolean): DeploymentMonitor {
  let selling = isKnown;
  // A server that is frozen fails in more than one way, in turn.
  const away = new Reminder(world, ({ why, ...fields }) => {
    const reason = String(why);
    logger.warn("ledger does not answer", { reason, selling, ...fields, ...mendLedger(reason) });
  });
  return new DeploymentMonitor({
    ledger,
    world,
    describe: describeError,
    onKnown(deployment) {
      if (deployment.shards !== shards) {
        throw new RangeError(`Cannot use SHARDS=${shards} as the books were made for ${deployment.shards}`);
      }
      store.belongsTo(deployment.id);
      selling = true;
    },
    onProblem(problem) {
      if (problem !== null) return away.say(problem);
      away.clear();
      logger.info("ledger answers");
    },
  });
}

/** A ledger that was not made yet only needs its worker. */
function mendLedger(problem: string): { mend: string } {
  const isMissing = problem === ledgerNotMade;
  return { mend: isMissing ? "start a worker: deno task worker" : adviceOn("DATABASE_URL", problem) };
}

/** What an API cannot do without its ledger. */
function guaranteesOffWithout(watch: DeploymentMonitor | null): string[] {
  const archive = "orders past the idempotency window";
  if (!watch) return [`${archive}: DATABASE_URL is not set`];
  if (watch.problem === null) return [];
  const off = [`${archive}: the ledger at DATABASE_URL does not answer`];
  return watch.isKnown || config.store.kind === "redis" && config.store.deploymentId !== null ? off : [
    ...off,
    "any sale: whose stock this is says the ledger at DATABASE_URL, which does not answer, or DEPLOYMENT_ID, " +
    "which is not set",
  ];
}

async function openEmbedded(wanted: { dataDir: string; demoStock: boolean }): Promise<OpenStore> {
  const ledger = await openLedger(await openPglite({ folder: wanted.dataDir, namespace }), world);
  const deployment = await ledger.prepare(shards);
  const memory = new MemoryStore(world, limits, shards);
  const watermark = new Watermark();
  const worker = startWorker({
    ledger,
    deployment,
    log: memory,
    control: memory,
    store: memory,
    world,
    logger,
    durability: config.durability,
    retentionMs: config.retentionDays * 86_400_000,
    ...telemetry && { watch: telemetry.worker },
    onApplied: (shard, seq) => watermark.advance(shard, seq),
    onFailure: fatal, // an order that cannot be applied must not be answered
  });
  const all = Array.from({ length: shards }, (_, shard) => shard);
  await Promise.all(all.map((shard) => watermark.reached(shard, 0)));
  return {
    store: new DurableStore(memory, watermark),
    books: ledger,
    deployment: () => deployment.id,
    guaranteesOff: () => [],
    stop: [() => worker.stop(), () => memory.close(), () => ledger.close()],
    demoStock: wanted.demoStock && all.every((shard) => watermark.at(shard) === 0),
  };
}
