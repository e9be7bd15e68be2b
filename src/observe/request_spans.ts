/**
 * A request as spans, made from what was noted on its way:
 *
 *     POST /api/v1/inventory/deduct
 *     └─ inventory.deduct          inventory.batch_deduct in a batch, with an inventory.deduct an item
 *        ├─ cache.check
 *        └─ redis.deduct           in a batch: one for each call that carried items of it
 *
 * @module
 */
import type { Command, Line } from "../domain/command.ts";
import type { Passage, StoreCall } from "../decide/command_timings.ts";
import { baggageOf } from "./baggage.ts";
import { firstFreeSpan, operationSpan, type RequestJourney, requestSpan } from "./request_record.ts";
import type { Attributes, LocalTrace, SpanData } from "./spans.ts";
import { spanIdOf, traceIdOf } from "./trace_context.ts";

/** A batch has up to 1000 items; more than these are no help to a reader. What failed comes first. */
const itemsMax = 100;
/** Of a basket's SKUs. */
const skusMax = 10;

/** What decides, as the semantic conventions call it: `redis`, or `memory`. */
export type StoreSystem = "redis" | "memory";

/** The spans of a request that was answered. `why` is why it is kept. */
export function spansOf(journey: RequestJourney, system: StoreSystem, why: string): LocalTrace {
  const { place, request } = journey;
  const spans: SpanData[] = [serverSpan(journey, why)];
  const ids = { next: firstFreeSpan, of: (n: number) => spanIdOf(place, n) };
  const { passage, others } = journey;
  if (passage !== undefined && others === undefined && !isBatch(journey)) {
    const operation = commandSpan(passage, journey, ids.of(operationSpan), spans[0]?.spanId ?? "");
    spans.push(operation, cacheSpan(passage, ids.of(ids.next++), operation));
    if (passage.call) {
      spans.push(callSpan(passage.call, passage, system, ids.of(ids.next++), operation.spanId));
    }
  } else if (passage !== undefined) {
    spans.push(...batchSpans(journey, system, ids));
  }
  return {
    traceId: traceIdOf(place),
    tracestate: request.headers.get("tracestate") ?? "",
    hasRemoteParent: place.parentSpanId !== "",
    spans,
  };
}

interface Ids {
  next: number;
  of(n: number): string;
}

function isBatch({ route }: RequestJourney): boolean {
  return route.endsWith("/batch");
}

function serverSpan(journey: RequestJourney, why: string): SpanData {
  const { request, connection, place, route, status } = journey;
  const [method = "", path] = route === "" ? [request.method] : route.split(" ");
  const url = new URL(request.url);
  return {
    name: route || method,
    kind: "server",
    spanId: spanIdOf(place, requestSpan),
    parentSpanId: place.parentSpanId,
    startMs: journey.startMs,
    endMs: journey.endMs,
    attributes: {
      "http.request.method": method,
      "http.route": path,
      "url.path": url.pathname,
      "url.scheme": url.protocol.slice(0, -1),
      "server.address": url.hostname,
      "server.port": Number(url.port || 80),
      "client.address": connection.remoteAddr?.hostname,
      "user_agent.original": request.headers.get("user-agent")?.slice(0, 256),
      "http.response.status_code": status,
      "error.type": status >= 500 ? String(status) : undefined,
      "sampling.kept": why,
      ...baggageOf(request.headers.get("baggage")),
    },
    error: status >= 500 ? `HTTP ${status}` : "",
  };
}

function commandSpan(
  passage: Passage,
  { endMs }: RequestJourney,
  spanId: string,
  parentSpanId: string,
): SpanData {
  const { command, askedAtMs, settledAtMs, result, failed, outcome } = passage;
  return {
    name: `inventory.${command.kind}`,
    kind: "internal",
    spanId,
    parentSpanId,
    startMs: askedAtMs,
    endMs: settledAtMs || endMs,
    attributes: {
      ...commandAttributes(command),
      "inventory.outcome": result || outcome?.kind,
      ...outcomeAttributes(passage),
      "inventory.shard": passage.call?.shard,
      "error.type": failed ? result : undefined,
    },
    error: failed ? result : "",
  };
}

function commandAttributes(command: Command): Attributes {
  switch (command.kind) {
    case "deduct":
    case "order":
    case "reserve":
      return { ...linesAttributes(command.lines), ...who(command.userId, command.orderId) };
    case "return":
      return { ...linesAttributes(command.lines), "inventory.order_id": command.orderId };
    case "confirm":
    case "cancel":
    case "extend":
    case "lookup":
      return { "inventory.order_id": command.orderId };
    case "adjust":
      return { "inventory.sku": command.sku, "inventory.amount": command.delta };
    default:
      return { "inventory.sku": command.sku };
  }
}

