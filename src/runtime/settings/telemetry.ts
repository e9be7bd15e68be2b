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
      "OTLP/HTTP receiver of traces, metrics and logs, e.g. `http://127.0.0.1:4318`; unset = no export",
    format: httpUrl(),
    secret: true,
  },
  otelEndpoint: {
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    default: null,
    meaning: "OpenTelemetry's name of `OTLP_ENDPOINT`",
    format: httpUrl(),
    secret: true,
  },
  otelHeaders: {
    name: "OTEL_EXPORTER_OTLP_HEADERS",
    default: null,
    meaning: "headers for the receiver: `name=value`, comma-separated, percent-encoded; unset = none",
    format: keyValues(),
    secret: true,
  },
  otelServiceName: {
    name: "OTEL_SERVICE_NAME",
    default: null,
    meaning: "`service.name` of exported telemetry; unset = `<NAMESPACE>-api` or `-worker`",
    format: plainText(),
  },
  otelResource: {
    name: "OTEL_RESOURCE_ATTRIBUTES",
    default: null,
    meaning: "additional resource attributes, in the format of the headers; unset = none",
    format: keyValues(),
  },
  traceRatio: {
    name: "TRACE_RATIO",
    default: "0.01",
    meaning: "fraction of traces that start here and are exported; for the others the caller decides",
    format: ratio(),
  },
  traceSlowMs: {
    name: "TRACE_SLOW_MS",
    default: "250",
    meaning: "slower requests, like failed ones, are exported at any ratio",
    format: integer(1, 60_000),
  },
  traceSampling: {
    name: "TRACE_SAMPLING",
    default: "head",
    meaning: "`head`: sampled here; `collector`: all traces are exported, and the Collector samples",
    format: oneOf<"head" | "collector">(["head", "collector"]),
  },
  traceFullEvery: {
    name: "TRACE_FULL_EVERY",
    default: null,
    meaning: "interval between full-sampling windows, in seconds; unset = never",
    format: integer(2, 86_400),
  },
  traceFullFor: {
    name: "TRACE_FULL_FOR",
    default: null,
    meaning: "length of each full-sampling window, in seconds",
    format: integer(1, 86_399),
  },
  denoOtel: {
    name: "OTEL_DENO",
    default: null,
    meaning: "`true`: Deno's OpenTelemetry is enabled, and Holdfast's spans are children of its spans",
    format: anyText(),
  },
  denoDeploy: {
    name: "DENO_DEPLOY",
    default: null,
    meaning: "set by Deno Deploy, which enables the same",
    format: anyText(),
  },
} as const satisfies Readonly<Record<string, Setting<unknown>>>;
