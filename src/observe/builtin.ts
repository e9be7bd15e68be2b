/**
 * Deno's own OpenTelemetry (`OTEL_DENO=true`, Deno Deploy): it has SDK, sampling and export, and silently refuses a second
 * SDK. So only the API is used here, and Holdfast's spans are children of Deno's.
 *
 * @module
 */
import {
  context,
  metrics,
  type ObservableResult,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { World } from "../runtime/world.ts";
import type { Backend } from "./backend.ts";
import type { Instrument } from "./instruments.ts";
import type { Labels, Series } from "../runtime/histogram.ts";
import type { Meter, Reading } from "./meter.ts";
import type { LocalTrace, SpanData, SpanSink } from "./spans.ts";
import type { TraceContext } from "../runtime/trace_context.ts";
import type { ContextSource } from "./trace_context.ts";

const kinds = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const;
const scope = "holdfast";

export function startBuiltin(world: World, elsewhere: ContextSource): Backend {
  return {
    spans: new DenoSpans(world),
    meter: new DenoMeter(),
    log() {}, // Deno exports console output, and log lines are written elsewhere
    contexts: new DenoContexts(elsewhere),
    stop: () => Promise.resolve(), // Deno exports the rest when the process ends
  };
}

/** Requests belong to Deno's span; others, such as a batch of the worker, get a context of their own. */
class DenoContexts implements ContextSource {
  readonly #elsewhere: ContextSource;

  constructor(elsewhere: ContextSource) {
    this.#elsewhere = elsewhere;
  }

  contextOf(caller: string): TraceContext {
    const own = this.#elsewhere.contextOf(caller);
    const active = trace.getActiveSpan()?.spanContext();
    if (active === undefined) return own;
    const { traceId, spanId, traceFlags } = active;
    const sampled = (traceFlags & 1) === 1;
    const traceparent = `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`;
    const { parentSpanId, idLow } = own;
    return { traceparent, parentSpanId, sampled, idLow };
  }
}

class DenoSpans implements SpanSink {
  readonly #world: World;
  readonly #tracer = trace.getTracer(scope);

  constructor(world: World) {
    this.#world = world;
  }

  take({ spans }: LocalTrace): void {
    const wallMs = this.#world.now() - this.#world.elapsedMs();
    const made = new Map<string, Span>();
    for (const span of spans) {
      const active = span.kind === "server" ? trace.getActiveSpan() : undefined;
      if (active) made.set(span.spanId, describe(active, span));
      else this.#make(span, made, wallMs);
    }
  }

  broken(): void {} // not counted

  #make(span: SpanData, made: Map<string, Span>, wallMs: number): void {
    const { name, kind, spanId, parentSpanId, startMs, endMs, attributes, error, links = [] } = span;
    const parent = made.get(parentSpanId);
    const around = parent ? trace.setSpan(context.active(), parent) : context.active();
    const startTime = wallMs + startMs;
    const child = this.#tracer.startSpan(name, {
      kind: kinds[kind],
      startTime,
      attributes,
      links: links.map(({ traceId, spanId, sampled }) => ({
        context: { traceId, spanId, traceFlags: sampled ? 1 : 0, isRemote: true },
      })),
    }, around);
    if (error !== "") child.setStatus({ code: SpanStatusCode.ERROR, message: error });
    child.end(wallMs + endMs);
    made.set(spanId, child);
  }
}

/** Adds the route and the attributes to Deno's span, which ends by itself. */
function describe(active: Span, { name, attributes }: SpanData): Span {
  active.updateName(name);
  active.setAttributes(attributes);
  return active;
}

class DenoMeter implements Meter {
  readonly #meter = metrics.getMeter(scope);

  observe(instrument: Instrument, read: () => Iterable<Reading>): void {
    const { name, kind, unit, description } = instrument;
    if (isDenos(instrument)) return;
    const options = { unit, description };
    const observable = kind === "counter"
      ? this.#meter.createObservableCounter(name, options)
      : kind === "sum"
      ? this.#meter.createObservableUpDownCounter(name, options)
      : this.#meter.createObservableGauge(name, options);
    observable.addCallback((result: ObservableResult) => {
      for (const { value, labels } of read()) result.observe(value, labels);
    });
  }

  series(instrument: Instrument, labels: Labels): Series {
    if (isDenos(instrument)) return { record() {} };
    const { name, unit, description, bounds = [] } = instrument;
    const advice = { explicitBucketBoundaries: [...bounds] };
    const histogram = this.#meter.createHistogram(name, { unit, description, advice });
    return { record: (value) => histogram.record(value, labels) };
  }
}

/** Deno counts requests. */
function isDenos({ name }: Instrument): boolean {
  return name.startsWith("http.server.");
}
