/**
 * One batch of the log on its way into the books, as the span `db.sync`.
 *
 * @module
 */
import type { LogEntry } from "../log/event.ts";
import type { Booked } from "../worker/apply.ts";
import type { ShardsParts } from "./shards.ts";
import type { Attributes, SpanRef } from "./spans.ts";
import { isSampled, spanIdOf, spanRefOf, type TraceContext, traceparentOfSpan } from "./trace_context.ts";

/**
 * Links a span. A batch has up to 16,384 orders, and a link costs 1 µs and 60 bytes; those whose traces are kept come
 * first, and numbers and shard of the span find all others.
 */
const linksMax = 256;

/** See the module. */
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
    this.traceparent = traceparentOfSpan(this.#place, 0);
    this.#startMs = parts.world.elapsedMs();
  }

  /** Returns how long it took, ms. */
  ended(booked: Booked): number {
    const endMs = this.#parts.world.elapsedMs();
    const counts = booked.kind === "applied"
      ? { "inventory.ledger.events": booked.events, "inventory.dead_letters": booked.deadLetters }
      : {};
    this.#end(endMs, booked.kind === "applied" ? "" : booked.kind, counts);
    return endMs - this.#startMs;
  }

  /** It is not known what became of it. */
  failed(error: unknown): void {
    this.#end(this.#parts.world.elapsedMs(), error instanceof Error ? error.name : "broken", {});
  }

  #end(endMs: number, error: string, counts: Attributes): void {
    const { config, spans } = this.#parts;
    const { links, orders, isKept } = linksOf(this.#entries);
    const first = this.#entries[0]?.events[0];
    const last = this.#entries.at(-1)?.position;
    // There are few of them, 12 to 300 a second, and an order that turns out to be slow or broken needs its own: so all
    // are kept, unless nobody wants traces.
    if (config.traceRatio === 0 && !isKept && error === "" && endMs - this.#startMs <= config.traceSlowMs) {
      return;
    }
    spans.take({
      traceId: this.#place.traceId,
      tracestate: "",
      hasRemoteParent: false,
      spans: [{
        name: "db.sync",
        kind: "consumer",
        spanId: spanIdOf(this.#place, 0),
        parentSpanId: "",
        startMs: this.#startMs,
        endMs,
        attributes: {
          "messaging.operation.type": "process",
          "messaging.batch.message_count": orders,
          "db.system.name": "postgresql",
          "inventory.shard": this.#shard,
          "inventory.log.entries": this.#entries.length,
          "inventory.log.epoch": last?.epoch,
          "inventory.log.seq.first": first?.seq,
          "inventory.log.seq.last": last?.seq,
          "inventory.log.age_ms": first && Math.max(0, this.#parts.world.now() - first.atMs),
          "error.type": error || undefined,
          ...counts,
        },
        error,
        links,
      }],
    });
  }
}

/** Spans that led to entries, each once; `isKept`: the trace of one of them is. */
function linksOf(entries: readonly LogEntry[]): { links: SpanRef[]; orders: number; isKept: boolean } {
  const kept = new Set<string>();
  const others = new Set<string>();
  let orders = 0;
  for (const { events } of entries) {
    for (const { traceparent } of events) {
      orders++;
      if (traceparent === "") continue;
      if (isSampled(traceparent)) kept.add(traceparent);
      else if (others.size < linksMax) others.add(traceparent);
    }
  }
  const links = [...kept, ...others].slice(0, linksMax).flatMap((traceparent) =>
    spanRefOf(traceparent) ?? []
  );
  return { links, orders, isKept: kept.size > 0 };
}
