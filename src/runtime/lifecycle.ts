/**
 * Start and end of a process: a clear error when it cannot start, an ordered stop on a signal.
 *
 * @module
 */
import { isAtLeast } from "./deno_version.ts";
import { type Config, ConfigError, loadConfig, readEnvironment } from "./settings/config.ts";
import { describeError, type Logger } from "./logger.ts";
import type { World } from "./world.ts";

/** Exit codes other than 0. */
export const exitCodes = { failed: 1, badSettings: 2 } as const;

/** A signal within this time is not a second one: Ctrl-C may reach a process twice in the same millisecond. */
const impatientAfterMs = 1000;

const encoder = new TextEncoder();

/** Writes to standard error. */
export function say(text: string): void {
  Deno.stdout.writeSync(encoder.encode(text + "\n"));
}

/** Ends the process with a reason, without a stack trace. */
export function die(reason: string, code: number): never {
  Deno.stderr.writeSync(encoder.encode(reason + "\n"));
  Deno.exit(code);
}

/** The oldest supported Deno: it introduced permission sets in `deno.json`. */
const denoMin = [2, 5] as const;

/** Why this version of Deno cannot run it; undefined when it can. */
export function whyDenoTooOld(version: string): string | undefined {
  if (isAtLeast(version, denoMin)) return undefined;
  return `Cannot run on Deno ${version} as it must be at least ${denoMin.join(".")}: run 'deno upgrade'`;
}

/** The settings. Invalid ones end the process; all are reported at once. */
export function configOrExit(): Config {
  const tooOld = whyDenoTooOld(Deno.version.deno);
  if (tooOld !== undefined) die(tooOld, exitCodes.badSettings);
  try {
    return loadConfig(readEnvironment());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    die(error.message, exitCodes.badSettings);
  }
}

/** Runs a part of the start; when it fails, the process ends with the reason. */
export async function orExit<T>(start: Promise<T>): Promise<T> {
  try {
    return await start;
  } catch (error) {
    // A RangeError means that something does not fit the settings.
    die(describeError(error), error instanceof RangeError ? exitCodes.badSettings : exitCodes.failed);
  }
}

/**
 * Until {@link stopOnSignal} takes over, SIGTERM and SIGINT end the process with exit code 0: it has nothing to finish
 * while it waits for its servers.
 *
 * @returns ends this rule
 */
export function exitOnSignal(logger: Logger): () => void {
  const exit = () => {
    logger.info("stopped before the start was complete");
    Deno.exit(0);
  };
  const signals = ["SIGTERM", "SIGINT"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, exit);
  return () => signals.forEach((signal) => Deno.removeSignalListener(signal, exit));
}

export type StopStep = () => Promise<unknown>;

/**
 * On SIGTERM or SIGINT runs `steps` in order, then exits. A watchdog ends a process that takes longer than
 * `drainTimeoutMs`; a second signal ends it at once.
 */
export function stopOnSignal(
  world: World,
  logger: Logger,
  drainTimeoutMs: number,
  steps: readonly StopStep[],
): void {
  let stoppingSinceMs: number | undefined;
  const stop = async (signal: Deno.Signal) => {
    const nowMs = world.elapsedMs();
    if (stoppingSinceMs !== undefined) {
      if (nowMs - stoppingSinceMs >= impatientAfterMs) die("Stopped at once, as asked", exitCodes.failed);
      return;
    }
    stoppingSinceMs = nowMs;
    logger.info("stopping", { signal });
    world.after(drainTimeoutMs, () => die(`Stopped late: ${drainTimeoutMs} ms were over`, exitCodes.failed));
    for (const step of steps) {
      await step().catch((error) => logger.error("stopping failed", { error: describeError(error) }));
    }
    logger.info("stopped", { ms: Math.round(world.elapsedMs() - nowMs) });
    Deno.exit(0);
  };
  Deno.addSignalListener("SIGTERM", () => void stop("SIGTERM"));
  Deno.addSignalListener("SIGINT", () => void stop("SIGINT"));
}
