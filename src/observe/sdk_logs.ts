/**
 * Log lines by the SDK.
 *
 * @module
 */
import { ROOT_CONTEXT, trace, TraceFlags } from "@opentelemetry/api";
import { type AnyValueMap, SeverityNumber } from "@opentelemetry/api-logs";
import type { Resource } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider, type LogRecordExporter } from "@opentelemetry/sdk-logs";
import type { LogLine } from "../runtime/logger.ts";
import type { ExportQueue } from "./export_queue.ts";
import { scope } from "./sdk_meter.ts";

const severities = {
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
} as const;

/** Queue and batch size. The logger writes a repeated line once a second, so a short queue suffices. */
export const logBounds = { queueMax: 2048, batchMax: 512, delayMs: 500 } as const;

/** Queues lines and sends them in batches. */
export class SdkLogs {
  readonly #provider: LoggerProvider;
  readonly #exportQueue: ExportQueue;

  /** `exporter` must report to `export queue`. */
  constructor(
    resource: Resource,
    exporter: LogRecordExporter,
    exportQueue: ExportQueue,
    exportTimeoutMs: number,
  ) {
    this.#exportQueue = exportQueue;
    const processor = new BatchLogRecordProcessor({
      exporter,
      maxQueueSize: logBounds.queueMax,
      maxExportBatchSize: logBounds.batchMax,
      scheduledDelayMillis: logBounds.delayMs,
      exportTimeoutMillis: exportTimeoutMs,
    });
    this.#provider = new LoggerProvider({ resource, processors: [processor] });
  }

  take({ timeMs, level, message, fields }: LogLine): void {
    if (!this.#exportQueue.admit(1)) return;
    const { trace_id: traceId, span_id: spanId, ...attributes } = fields;
    const context = typeof traceId === "string" && typeof spanId === "string"
      ? trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: TraceFlags.NONE })
      : ROOT_CONTEXT;
    this.#provider.getLogger(scope.name).emit({
      timestamp: timeMs,
      severityNumber: severities[level],
      severityText: level,
      body: message,
      attributes: attributes as AnyValueMap,
      context,
    });
  }

  /** Sends the queued lines; later ones are discarded. */
  shutdown(): Promise<void> {
    return this.#provider.shutdown();
  }
}
