/**
 * The API's store on Redis: finds the servers, and refuses those of another deployment.
 *
 * @module
 */
import type { StoreConfig } from "../runtime/settings/config.ts";
import { StoreError } from "../domain/errors.ts";
import { limitsOf } from "../domain/limits.ts";
import type { StockStore } from "../decide/store.ts";
import { openPostgres } from "../ledger/postgres/server.ts";
import { openLedger } from "../ledger/postgres/ledger.ts";
import { RedisStore } from "../redis/store.ts";
import { ShardConnections } from "../redis/shard_connections.ts";
import { die, exitCodes, orExit } from "../runtime/lifecycle.ts";
import { guaranteesOffWithout, monitorDeployment } from "./deployment.ts";
import type { OpenStore } from "./open_store.ts";
import { openClusterMap, unlessAway } from "./cluster.ts";
import type { Process } from "./process.ts";

type RedisConfig = Extract<StoreConfig, { kind: "redis" }>;

/** Opens the store of `wanted`. Settings that do not fit the servers end the process with exit code 2. */
export async function openRedisStore(process: Process, wanted: RedisConfig): Promise<OpenStore> {
  const { config, world, logger, onCall } = process;
  const { redisUrls, databaseUrl, deploymentId } = wanted;
  const { namespace, shards } = config;
  const keySpace = { namespace, shards };
  const clusterMap = openClusterMap(process, redisUrls, {
    name: `${namespace}-api`,
    // By then every waiting request has been answered; below 2 s, a busy machine would look like a cut connection.
    silenceMaxMs: Math.max(2000, config.requestTimeoutMs),
  });
  const connections = new ShardConnections(clusterMap, "server");
  await orExit(unlessAway(connections.whenReady(0, 2000), process, "orders get 503 until it is back"));
  const applicationName = `${namespace}-api`;
  const ledger = databaseUrl === null ? null : await openLedger(
    openPostgres({ url: databaseUrl, namespace, applicationName, world, ...onCall }),
    world,
    deploymentId ?? undefined,
  );
  // Without a ledger the deployment is unknown. While a ledger is unavailable, the stock may be another deployment's.
  const store = new RedisStore(
    connections,
    { ...keySpace, deployment: deploymentId ?? (ledger ? null : "") },
    {
      ...limitsOf(config),
      replicaTimeoutMs: Math.floor(config.requestTimeoutMs / 2),
      onDifferent: (why) => logger.warn("settings differ", { why }),
      onUnarmed: (shard, reason) => logger.warn("shard unarmed", { shard, reason }),
    },
  );
  const monitor = ledger && monitorDeployment(process, ledger, store, deploymentId !== null);
  await monitor?.check();
  if (monitor?.error instanceof RangeError) die(monitor.error.message, exitCodes.badSettings);
  await orExit(refuseForeign(store));
  const stopping = new AbortController();
  void monitor?.run(stopping.signal);
  return {
    store,
    ledger,
    deployment: () => deploymentId ?? monitor?.deploymentId ?? null,
    guaranteesOff: () => guaranteesOffWithout(monitor, deploymentId !== null),
    stop: [
      () => Promise.resolve(stopping.abort()),
      () => store.close(),
      () => clusterMap.close(),
      async () => await ledger?.close(),
    ],
    demoStock: false,
  };
}

/** Waits for an unavailable Redis; fails on one with other settings or too few rights. */
async function refuseForeign(store: StockStore): Promise<void> {
  await store.decide(0, []).catch((error) => {
    const isFinal = error instanceof StoreError && (error.code === "foreign" || error.code === "no_rights");
    if (isFinal) throw new RangeError(error.message);
  });
}
