/**
 * The settings of telemetry.
 *
 * @module
 */
import { anyText, httpUrl, integer, keyValues, oneOf, plainText, ratio, type Setting } from "./format.ts";

/** Every setting of telemetry. */
export const telemetrySettings = {
  otlpEndpoint: {
    name: "OTLP_ENDPOINT",
    default: null,
    meaning:
      "traces, metrics and logs go to this OTLP/HTTP receiver, e.g. `http://127.0.0.1:4318`; unset = nowhere",
    format: httpUrl(),
    secret: true,
  },
  otelEndpoint: {
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    default: null,
    meaning: "OpenTelemetry's own name of it",
    format: httpUrl(),
    secret: true,
  },
  otelHeaders: {
    name: "OTEL_EXPORTER_OTLP_HEADERS",
    default: null,
    meaning: "headers for the receiver, `name=value`, comma-separated, percent-encoded; unset = none",
    format: keyValues(),
    secret: true,
  },
  otelServiceName: {
    name: "OTEL_SERVICE_NAME",
    default: null,
    meaning: "`service.name` of what is sent; unset = `<NAMESPACE>-api` or `-worker`",
    format: plainText(),
  },
  otelResource: {
    name: "OTEL_RESOURCE_ATTRIBUTES",
    default: null,
    meaning: "more attributes of what is sent, written as the headers are; unset = none",
    format: keyValues(),
  },
  traceRatio: {
    name: "TRACE_RATIO",
    default: "0.01",
    meaning: "traces that begin here and are kept; the caller's decision counts for the others",
    format: ratio(),
  },
  traceSlowMs: {
    name: "TRACE_SLOW_MS",
    default: "250",
    meaning: "a request that takes longer is kept, as is one that fails, whatever the ratio",
    format: integer(1, 60_000),
  },
  traceSampling: {
    name: "TRACE_SAMPLING",
    default: "head",
    meaning: "`head`: sampled here; `collector`: all are sent, to a Collector that samples",
    format: oneOf<"head" | "collector">(["head", "collector"]),
  },
  traceFullEvery: {
    name: "TRACE_FULL_EVERY",
    default: null,
    meaning: "seconds; this often every trace is kept for a while; unset = never",
    format: integer(2, 86_400),
  },
  traceFullFor: {
    name: "TRACE_FULL_FOR",
    default: null,
    meaning: "seconds; for how long",
    format: integer(1, 86_399),
  },
  denoOtel: {
    name: "OTEL_DENO",
    default: null,
    meaning: "`true`: Deno's own OpenTelemetry is on, and Holdfast's spans go under its spans",
    format: anyText(),
  },
  denoDeploy: {
    name: "DENO_DEPLOY",
    default: null,
    meaning: "set on Deno Deploy, which has the same on",
    format: anyText(),
  },
} as const satisfies Readonly<Record<string, Setting<unknown>>>;
