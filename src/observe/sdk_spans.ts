/**
 * Spans by the SDK: its batch processor and exporter get complete spans.
 *
 * @module
 */
import {
  type AttributeValue,
  createTraceState,
  type Link,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
} from "@opentelemetry/api";
import type { HrTime } from "@opentelemetry/api";
import type { Resource } from "@opentelemetry/resources";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace-base";
import type { World } from "../runtime/world.ts";
import { describeError } from "../runtime/logger.ts";
import type { ExportQueue } from "./export_queue.ts";
import { scope } from "./sdk_meter.ts";
import type { Attributes, LocalTrace, SpanData, SpanRef, SpanSink } from "./spans.ts";

const kinds = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
} as const;

/**
 * A batch is encoded in one turn of the event loop, 20 µs a span: 2048 spans stall every request for 40 ms. 512 is the
 * SDK's default.
 */
export const spanBounds = { queueMax: 8192, batchMax: 512, delayMs: 500 } as const;

/** Queues spans and sends them in batches. */
export class SdkSpans implements SpanSink {
  readonly #processor: BatchSpanProcessor;
  readonly #exportQueue: ExportQueue;
  readonly #resource: Resource;
  readonly #world: World;

  /** `exporter` must report to `export queue`. */
  constructor(
    resource: Resource,
    exporter: SpanExporter,
    exportQueue: ExportQueue,
    exportTimeoutMs: number,
    world: World,
  ) {
    this.#resource = resource;
    this.#exportQueue = exportQueue;
    this.#world = world;
    this.#processor = new BatchSpanProcessor(exporter, {
      maxQueueSize: spanBounds.queueMax,
      maxExportBatchSize: spanBounds.batchMax,
      scheduledDelayMillis: spanBounds.delayMs,
      exportTimeoutMillis: exportTimeoutMs,
    });
  }

  take({ traceId, tracestate, hasRemoteParent, spans }: LocalTrace): void {
    // Completely or not at all: a partial trace misleads.
    if (!this.#exportQueue.admit(spans.length)) return;
    // Both clocks are read here, as the wall clock may have been set since the start.
    const wallMs = this.#world.now() - this.#world.elapsedMs();
    const traceState = tracestate === "" ? undefined : createTraceState(tracestate);
    const contextOf = (spanId: string): SpanContext => ({
      traceId,
      spanId,
      traceFlags: TraceFlags.SAMPLED,
      ...traceState && { traceState },
    });
    spans.forEach((span, i) => {
      const parent = span.parentSpanId === ""
        ? undefined
        : { ...contextOf(span.parentSpanId), isRemote: i === 0 && hasRemoteParent };
      this.#processor.onEnd(this.#readable(span, contextOf(span.spanId), parent, wallMs));
    });
  }

  broken(error: unknown): void {
    this.#exportQueue.lost(1, describeError(error));
  }

  /** Sends the queued spans; later ones are discarded. */
  shutdown(): Promise<void> {
    return this.#processor.shutdown();
  }

  #readable(span: SpanData, own: SpanContext, parent: SpanContext | undefined, wallMs: number): ReadableSpan {
    const { name, kind, startMs, endMs, attributes, error, links = [] } = span;
    return {
      name,
      kind: kinds[kind],
      spanContext: () => own,
      ...parent && { parentSpanContext: parent },
      startTime: toHrTime(wallMs + startMs),
      endTime: toHrTime(wallMs + endMs),
      duration: toHrTime(endMs - startMs),
      status: error === "" ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
      attributes: withoutUndefined(attributes),
      links: links.map(toLink),
      events: [],
      ended: true,
      resource: this.#resource,
      instrumentationScope: scope,
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
  }
}

function withoutUndefined(attributes: Attributes): Record<string, AttributeValue> {
  const known: Record<string, AttributeValue> = {};
  for (const name in attributes) {
    const value = attributes[name];
    if (value !== undefined) known[name] = value;
  }
  return known;
}

function toLink({ traceId, spanId, sampled }: SpanRef): Link {
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return { context: { traceId, spanId, traceFlags, isRemote: true } };
}

function toHrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)];
}
