/**
 * Watches requests: counts every one of them, and makes spans of those that are kept, which is decided when the answer
 * is known. So no trace is half: what failed or was slow is kept whole although nobody knew before.
 *
 * @module
 */
import type { TelemetryConfig } from "../runtime/settings/config.ts";
import type { RequestObserver, RequestRecord } from "../http/ports/observer.ts";
import type { CommandTimings } from "../decide/command_timings.ts";
import type { World } from "../runtime/world.ts";
import { instruments } from "./instruments.ts";
import type { Labels, Series } from "../runtime/histogram.ts";
import { Cells, Counts, figure, type Meter, overflowLabels } from "./meter.ts";
import { spansOf, type StoreSystem } from "./request_spans.ts";
import { keep, type SpanSink } from "./spans.ts";
import type { Places } from "./trace_context.ts";

const knownMethods: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"],
]);
/** Asked every few seconds by machines, and answered with 503 as long as something is away. */
const probes: ReadonlySet<string> = new Set(["GET /livez", "GET /readyz"]);

/** What watching needs. */
export interface RequestsParts {
  /** Tells the time. */
  readonly world: World;
  /** Which traces are kept. */
  readonly config: TelemetryConfig;
  /** Finds a request's place in a trace. */
  readonly places: Places;
  /** Takes spans. */
  readonly spans: SpanSink;
  /** Takes metrics. */
  readonly meter: Meter;
  /** What decides. */
  readonly system: StoreSystem;
  /** Told of each request that got 5xx, or an item of which did; not of a probe. */
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
    meter.observe(instruments.httpActive, () => figure(this.#active));
    meter.observe(instruments.requests, () => figure(this.#sales));
    meter.observe(instruments.deducts, () => this.#deducts.readings());
  }

  begin(requestRecord: RequestRecord): void {
    this.#active++;
    requestRecord.trace = this.#parts.places.place(requestRecord.callerTraceparent);
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
    const { command, result, call, cache, askedAtMs, settledAtMs } = timings;
    if (command.kind !== "deduct" && command.kind !== "order" && command.kind !== "reserve") return;
    const source = call !== null ? this.#parts.system : cache === "hit" ? "cache" : "api";
    // Code that broke has given no answer.
    const told = result || "internal_error";
    this.#sales++;
    this.#deducts.add(told, source);
    this.#decisions.get(told, source).record(((settledAtMs || endMs) - askedAtMs) / 1000);
  }

  /** Why a request is kept: in one word; empty when it is not. */
  #whyKept(requestRecord: RequestRecord): string {
    if (requestRecord.trace?.sampled) return "sampled";
    if (requestRecord.failed) return "failed";
    return requestRecord.endMs - requestRecord.startMs > this.#parts.config.traceSlowMs ? "slow" : "";
  }
}

/** The name of what no route was found for. */
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
