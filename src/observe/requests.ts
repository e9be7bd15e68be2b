/**
 * Observes requests: counts all of them, and makes spans of those that are exported. That is decided after the response,
 * so the traces of failed and slow requests are complete.
 *
 * @module
 */
import type { TelemetryConfig } from "../runtime/settings/config.ts";
import type { RequestObserver, RequestRecord } from "../http/ports/observer.ts";
import type { CommandTimings } from "../decide/command_timings.ts";
import type { World } from "../runtime/world.ts";
import { instruments } from "./instruments.ts";
import type { Labels, Series } from "../runtime/histogram.ts";
import { Cells, Counts, type Meter, overflowLabels, single } from "./meter.ts";
import { spansOf, type StoreSystem } from "./request_spans.ts";
import { keep, type SpanSink } from "./spans.ts";
import type { ContextSource } from "./trace_context.ts";

const knownMethods: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"],
]);
/** Probes are sent every few seconds, and get 503 as long as a server is unavailable. */
const probes: ReadonlySet<string> = new Set(["GET /livez", "GET /readyz"]);

export interface RequestsParts {
  readonly world: World;
  readonly config: TelemetryConfig;
  readonly contexts: ContextSource;
  readonly spans: SpanSink;
  readonly meter: Meter;
  readonly system: StoreSystem;
  /** Called for each request that got 5xx, or an item of which did, except probes. */
  readonly onFailed: (requestRecord: RequestRecord) => void;
}

/** See {@link RequestObserver}. */
export class Requests implements RequestObserver {
  readonly #parts: RequestsParts;
  readonly #deducts = new Counts(instruments.deducts);
  readonly #durations: Cells<string, number, Series>;
  readonly #decisions: Cells<string, string, Series>;
  #active = 0;
  #sales = 0;

  /** Counts from now on. */
  constructor(parts: RequestsParts) {
    const { meter } = this.#parts = parts;
    const { httpDuration, deductDuration } = instruments;
    this.#durations = new Cells(
      httpDuration.seriesMax,
      (route, status) => meter.series(httpDuration, httpLabels(route, status)),
      () => meter.series(httpDuration, overflowLabels),
    );
    this.#decisions = new Cells(
      deductDuration.seriesMax,
      (result, source) => meter.series(deductDuration, { result, source }),
      () => meter.series(deductDuration, overflowLabels),
    );
    meter.observe(instruments.httpActive, () => single(this.#active));
    meter.observe(instruments.requests, () => single(this.#sales));
    meter.observe(instruments.deducts, () => this.#deducts.readings());
  }

  begin(requestRecord: RequestRecord): void {
    this.#active++;
    requestRecord.trace = this.#parts.contexts.contextOf(requestRecord.callerTraceparent);
  }

  end(requestRecord: RequestRecord): void {
    const { spans, system, onFailed } = this.#parts;
    this.#active--;
    this.#count(requestRecord);
    if (probes.has(requestRecord.route)) return;
    if (requestRecord.failed) onFailed(requestRecord);
    const why = this.#whyKept(requestRecord);
    const { trace } = requestRecord;
    if (why !== "" && trace !== null) keep(spans, () => spansOf(requestRecord, trace, system, why));
  }

  #count(requestRecord: RequestRecord): void {
    const { request, route, status, timings, turnedAway, startMs, endMs } = requestRecord;
    this.#durations.get(route || unrouted(request.method), status).record((endMs - startMs) / 1000);
    for (const one of timings) this.#countSale(one, endMs);
    this.#sales += turnedAway.length;
    for (const code of turnedAway) this.#deducts.add(code, "api");
  }

  #countSale(timings: CommandTimings, endMs: number): void {
    const { command, result, call, isFromCache, askedAtMs, settledAtMs } = timings;
    if (command.kind !== "deduct" && command.kind !== "order" && command.kind !== "reserve") return;
    const source = call !== null ? this.#parts.system : isFromCache ? "cache" : "api";
    // After an internal error there is no outcome.
    const reported = result || "internal_error";
    this.#sales++;
    this.#deducts.add(reported, source);
    this.#decisions.get(reported, source).record(((settledAtMs || endMs) - askedAtMs) / 1000);
  }

  /** Why a request is exported, one word; empty when it is not. */
  #whyKept(requestRecord: RequestRecord): string {
    if (requestRecord.trace?.sampled) return "sampled";
    if (requestRecord.failed) return "failed";
    return requestRecord.endMs - requestRecord.startMs > this.#parts.config.traceSlowMs ? "slow" : "";
  }
}

/** The name of a request without a route. */
function unrouted(method: string): string {
  return knownMethods.has(method) ? method : "_OTHER";
}

function httpLabels(name: string, status: number): Labels {
  const [method = "", route] = name.split(" ");
  return {
    "http.request.method": method,
    ...route !== undefined && { "http.route": route },
    "http.response.status_code": status,
    ...status >= 500 && { "error.type": String(status) },
    "url.scheme": "http",
  };
}
