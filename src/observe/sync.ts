/**
 * Spans of log batches, linked to the orders in them: `db.sync` into the ledger, `kafka.relay` into the topic.
 *
 * @module
 */
import type { LogEntry } from "../domain/event.ts";
import type { Applied } from "../ledger/ledger.ts";
import type { ShardsParts } from "./shards.ts";
import { type Attributes, keep, type SpanData, type SpanRef } from "./spans.ts";
import type { TraceContext } from "../runtime/trace_context.ts";
import { isSampled, spanIdOf, spanRefOf, traceIdOf } from "./trace_context.ts";

/** Maximum number of links to exported traces: with 16,384 orders in a batch at 1 %, more are rare. */
const linksMax = 256;
/**
 * A batch of at most this size links all of its orders, as one of them may be exported later because it failed or was slow.
 * In a rush that took 40 % more CPU, and the span's shard and numbers identify the order, too.
 */
const quietMax = 8;

/** The span of a batch that is being applied. */
export class Sync {
  readonly traceparent: string;
  readonly #shard: number;
  readonly #entries: readonly LogEntry[];
  readonly #parts: ShardsParts;
  readonly #context: TraceContext;
  readonly #startMs: number;

  constructor(shard: number, entries: readonly LogEntry[], parts: ShardsParts) {
    this.#shard = shard;
    this.#entries = entries;
    this.#parts = parts;
    // A trace of its own, as the batch belongs to many orders.
    this.#context = parts.contexts.contextOf("");
    this.traceparent = this.#context.traceparent;
    this.#startMs = parts.world.elapsedMs();
  }

  /** @returns the duration, ms */
  ended(applied: Applied): number {
    const endMs = this.#parts.world.elapsedMs();
    const counts = applied.kind === "applied"
      ? { "inventory.ledger.events": applied.events, "inventory.dead_letters": applied.deadLetters }
      : {};
    this.#end(endMs, applied.kind === "applied" ? "" : applied.kind, counts);
    return endMs - this.#startMs;
  }

  /** Whether it was applied is unknown. */
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
    takeBatch(this.#parts, this.#context, { shard: this.#shard, entries: this.#entries, span });
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
  takeBatch(parts, parts.contexts.contextOf(""), { shard, entries, span });
}

interface Batch {
  readonly shard: number;
  readonly entries: readonly LogEntry[];
  readonly span: Omit<SpanData, "spanId" | "parentSpanId" | "links">;
}

/**
 * All batches are exported, unless TRACE_RATIO is 0: there are only 12 to 300 a second, and the trace of a slow or failed
 * order needs its batch.
 */
function takeBatch(
  { config, spans }: ShardsParts,
  context: TraceContext,
  { shard, entries, span }: Batch,
): void {
  const { links, orders, isExported } = linksOf(entries);
  const isSlow = span.endMs - span.startMs > config.traceSlowMs;
  if (config.traceRatio === 0 && !isExported && !isSlow && span.error === "") return;
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
    traceId: traceIdOf(context),
    tracestate: "",
    hasRemoteParent: false,
    spans: [{ ...span, attributes, links, spanId: spanIdOf(context, 0), parentSpanId: "" }],
  }));
}

/** Distinct spans of the entries' requests; `isExported`: the trace of one of them is. */
function linksOf(entries: readonly LogEntry[]): { links: SpanRef[]; orders: number; isExported: boolean } {
  const orders = entries.reduce((sum, { events }) => sum + events.length, 0);
  const linked = new Set<string>();
  let isExported = false;
  for (const { events } of entries) {
    for (const { traceparent } of events) {
      if (traceparent === "") continue;
      const sampled = isSampled(traceparent);
      isExported ||= sampled;
      if ((sampled && linked.size < linksMax) || orders <= quietMax) linked.add(traceparent);
    }
  }
  return { links: [...linked].flatMap((traceparent) => spanRefOf(traceparent) ?? []), orders, isExported };
}