function who(userId: string, orderId: string): Attributes {
  return { "inventory.user_id": userId, "inventory.order_id": orderId };
}

function linesAttributes(lines: readonly Line[]): Attributes {
  const [first] = lines;
  if (lines.length === 1) return { "inventory.sku": first?.sku, "inventory.amount": first?.amount };
  return {
    "inventory.skus": lines.slice(0, skusMax).map(({ sku }) => sku),
    "inventory.lines": lines.length,
    "inventory.amount": lines.reduce((sum, { amount }) => sum + amount, 0),
  };
}

function outcomeAttributes({ outcome }: Passage): Attributes {
  if (outcome === null) return {};
  if (outcome.kind === "accepted") {
    return { "inventory.new_stock": outcome.newStock[0], "inventory.seq": outcome.seq };
  }
  if (outcome.kind === "insufficient") return { "inventory.available": outcome.available };
  return outcome.kind === "store_unavailable" ? { "inventory.reason": outcome.reason } : {};
}

function cacheSpan(passage: Passage, spanId: string, parent: SpanData): SpanData {
  const { cache, askedAtMs, queuedAtMs } = passage;
  return {
    name: "cache.check",
    kind: "internal",
    spanId,
    parentSpanId: parent.spanId,
    startMs: askedAtMs,
    endMs: Math.min(queuedAtMs || parent.endMs, parent.endMs),
    attributes: {
      // It must not answer what may be the retry of an accepted order.
      "inventory.cache.result": cache ?? "miss",
      "inventory.cache.asked": cache !== null,
    },
    error: "",
  };
}

function callSpan(
  call: StoreCall,
  { command, queuedAtMs, settledAtMs }: Passage,
  system: StoreSystem,
  spanId: string,
  parentSpanId: string,
): SpanData {
  // A command that was given up has its answer before the call has.
  const endMs = call.answeredAtMs || settledAtMs;
  return {
    name: `redis.${command.kind}`,
    kind: "client",
    spanId,
    parentSpanId,
    startMs: call.sentAtMs,
    endMs,
    attributes: {
      "db.system.name": system,
      "db.operation.name": system === "redis" ? "EVALSHA" : undefined,
      "db.stored_procedure.name": "inventory",
      "inventory.shard": call.shard,
      "inventory.batch.id": call.id,
      "inventory.batch.size": call.size,
      "inventory.queue.wait_ms": milliseconds(call.sentAtMs - queuedAtMs),
      "inventory.store.ms": milliseconds(endMs - call.sentAtMs),
      "error.type": call.error || (call.answeredAtMs === 0 ? "timeout" : undefined),
    },
    error: call.error || (call.answeredAtMs === 0 ? "no answer in time" : ""),
  };
}

/** Three decimals: the clock has no more. */
function milliseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function batchSpans(journey: RequestJourney, system: StoreSystem, ids: Ids): SpanData[] {
  const { passages } = journey;
  const batchId = ids.of(operationSpan);
  const accepted = passages.filter(({ result }) => result === "accepted" || result === "replayed").length;
  const failed = passages.filter((passage) => passage.failed);
  const startMs = Math.min(...passages.map(({ askedAtMs }) => askedAtMs));
  const batch: SpanData = {
    name: "inventory.batch_deduct",
    kind: "internal",
    spanId: batchId,
    parentSpanId: ids.of(requestSpan),
    startMs,
    endMs: Math.max(...passages.map(({ settledAtMs }) => settledAtMs || journey.endMs)),
    attributes: {
      "inventory.items": passages.length,
      "inventory.items.accepted": accepted,
      "inventory.items.failed": failed.length,
      "error.type": failed[0]?.result,
    },
    error: failed.length > 0 ? `${failed.length} of ${passages.length} items failed` : "",
  };
  const calls = new Map(
    passages.flatMap((passage) => passage.call ? [[passage.call, passage] as const] : []),
  );
  const callSpans = [...calls].map(([call, passage]) =>
    callSpan(call, passage, system, ids.of(ids.next++), batchId)
  );
  const shown = [...failed, ...passages.filter((passage) => !passage.failed)].slice(0, itemsMax);
  const items = shown.map((passage) => commandSpan(passage, journey, ids.of(ids.next++), batchId));
  return [batch, ...callSpans, ...items];
}
