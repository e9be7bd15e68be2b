/**
 * The deployment whose stock an API sells: learned from the ledger, and what is off without it.
 *
 * @module
 */
import { DeploymentMonitor, ledgerNotMade } from "../ledger/postgres/deployment_monitor.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { RedisStore } from "../redis/store.ts";
import { adviceOn } from "../runtime/advice.ts";
import { Reminder } from "../runtime/reminder.ts";
import { describeError } from "../runtime/logger.ts";
import type { Process } from "./process.ts";

/** Learns the deployment id from the ledger, hands it to the store, and logs when the ledger does not answer. */
export function monitorDeployment(
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
export function guaranteesOffWithout(monitor: DeploymentMonitor | null, isKnown: boolean): string[] {
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
