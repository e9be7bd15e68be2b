/**
 * Shared by API and worker: settings, telemetry, logger and shutdown.
 *
 * @module
 */
import type { Config } from "../runtime/settings/config.ts";
import { configOrExit, die, exitCodes, exitOnSignal } from "../runtime/lifecycle.ts";
import { createLogger, describeError, type Logger } from "../runtime/logger.ts";
import { reportNotSent } from "./reports.ts";
import { startTelemetry, type Telemetry } from "../observe/telemetry.ts";
import { realWorld, type World } from "../runtime/world.ts";

/** A process that has read its settings and is not ready yet. */
export interface Process {
  readonly config: Config;
  readonly world: World;
  readonly logger: Logger;
  /** Null without a receiver. */
  readonly telemetry: Telemetry | null;
  /** Option of Redis and PostgreSQL clients; empty without a receiver. */
  readonly onCall: { readonly onCall?: Telemetry["onClientCall"] };
  /** From now on the caller handles signals; before, a signal ends the process at once. */
  readonly started: () => void;
}

/** Reads settings, starts telemetry and logging. Bad settings end the process with exit code 2. */
export async function openProcess(program: "api" | "worker"): Promise<Process> {
  const config = configOrExit();
  const world = realWorld;
  const telemetry = await startTelemetry(
    config.telemetry,
    { namespace: config.namespace, program },
    world,
    reportNotSent(world, () => logger),
  );
  const logger = createLogger(world, config.logLevel, telemetry?.log);
  const started = exitOnSignal(logger);
  for (const parameter of config.ignored) logger.warn("parameter of a URL has no effect", { parameter });
  return {
    config,
    world,
    logger,
    telemetry,
    onCall: telemetry ? { onCall: telemetry.onClientCall } : {},
    started,
  };
}

/** Ends the process after a failure that a restart may repair. */
export function fatal(error: unknown): never {
  die(`Stopped: ${describeError(error)}`, exitCodes.failed);
}
