/**
 * The receiver of spans and metrics: the SDK, or Deno's own OpenTelemetry.
 *
 * @module
 */
import type { LogSink } from "../runtime/logger.ts";
import type { Meter } from "./meter.ts";
import type { SpanSink } from "./spans.ts";
import type { ContextSource } from "./trace_context.ts";

export interface Backend {
  readonly spans: SpanSink;
  readonly meter: Meter;
  readonly log: LogSink;
  readonly contexts: ContextSource;
  /** Sends the queued telemetry, within 2 s in any case. Never rejects. */
  stop(): Promise<void>;
}
