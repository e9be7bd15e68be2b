/**
 * Whatever takes spans and metrics: the SDK, or Deno's own OpenTelemetry.
 *
 * @module
 */
import type { LogSink } from "../runtime/logger.ts";
import type { Meter } from "./meter.ts";
import type { SpanSink } from "./spans.ts";
import type { Places } from "./trace_context.ts";

/** See the module. */
export interface Backend {
  /** Takes spans. */
  readonly spans: SpanSink;
  /** Takes metrics. */
  readonly meter: Meter;
  /** Takes lines of the log. */
  readonly log: LogSink;
  /** Finds places in traces. */
  readonly places: Places;
  /** Sends what waits, within 2 s, whatever the receiver does. Never rejects. */
  stop(): Promise<void>;
}
