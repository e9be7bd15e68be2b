/**
 * The worker process: reads the log, writes the ledger, verifies and arms the stores.
 *
 * @module
 */
import { limitsOf } from "./src/domain/limits.ts";
import { RedisControl } from "./src/redis/control.ts";
import { RedisReader } from "./src/redis/reader.ts";
import { RedisStore } from "./src/redis/store.ts";
import { openPostgres } from "./src/ledger/postgres/server.ts";
import { openLedger } from "./src/ledger/postgres/ledger.ts";
import { reportRedis } from "./src/compose/reports.ts";
import type { KafkaConfig } from "./src/runtime/settings/config.ts";
import {
  configOrExit,
  die,
  exitCodes,
  exitOnSignal,
  orExit,
  say,
  stopOnSignal,
} from "./src/runtime/lifecycle.ts";
import { logWayOf } from "./src/log/topic.ts";
import { KafkaTopic } from "./src/kafka/topic.ts";
import { RedisStream } from "./src/redis/stream.ts";
import { RelayedLog } from "./src/log/relayed_log.ts";
import { ShardConnections } from "./src/redis/shard_connections.ts";
import { readPreviousScripts, readScript } from "./src/redis/script.ts";
import { ClusterMap } from "./src/redis/cluster_map.ts";
import { createLogger } from "./src/runtime/logger.ts";
import { notSent, startTelemetry } from "./src/observe/telemetry.ts";
import { reportTopic, tellRelay } from "./src/worker/relay_report.ts";
import { prepareLedger } from "./src/worker/prepare.ts";
import { instanceName } from "./src/worker/instance_name.ts";
import { startWorker } from "./src/worker/balancer.ts";
import { realWorld as world } from "./src/runtime/world.ts";

const config = configOrExit();
const { shards, namespace } = config;
if (config.store.kind === "embedded" || config.store.databaseUrl === null) {
  die("Cannot start the worker as REDIS_URL and DATABASE_URL must be set", exitCodes.badSettings);
}
const { databaseUrl, deploymentId, redisUrls, kafka } = config.store;

const telemetry = await startTelemetry(
  config.telemetry,
  { namespace, program: "worker" },
  world,
  (signal, why) => logger.warn(notSent, { signal, why }),
);
const logger = createLogger(world, config.logLevel, telemetry?.log);
const started = exitOnSignal(logger);
for (const parameter of config.ignored) logger.warn("parameter of a URL has no effect", { parameter });
const onCall = telemetry && { onCall: telemetry.onClientCall };

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
const clusterMap = new ClusterMap(redisUrls, keySpace, {
  name,
  world,
  silenceMaxMs,
  onError: reportRedis(world, logger),
  ...onCall,
});
await orExit(
  clusterMap.whenKnown(2000).catch((error) => {
    if (error instanceof RangeError) throw error;
    logger.warn("redis is away: nothing is armed until it is back");
  }),
);
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
  ...limits, // its own: the control beside it writes them into the store
  replicaTimeoutMs: Math.min(Math.floor(config.requestTimeoutMs / 2), silenceMaxMs / 2),
});
const stream = new RedisStream(new ShardConnections(clusterMap, "shard"), keySpace);
const { log, logWay } = kafka === null
  ? { log: stream, logWay: () => Promise.resolve("stream") }
  : await relayed(kafka);
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
  ...telemetry && { watch: telemetry.worker },
});

started();
stopOnSignal(world, logger, config.drainTimeoutMs, [
  () => worker.stop(),
  () => Promise.all([log.close(), control.close(), store.close(), clusterMap.close(), ledger.close()]),
  async () => await telemetry?.stop(),
]);
say(`Holdfast worker runs (pid ${Deno.pid}, deployment ${deployment.id}, ${shards} shards)`);

/** By way of the topic. Kafka that is away is not waited for; a topic that belongs to other settings is refused. */
async function relayed(kafka: KafkaConfig) {
  const topic = new KafkaTopic({
    ...kafka,
    namespace,
    shards,
    onLog: (message, fields) => logger.debug("kafka", { message, ...fields }),
  });
  await orExit(reportTopic(topic, logger));
  const watch = telemetry?.worker;
  const log = new RelayedLog({
    stream,
    topic,
    deployment: deployment.id,
    world,
    onEvent: tellRelay(logger),
    ...watch && {
      onAppended: (...appended) => watch.appended(...appended),
      onProgress: (shard, { unread }) => watch.topicRead(shard, unread),
    },
  });
  let way: string | undefined;
  const logWay = async () => {
    // Arming has just asked the broker, so it answers; when it does not any more, the next arming notes it.
    way ??= await topic.prepare().then(logWayOf, () => undefined);
    return way;
  };
  return { log, logWay };
}
