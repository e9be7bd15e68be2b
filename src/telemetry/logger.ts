/**
 * Log lines: one JSON object a line on standard error, so that standard output stays for people.
 *
 * @module
 */
import type { World } from "../world.ts";

/** From chatty to silent. */
export const logLevels = ["debug", "info", "warn", "error"] as const;

/** One of {@link logLevels}. */
export type LogLevel = (typeof logLevels)[number];

/** What a line says beside its message. Never a token, never a whole order. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes lines at or above its level. */
export type Logger = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>;

const encoder = new TextEncoder();

/** A logger that writes through `write`, standard error by default. */
export function createLogger(
  world: World,
  level: LogLevel,
  write: (line: string) => void = (line) => void Deno.stderr.writeSync(encoder.encode(line)),
): Logger {
  const from = logLevels.indexOf(level);
  const at = (name: LogLevel) => (message: string, fields: LogFields = {}) => {
    if (logLevels.indexOf(name) < from) return;
    const time = new Date(world.now()).toISOString();
    write(JSON.stringify({ time, level: name, message, ...fields }) + "\n");
  };
  return Object.freeze({ debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") });
}

/** The ids of a `traceparent`, under the names by which log stores know them; nothing of an empty one. */
export function traceIds(traceparent: string): LogFields {
  const [, traceId, spanId] = traceparent.split("-");
  return traceId === undefined ? {} : { trace_id: traceId, span_id: spanId };
}

/** An error as one line: its message and its causes', without a stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : describeError(error.cause);
  // A driver's error in the words of a port has the same message twice.
  return cause === "" || cause === error.message ? error.message : `${error.message}: ${cause}`;
}
