/**
 * Prepares the ledger when a worker starts, and waits while it is unavailable.
 *
 * @module
 */
import type { Deployment, Ledger, StoredScript } from "../ledger/ledger.ts";
import { adviceOn } from "../runtime/advice.ts";
import { isForeignSchema } from "../ledger/sqlstate.ts";
import { describeError, type Logger } from "../runtime/logger.ts";
import { Reminder } from "../runtime/reminder.ts";
import { sleep, type World } from "../runtime/world.ts";

const retryEveryMs = 500;

/**
 * Tries until it succeeds, and stores the scripts of this version for workers of other versions. The reason of a failure
 * is logged once, then once a minute.
 *
 * @throws {RangeError} when trying again cannot help: the schema was made with other settings, the role lacks a right,
 *   the schema has tables of another program, the database is not in UTF8
 */
export async function prepareLedger(
  ledger: Ledger,
  shards: number,
  world: World,
  logger: Logger,
  scripts: readonly StoredScript[],
): Promise<Deployment> {
  const away = new Reminder(
    world,
    (fields) =>
      logger.warn("ledger unavailable", { ...fields, mend: adviceOn("DATABASE_URL", String(fields.why)) }),
  );
  for (;;) {
    try {
      const deployment = await ledger.prepare(shards);
      await ledger.keepScripts(scripts);
      return deployment;
    } catch (error) {
      if (error instanceof RangeError) throw error;
      if (isForeignSchema(error)) {
        throw new RangeError(
          `Cannot prepare the ledger's schema: ${error.message} (SQLSTATE ${error.sqlstate}). The worker's role needs ` +
            `USAGE and CREATE on the schema NAMESPACE, which must have no tables of other programs: see deploy/postgres/roles.sql`,
        );
      }
      away.say(describeError(error));
      await sleep(world, retryEveryMs);
    }
  }
}
