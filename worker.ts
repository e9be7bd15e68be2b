/**
 * The worker process: reads the log, writes the ledger, verifies and arms the stores.
 *
 * @module
 */
import { limitsOf } from "./src/domain/limits.ts";
import { openClusterMap, unlessAway } from "./src/compose/cluster.ts";
import { openProcess } from "./src/compose/process.ts";
import { openTopicLog } from "./src/compose/topic_log.ts";
import { openPostgres } from "./src/ledger/postgres/server.ts";
import { openLedger } from "./src/ledger/postgres/ledger.ts";
import { RedisControl } from "./src/redis/control.ts";
import { RedisReader } from "./src/redis/reader.ts";
import { readPreviousScripts, readScript } from "./src/redis/script.ts";
import { ShardConnections } from "./src/redis/shard_connections.ts";
import { RedisStore } from "./src/redis/store.ts";
import { RedisStream } from "./src/redis/stream.ts";
import { die, exitCodes, orExit, say, stopOnSignal } from "./src/runtime/lifecycle.ts";
import { startWorker } from "./src/worker/balancer.ts";
import { instanceName } from "./src/worker/instance_name.ts";
import { prepareLedger } from "./src/worker/prepare.ts";

const process = await openProcess("worker");
const { config, world, logger, telemetry, onCall } = process;
const { shards, namespace } = config;
if (config.store.kind === "embedded" || config.store.databaseUrl === null) {
  die("Cannot start the worker as REDIS_URL and DATABASE_URL must be set", exitCodes.badSettings);
}
const { databaseUrl, deploymentId, redisUrls, kafka } = config.store;

const name = `${namespace}-worker`;
const applicationName = instanceName(name, Deno.pid, Deno.hostname());
const database = openPostgres({ url: databaseUrl, namespace, applicationName, world, ...onCall });
const ledger = await openLedger(database, world, deploymentId ?? undefined);
const scripts = [readScript("decide"), ...readPreviousScripts()];
const deployment = await orExit(prepareLedger(ledger, shards, world, logger, scripts));

/**
 * A worker that waits longer for Redis loses its leases anyway, as they are silent meanwhile (3 s). Well below that, it
 * can still give them back, and leave its share to the others.
 */
const silenceMaxMs = 2000;
const keySpace = { namespace, shards };
const clusterMap = openClusterMap(process, redisUrls, { name, silenceMaxMs });
await orExit(unlessAway(clusterMap.whenKnown(2000), process, "nothing is armed until it is back"));
const limits = limitsOf(config);
const control = new RedisControl(new ShardConnections(clusterMap, "server"), {
  ...keySpace,
  limits,
  world,
  replicaTimeoutMs: config.replicaTimeoutMs,
  versions: () => ledger.scripts(),
});
const store = new RedisStore(new ShardConnections(clusterMap, "server"), {
  ...keySpace,
  deployment: deployment.id,
}, {
  ...limits, // its own: the control of the same process writes them into the store
  replicaTimeoutMs: Math.min(Math.floor(config.requestTimeoutMs / 2), silenceMaxMs / 2),
});
const stream = new RedisStream(new ShardConnections(clusterMap, "shard"), keySpace);
const { log, logWay } = kafka === null
  ? { log: stream, logWay: () => Promise.resolve("stream") }
  : await openTopicLog(process, kafka, stream, deployment.id);
const worker = startWorker({
  ledger,
  deployment,
  log,
  control,
  reader: new RedisReader(new ShardConnections(clusterMap, "server"), keySpace),
  store,
  world,
  logger,
  logWay,
  durability: config.durability,
  retentionMs: config.retentionDays * 86_400_000,
  movementsRetentionMs: config.movementsRetentionDays * 86_400_000,
  reconcileMs: config.reconcileMinutes * 60_000,
  gatherMs: 50, // the lag that it adds is far below what a lost Redis may lose
  ...telemetry && { observer: telemetry.worker },
});

process.started();
stopOnSignal(world, logger, config.drainTimeoutMs, [
  () => worker.stop(),
  () => Promise.all([log.close(), control.close(), store.close(), clusterMap.close(), ledger.close()]),
  async () => await telemetry?.stop(),
]);
say(`Holdfast worker runs (pid ${Deno.pid}, deployment ${deployment.id}, ${shards} shards)`);
