/**
 * Conditions that API and worker log: once, then once a minute.
 *
 * @module
 */
import { notSent } from "../observe/telemetry.ts";
import { adviceOn } from "../runtime/advice.ts";
import { describeError, type LogFields, type Logger } from "../runtime/logger.ts";
import { Reminder } from "../runtime/reminder.ts";
import type { World } from "../runtime/world.ts";

/** A recovered connection is not reported: after this time without a failure, the condition is over. */
const overAfterMs = 5000;

/** Logs errors of connections to Redis, with advice. */
export function reportRedis(world: World, logger: Logger): (error: unknown) => void {
  const reminder = new Reminder(
    world,
    ({ why, ...fields }) =>
      logger.warn("redis", { error: why, ...fields, mend: adviceOn("REDIS_URL", String(why)) }),
    overAfterMs,
  );
  return (error) => reminder.say(describeError(error));
}

/** Logs errors of the store or the ledger that have no outcome. */
export function reportBroken(world: World, logger: Logger): (error: unknown) => void {
  const reminder = new Reminder(
    world,
    ({ why, ...fields }) => logger.error("broken store", { error: why, ...fields }),
    overAfterMs,
  );
  return (error) => reminder.say(describeError(error));
}

/** Logs why telemetry was not sent; `log` is called at the first failure. */
export function reportNotSent(world: World, log: () => Logger): (signal: string, why: string) => void {
  const reminders = new Map<string, Reminder>();
  return (signal, why) => {
    const write = (fields: LogFields) => log().warn(notSent, { signal, ...fields });
    const reminder = reminders.get(signal) ?? new Reminder(world, write, overAfterMs);
    reminders.set(signal, reminder);
    reminder.say(why);
  };
}
