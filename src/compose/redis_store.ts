/**
 * The API's store on Redis: finds the servers, and refuses those of another deployment.
 *
 * @module
 */
import type { StoreConfig } from "../runtime/settings/config.ts";
import { StoreError } from "../domain/errors.ts";
import { limitsOf } from "../domain/limits.ts";
import type { StockStore } from "../decide/store.ts";
import { DeploymentMonitor, ledgerNotMade } from "../ledger/postgres/deployment_monitor.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { openPostgres } from "../ledger/postgres/server.ts";
import { openLedger } from "../ledger/postgres/ledger.ts";
import { RedisStore } from "../redis/store.ts";
import { ShardConnections } from "../redis/shard_connections.ts";
import { die, exitCodes, orExit } from "../runtime/lifecycle.ts";
import { adviceOn } from "../runtime/advice.ts";
import { Reminder } from "../runtime/reminder.ts";
import { describeError } from "../runtime/logger.ts";
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
  const connections = new ShardConnections(clusterMap, "shard");
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

function monitorDeployment(
  { config, world, logger }: Process,
  ledger: Ledger,
  store: RedisStore,
  isKnown: boolean,
): DeploymentMonitor {
  const { shards } = config;
  let selling = isKnown;
  // A frozen server fails with several errors in turn.
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
        throw new RangeError(`Cannot use SHARDS=${shards} as the ledger was made for ${deployment.shards}`);
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

/** A ledger that was not created yet only needs a worker. */
function mendLedger(problem: string): { mend: string } {
  const isMissing = problem === ledgerNotMade;
  return { mend: isMissing ? "start a worker: deno task worker" : adviceOn("DATABASE_URL", problem) };
}

/** Functions of the API that need the ledger. */
function guaranteesOffWithout(monitor: DeploymentMonitor | null, isKnown: boolean): string[] {
  const archive = "orders past the idempotency window";
  if (!monitor) return [`${archive}: DATABASE_URL is not set`];
  if (monitor.problem === null) return [];
  const off = [`${archive}: the ledger at DATABASE_URL does not answer`];
  return monitor.isKnown || isKnown ? off : [
    ...off,
    "any sale: whose stock this is says the ledger at DATABASE_URL, which does not answer, or DEPLOYMENT_ID, " +
    "which is not set",
  ];
}
