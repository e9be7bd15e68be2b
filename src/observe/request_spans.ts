/**
 * The spans of a request, made from its record:
 *
 *     POST /api/v1/inventory/deduct
 *     └─ inventory.deduct          inventory.batch_deduct in a batch, with an inventory.deduct an item
 *        ├─ cache.check
 *        └─ redis.deduct           in a batch: one for each call with items of it
 *
 * @module
 */
import type { Command, Line } from "../domain/command.ts";
import type { CommandTimings, StoreCall } from "../decide/command_timings.ts";
import { baggageOf } from "./baggage.ts";
import type { RequestRecord } from "../http/ports/observer.ts";
import type { TraceContext } from "../runtime/trace_context.ts";
import type { Attributes, LocalTrace, SpanData } from "./spans.ts";
import { spanIdOf, traceIdOf } from "./trace_context.ts";

/** Number of the span of the command, which is written into the log. */
const operationSpan = 0;
/** Number of the span of the request. */
const requestSpan = 1;
/** First number of the other spans. */
const firstFreeSpan = 2;
/** A batch has up to 1000 items; more spans than these do not help a reader. Failed items come first. */
const itemsMax = 100;
const skusMax = 10;

/** The store's name in the semantic conventions: `redis`, or `memory`. */
export type StoreSystem = "redis" | "memory";

/** The spans of an answered request. `why`: why it is exported. */
export function spansOf(
  requestRecord: RequestRecord,
  context: TraceContext,
  system: StoreSystem,
  why: string,
): LocalTrace {
  const { request, timings } = requestRecord;
  const spans: SpanData[] = [serverSpan(requestRecord, context, why)];
  const ids = { next: firstFreeSpan, of: (n: number) => spanIdOf(context, n) };
  const [first] = timings;
  if (first !== undefined && timings.length === 1 && !isBatch(requestRecord)) {
    const operation = commandSpan(first, requestRecord, ids.of(operationSpan), spans[0]?.spanId ?? "");
    spans.push(operation, cacheSpan(first, ids.of(ids.next++), operation));
    if (first.call) {
      spans.push(callSpan(first.call, first, system, ids.of(ids.next++), operation.spanId));
    }
  } else if (first !== undefined) {
    spans.push(...batchSpans(requestRecord, system, ids));
  }
  return {
    traceId: traceIdOf(context),
    tracestate: request.headers.get("tracestate") ?? "",
    hasRemoteParent: context.parentSpanId !== "",
    spans,
  };
}

interface Ids {
  next: number;
  of(n: number): string;
}

function isBatch({ route }: RequestRecord): boolean {
  return route.endsWith("/batch");
}

function serverSpan(requestRecord: RequestRecord, context: TraceContext, why: string): SpanData {
  const { request, connection, route, status } = requestRecord;
  const [method = "", path] = route === "" ? [request.method] : route.split(" ");
  const url = new URL(request.url);
  return {
    name: route || method,
    kind: "server",
    spanId: spanIdOf(context, requestSpan),
    parentSpanId: context.parentSpanId,
    startMs: requestRecord.startMs,
    endMs: requestRecord.endMs,
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
  timings: CommandTimings,
  { endMs }: RequestRecord,
  spanId: string,
  parentSpanId: string,
): SpanData {
  const { command, askedAtMs, settledAtMs, result, failed, outcome } = timings;
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
      ...outcomeAttributes(timings),
      "inventory.shard": timings.call?.shard,
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
    case "prepare":
      return { ...linesAttributes(command.lines), ...who(command.userId, command.orderId) };
    case "return":
      return { ...linesAttributes(command.lines), "inventory.order_id": command.orderId };
    case "confirm":
    case "cancel":
    case "extend":
    case "commit":
    case "abort":
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

function outcomeAttributes({ outcome }: CommandTimings): Attributes {
  if (outcome === null) return {};
  if (outcome.kind === "accepted") {
    return { "inventory.new_stock": outcome.newStock[0], "inventory.seq": outcome.seq };
  }
  if (outcome.kind === "insufficient") return { "inventory.available": outcome.available };
  return outcome.kind === "store_unavailable" ? { "inventory.reason": outcome.reason } : {};
}

function cacheSpan(timings: CommandTimings, spanId: string, parent: SpanData): SpanData {
  const { isFromCache, askedAtMs, queuedAtMs } = timings;
  return {
    name: "cache.check",
    kind: "internal",
    spanId,
    parentSpanId: parent.spanId,
    startMs: askedAtMs,
    endMs: Math.min(queuedAtMs || parent.endMs, parent.endMs),
    attributes: {
      "inventory.cache.result": isFromCache ? "hit" : "miss",
    },
    error: "",
  };
}

function callSpan(
  call: StoreCall,
  { command, queuedAtMs, settledAtMs }: CommandTimings,
  system: StoreSystem,
  spanId: string,
  parentSpanId: string,
): SpanData {
  // A command that timed out is answered before its call is.
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

function batchSpans(requestRecord: RequestRecord, system: StoreSystem, ids: Ids): SpanData[] {
  const { timings } = requestRecord;
  const batchId = ids.of(operationSpan);
  const accepted = timings.filter(({ result }) => result === "accepted" || result === "replayed").length;
  const failed = timings.filter(({ failed }) => failed);
  const startMs = Math.min(...timings.map(({ askedAtMs }) => askedAtMs));
  const batch: SpanData = {
    name: "inventory.batch_deduct",
    kind: "internal",
    spanId: batchId,
    parentSpanId: ids.of(requestSpan),
    startMs,
    endMs: Math.max(...timings.map(({ settledAtMs }) => settledAtMs || requestRecord.endMs)),
    attributes: {
      "inventory.items": timings.length,
      "inventory.items.accepted": accepted,
      "inventory.items.failed": failed.length,
      "error.type": failed[0]?.result,
    },
    error: failed.length > 0 ? `${failed.length} of ${timings.length} items failed` : "",
  };
  const calls = new Map(
    timings.flatMap((one) => one.call ? [[one.call, one] as const] : []),
  );
  const callSpans = [...calls].map(([call, one]) => callSpan(call, one, system, ids.of(ids.next++), batchId));
  const shown = [...failed, ...timings.filter((one) => !one.failed)].slice(0, itemsMax);
  const items = shown.map((one) => commandSpan(one, requestRecord, ids.of(ids.next++), batchId));
  return [batch, ...callSpans, ...items];
}
