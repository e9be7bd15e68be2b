/**
 * An OTLP/HTTP receiver in the process of the tests. It keeps what arrives, and can behave as badly as a Collector can.
 *
 * @module
 */
import { type LogRecord, type Metric, readLogs, readMetrics, readSpans, type Span } from "./otlp.ts";

/** How it answers: takes all, refuses with 503, or never answers. */
export type Mood = "takes" | "refuses" | "hangs";

/** A receiver that runs. */
export interface Receiver extends AsyncDisposable {
  /** For `OTLP_ENDPOINT`. */
  readonly url: string;
  readonly spans: Span[];
  readonly logs: LogRecord[];
  /** All that arrived, oldest first: a metric once for each report. */
  readonly metrics: Metric[];
  mood: Mood;
  /** The header `authorization` of the last request; null without one. */
  readonly authorization: string | null;
  /** Requests that it does not answer. */
  readonly hanging: number;
  /** The last report of a metric, of all its series, from each process. */
  latest(name: string): Metric[];
  /** Spans of a trace. */
  trace(traceId: string): Span[];
}

/** Starts one on a free loopback port. */
export function startReceiver(): Receiver {
  const [spans, logs, metrics]: [Span[], LogRecord[], Metric[]] = [[], [], []];
  const ending = new AbortController();
  let hanging = 0;
  let authorization: string | null = null;
  const answer = async (request: Request): Promise<Response> => {
    const body = await request.bytes();
    authorization = request.headers.get("authorization");
    if (receiver.mood === "hangs") {
      hanging++;
      await new Promise<void>((resolve) => ending.signal.addEventListener("abort", () => resolve()));
      hanging--;
      return new Response(null, { status: 503 });
    }
    if (receiver.mood === "refuses") return new Response("full", { status: 503 });
    const path = new URL(request.url).pathname;
    if (path === "/v1/traces") spans.push(...readSpans(body));
    else if (path === "/v1/metrics") metrics.push(...readMetrics(body));
    else if (path === "/v1/logs") logs.push(...readLogs(body));
    else return new Response(null, { status: 404 });
    return new Response(null, { headers: { "content-type": "application/x-protobuf" } });
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  const receiver: Receiver = {
    url: `http://127.0.0.1:${server.addr.port}`,
    spans,
    logs,
    metrics,
    mood: "takes",
    get authorization() {
      return authorization;
    },
    get hanging() {
      return hanging;
    },
    latest(name) {
      const byProcess = new Map<string, Metric>();
      for (const metric of metrics) if (metric.name === name) byProcess.set(metric.instance, metric);
      return [...byProcess.values()];
    },
    trace: (traceId) => spans.filter((span) => span.traceId === traceId),
    async [Symbol.asyncDispose]() {
      ending.abort();
      await server.shutdown();
    },
  };
  return receiver;
}
