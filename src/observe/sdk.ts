/**
 * Sets up the OpenTelemetry SDK. Imported only when needed: it takes 100 ms to load.
 *
 * @module
 */
import { diag, DiagLogLevel } from "@opentelemetry/api";
import { setGlobalErrorHandler } from "@opentelemetry/core";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { ReadableLogRecord } from "@opentelemetry/sdk-logs";
import type { ResourceMetrics } from "@opentelemetry/sdk-metrics";
import type { ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { sleep, type World } from "../runtime/world.ts";
import { instruments } from "./instruments.ts";
import { ExportQueue, type Signal } from "./export_queue.ts";
import type { Backend } from "./backend.ts";
import type { ContextSource } from "./trace_context.ts";
import { logBounds, SdkLogs } from "./sdk_logs.ts";
import { SdkMeter } from "./sdk_meter.ts";
import { SdkSpans, spanBounds } from "./sdk_spans.ts";

/** Timeout of an export, ms: a Collector that hangs must not hold memory. */
const exportTimeoutMs = 2000;
/** Time of a stopping process for telemetry, ms. */
const stopTimeoutMs = 1500;

export interface SdkOptions {
  /** Base URL of an OTLP/HTTP receiver. */
  readonly endpoint: string;
  /** Headers of every export. */
  readonly headers: Readonly<Record<string, string>>;
  /** Attributes of the resource, which identify the process. */
  readonly resource: Readonly<Record<string, string>>;
  readonly world: World;
  readonly contexts: ContextSource;
  /** Called with the reason when telemetry is lost. */
  readonly onFailure: (signal: Signal, why: string) => void;
}

export function startSdk(
  { endpoint, headers, resource: attributes, world, contexts, onFailure }: SdkOptions,
): Backend {
  // Both would write to the console; losses are counted and reported to `onFailure`.
  diag.disable();
  diag.setLogger({ error() {}, warn() {}, info() {}, debug() {}, verbose() {} }, DiagLogLevel.NONE);
  setGlobalErrorHandler(() => {});

  const resource = resourceFromAttributes(attributes);
  const exportQueues = {
    spans: new ExportQueue("spans", spanBounds.queueMax, onFailure),
    logs: new ExportQueue("logs", logBounds.queueMax, onFailure),
    metrics: new ExportQueue("metrics", 1, onFailure),
  };
  const options = (path: string) => ({
    url: `${endpoint}${path}`,
    headers: { ...headers },
    timeoutMillis: exportTimeoutMs,
  });
  const spanExporter = exportQueues.spans.watch(
    new OTLPTraceExporter(options("/v1/traces")),
    (batch: ReadableSpan[]) => batch.length,
  );
  const logExporter = exportQueues.logs.watch(
    new OTLPLogExporter(options("/v1/logs")),
    (batch: ReadableLogRecord[]) => batch.length,
  );
  const metricExporter = exportQueues.metrics.watch(
    new OTLPMetricExporter(options("/v1/metrics")),
    (_: ResourceMetrics) => 1,
  );
  const spans = new SdkSpans(resource, spanExporter, exportQueues.spans, exportTimeoutMs, world);
  const logs = new SdkLogs(resource, logExporter, exportQueues.logs, exportTimeoutMs);
  const meter = new SdkMeter(resource, metricExporter, exportTimeoutMs);
  meter.observe(
    instruments.dropped,
    () => Object.values(exportQueues).map(({ signal, dropped }) => ({ value: dropped, labels: { signal } })),
  );

  return {
    spans,
    meter,
    log: (line) => logs.take(line),
    contexts,
    async stop() {
      const stopped = new AbortController();
      // Telemetry that is not sent in this time is lost; the process must end.
      await Promise.race([
        Promise.allSettled([spans.shutdown(), logs.shutdown(), meter.shutdown()]),
        sleep(world, stopTimeoutMs, stopped.signal),
      ]);
      stopped.abort();
    },
  };
}
