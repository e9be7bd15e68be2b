/**
 * Log lines: one JSON object per line on standard error; standard output is for results.
 *
 * A repeated warning or error is written once a second, with the number of suppressed repetitions: an unavailable server
 * fails thousands of calls with the same message.
 *
 * @module
 */
import type { World } from "./world.ts";

/** From the most to the least verbose. */
export const logLevels = ["debug", "info", "warn", "error"] as const;

/** One of {@link logLevels}. */
export type LogLevel = (typeof logLevels)[number];

/** Fields of a line in addition to its message. Never a token, never a whole order. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes lines at or above its level. */
export type Logger = Readonly<Record<LogLevel, (message: string, fields?: LogFields) => void>>;

/** One line. */
export interface LogLine {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly level: LogLevel;
  /** The event, as a constant text, so that lines can be grouped by it. */
  readonly message: string;
  readonly fields: LogFields;
}

export type LogSink = (line: LogLine) => void;

const encoder = new TextEncoder();
/** An error message may contain a whole statement. */
const textCharsMax = 2000;
const repeatEveryMs = 1000;
/** Lines that are compared for repetition; beyond this number, all are written. */
const repeatsMax = 1000;

/** A logger that writes to standard error, and to `sink` as well. */
export function createLogger(world: World, level: LogLevel, sink?: LogSink): Logger {
  return createLoggerTo(world, level, (line) => {
    Deno.stderr.writeSync(encoder.encode(jsonOf(line)));
    sink?.(line);
  });
}

/** A logger that writes to `sink` alone. */
export function createLoggerTo(world: World, level: LogLevel, sink: LogSink): Logger {
  const from = logLevels.indexOf(level);
  const repeats = new Repeats(world, sink);
  const at = (name: LogLevel) => (message: string, fields: LogFields = {}) => {
    if (logLevels.indexOf(name) < from) return;
    const line = { timeMs: world.now(), level: name, message, fields: cut(fields) };
    if (name === "warn" || name === "error") repeats.write(line);
    else sink(line);
  };
  return Object.freeze({ debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") });
}

/** A line as it is written, its end included. */
export function jsonOf({ timeMs, level, message, fields }: LogLine): string {
  return JSON.stringify({ time: new Date(timeMs).toISOString(), level, message, ...fields }) + "\n";
}

function cut(fields: LogFields): LogFields {
  const isLong = (value: unknown) => typeof value === "string" && value.length > textCharsMax;
  if (!Object.values(fields).some(isLong)) return fields;
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === "string" && isLong(value) ? `${value.slice(0, textCharsMax)}…` : value,
    ]),
  );
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
  // A port's error may repeat the message of the driver's error.
  return cause === "" || cause === error.message ? error.message : `${error.message}: ${cause}`;
}

interface Repeated {
  /** When the last one was written. */
  writtenAtMs: number;
  /** Number of suppressed lines since then. */
  held: number;
  /** The last of them. */
  last: LogLine;
}

/** Suppresses repetitions. */
class Repeats {
  readonly #world: World;
  readonly #sink: LogSink;
  readonly #known = new Map<string, Repeated>();

  constructor(world: World, sink: LogSink) {
    this.#world = world;
    this.#sink = sink;
  }

  write(line: LogLine): void {
    // The same message about another shard is not a repetition.
    const key = `${line.level} ${line.message} ${line.fields.shard ?? ""}`;
    const nowMs = this.#world.elapsedMs();
    const known = this.#known.get(key);
    if (known && nowMs - known.writtenAtMs < repeatEveryMs) {
      known.last = line;
      if (known.held++ === 0) {
        this.#world.after(known.writtenAtMs + repeatEveryMs - nowMs, () => this.#release(key));
      }
      return;
    }
    this.#sink(line);
    if (this.#known.size >= repeatsMax) this.#known.clear();
    this.#known.set(key, { writtenAtMs: nowMs, held: 0, last: line });
  }

  /** Writes the last suppressed line, for all of them. */
  #release(key: string): void {
    const known = this.#known.get(key);
    if (!known || known.held === 0) return;
    const { last, held } = known;
    this.#sink(held === 1 ? last : { ...last, fields: { ...last.fields, repeated: held } });
    known.held = 0;
    known.writtenAtMs = this.#world.elapsedMs();
  }
}
