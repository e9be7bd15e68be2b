/**
 * What API and worker have in common: settings, telemetry, logger, and a way to end.
 *
 * @module
 */
import type { Config } from "../runtime/settings/config.ts";
import { configOrExit, die, exitCodes, exitOnSignal } from "../runtime/lifecycle.ts";
import { createLogger, describeError, type Logger } from "../runtime/logger.ts";
import { reportNotSent } from "./reports.ts";
import { startTelemetry, type Telemetry } from "../observe/telemetry.ts";
import { realWorld, type World } from "../runtime/world.ts";

/** A process that has read its settings and is not yet ready. */
export interface Process {
  readonly config: Config;
  readonly world: World;
  readonly logger: Logger;
  /** Null when nothing receives telemetry. */
  readonly telemetry: Telemetry | null;
  /** An option of Redis and PostgreSQL clients; empty when nothing receives telemetry. */
  readonly onCall: { readonly onCall?: Telemetry["onClientCall"] };
  /** Ends the rule that a signal ends the process at once: the caller handles signals from now on. */
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

/** Ends the process: something is broken that a restart may mend. */
export function fatal(error: unknown): never {
  die(`Stopped: ${describeError(error)}`, exitCodes.failed);
}
