/**
 * The OpenTelemetry SDK, put together. Imported only when it is wanted: it takes 100 ms to load.
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
import type { Places } from "./trace_context.ts";
import { logBounds, SdkLogs } from "./sdk_logs.ts";
import { SdkMeter } from "./sdk_meter.ts";
import { SdkSpans, spanBounds } from "./sdk_spans.ts";

/** An export that takes longer is given up, ms: a Collector that hangs must not keep memory. */
const exportTimeoutMs = 2000;
/** What a process that stops has for telemetry, ms. */
const stopTimeoutMs = 1500;

/** What the SDK must know. */
export interface SdkOptions {
  /** Base URL of an OTLP/HTTP receiver. */
  readonly endpoint: string;
  /** Headers of every export. */
  readonly headers: Readonly<Record<string, string>>;
  /** Attributes of the resource: which process this is. */
  readonly resource: Readonly<Record<string, string>>;
  /** Tells the time. */
  readonly world: World;
  /** Finds places in traces. */
  readonly places: Places;
  /** Called with the reason when telemetry is lost. */
  readonly onFailure: (signal: Signal, why: string) => void;
}

/** Starts sending. */
export function startSdk(
  { endpoint, headers, resource: attributes, world, places, onFailure }: SdkOptions,
): Backend {
  // Both would write to the console; what counts is counted, and told to `onFailure`.
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
    places,
    async stop() {
      const stopped = new AbortController();
      // What a Collector does not take in this time is lost; the process must end.
      await Promise.race([
        Promise.allSettled([spans.shutdown(), logs.shutdown(), meter.shutdown()]),
        sleep(world, stopTimeoutMs, stopped.signal),
      ]);
      stopped.abort();
    },
  };
}
