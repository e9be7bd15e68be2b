/**
 * How a process starts and ends: clear words when it cannot start, an ordered stop when it is told to.
 *
 * @module
 */
import { type Config, ConfigError, loadConfig, readEnvironment } from "./settings/config.ts";
import { describeError, type Logger } from "./logger.ts";
import type { World } from "./world.ts";

/** Exit codes beside 0. */
export const exitCodes = { failed: 1, badSettings: 2 } as const;

/** A second signal is meant only after this: Ctrl-C reaches a process twice in the same millisecond. */
const impatientAfterMs = 1000;

const encoder = new TextEncoder();

/** Says something to the person who started the process. */
export function say(text: string): void {
  Deno.stdout.writeSync(encoder.encode(text + "\n"));
}

/** Ends the process with a reason in plain words: no stack trace. */
export function die(reason: string, code: number): never {
  Deno.stderr.writeSync(encoder.encode(reason + "\n"));
  Deno.exit(code);
}

/** The oldest Deno that runs it: permission sets in `deno.json` came with it. */
const denoMin = [2, 5] as const;

/** What is wrong with this version of Deno; undefined when nothing is. */
export function whyDenoTooOld(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > denoMin[0] || major === denoMin[0] && minor >= denoMin[1]) return undefined;
  return `Cannot run on Deno ${version} as it must be at least ${denoMin.join(".")}: run 'deno upgrade'`;
}

/** The settings, or the end: every bad variable is reported at once. */
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
    // What does not fit the settings is a RangeError throughout.
    die(describeError(error), error instanceof RangeError ? exitCodes.badSettings : exitCodes.failed);
  }
}

/**
 * Until {@link stopOnSignal} takes over, SIGTERM and SIGINT end the process with exit code 0: it has nothing to finish
 * while it waits for its servers. Returns how to end that.
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

/** One step of stopping. */
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
