/**
 * Batches of the log on their way, as spans of their own that are linked to the orders in them: `db.sync` into the
 * books, `kafka.relay` into the topic.
 *
 * @module
 */
import type { LogEntry } from "../domain/event.ts";
import type { Applied } from "../ledger/ledger.ts";
import type { ShardsParts } from "./shards.ts";
import { type Attributes, keep, type SpanData, type SpanRef } from "./spans.ts";
import type { TraceContext } from "../runtime/trace_context.ts";
import { isSampled, spanIdOf, spanRefOf, traceIdOf } from "./trace_context.ts";

/** Links to traces that are kept: of 16,384 orders in a batch at 1 %, more are rare. */
const keptMax = 256;
/**
 * A batch of a quiet time links all of its orders: one whose trace turns out to be kept, because it failed or was slow,
 * may be among them. In a rush that cost the worker 40 % more CPU, and shard and numbers of the span find it too.
 */
const quietMax = 8;

/** One batch on its way into the ledger. */
export class Sync {
  /** Of the span. */
  readonly traceparent: string;
  readonly #shard: number;
  readonly #entries: readonly LogEntry[];
  readonly #parts: ShardsParts;
  readonly #place: TraceContext;
  readonly #startMs: number;

  /** Begins. */
  constructor(shard: number, entries: readonly LogEntry[], parts: ShardsParts) {
    this.#shard = shard;
    this.#entries = entries;
    this.#parts = parts;
    // Many orders led here, so none of their traces is this one's.
    this.#place = parts.places.place("");
    this.traceparent = this.#place.traceparent;
    this.#startMs = parts.world.elapsedMs();
  }

  /** Returns how long it took, ms. */
  ended(applied: Applied): number {
    const endMs = this.#parts.world.elapsedMs();
    const counts = applied.kind === "applied"
      ? { "inventory.ledger.events": applied.events, "inventory.dead_letters": applied.deadLetters }
      : {};
    this.#end(endMs, applied.kind === "applied" ? "" : applied.kind, counts);
    return endMs - this.#startMs;
  }

  /** It is not known what became of it. */
  failed(error: unknown): void {
    this.#end(this.#parts.world.elapsedMs(), error instanceof Error ? error.name : "broken", {});
  }

  #end(endMs: number, error: string, counts: Attributes): void {
    const first = this.#entries[0]?.events[0];
    const attributes = {
      "messaging.operation.type": "process",
      "db.system.name": "postgresql",
      "inventory.log.age_ms": first && Math.max(0, this.#parts.world.now() - first.atMs),
      "error.type": error || undefined,
      ...counts,
    };
    const span = {
      name: "db.sync",
      kind: "consumer",
      startMs: this.#startMs,
      endMs,
      attributes,
      error,
    } as const;
    takeBatch(this.#parts, this.#place, { shard: this.#shard, entries: this.#entries, span });
  }
}

/** Takes the span of a batch that was appended to a topic. */
export function takeRelay(
  parts: ShardsParts,
  shard: number,
  entries: readonly LogEntry[],
  startMs: number,
  endMs: number,
): void {
  const attributes = { "messaging.system": "kafka", "messaging.operation.type": "send" };
  const span = { name: "kafka.relay", kind: "producer", startMs, endMs, attributes, error: "" } as const;
  takeBatch(parts, parts.places.place(""), { shard, entries, span });
}

interface Batch {
  readonly shard: number;
  readonly entries: readonly LogEntry[];
  readonly span: Omit<SpanData, "spanId" | "parentSpanId" | "links">;
}

/**
 * There are few batches, 12 to 300 a second, and an order that turns out to be slow or broken needs its own: so all are
 * kept, unless nobody wants traces.
 */
function takeBatch(
  { config, spans }: ShardsParts,
  place: TraceContext,
  { shard, entries, span }: Batch,
): void {
  const { links, orders, isKept } = linksOf(entries);
  const isSlow = span.endMs - span.startMs > config.traceSlowMs;
  if (config.traceRatio === 0 && !isKept && !isSlow && span.error === "") return;
  const last = entries.at(-1)?.position;
  const attributes = {
    ...span.attributes,
    "messaging.batch.message_count": orders,
    "inventory.shard": shard,
    "inventory.log.entries": entries.length,
    "inventory.log.epoch": last?.epoch,
    "inventory.log.seq.first": entries[0]?.events[0]?.seq,
    "inventory.log.seq.last": last?.seq,
  };
  keep(spans, () => ({
    traceId: traceIdOf(place),
    tracestate: "",
    hasRemoteParent: false,
    spans: [{ ...span, attributes, links, spanId: spanIdOf(place, 0), parentSpanId: "" }],
  }));
}

/** Spans that led to entries, each once; `isKept`: the trace of one of them is. */
function linksOf(entries: readonly LogEntry[]): { links: SpanRef[]; orders: number; isKept: boolean } {
  const orders = entries.reduce((sum, { events }) => sum + events.length, 0);
  const linked = new Set<string>();
  let isKept = false;
  for (const { events } of entries) {
    for (const { traceparent } of events) {
      if (traceparent === "") continue;
      const sampled = isSampled(traceparent);
      isKept ||= sampled;
      if ((sampled && linked.size < keptMax) || orders <= quietMax) linked.add(traceparent);
    }
  }
  return { links: [...linked].flatMap((traceparent) => spanRefOf(traceparent) ?? []), orders, isKept };
}
