/**
 * What the backends answer, as far as the tests read it.
 *
 * @module
 */

/** A span as Jaeger has it. */
export interface JaegerSpan {
  readonly spanID: string;
  readonly operationName: string;
  /** `CHILD_OF` the parent; `FOLLOWS_FROM` whatever a link leads to. */
  readonly references: readonly {
    readonly refType: string;
    readonly traceID: string;
    readonly spanID: string;
  }[];
  readonly tags: readonly { readonly key: string; readonly value: unknown }[];
}

/** One series: its labels, the metric's name among them. */
export type SeriesLabels = Readonly<Record<string, string>>;

/** The spans of a trace; none when Jaeger does not know it. */
export async function spansOf(jaegerUrl: string, traceId: string): Promise<JaegerSpan[]> {
  const response = await fetch(`${jaegerUrl}/api/traces/${traceId}`);
  const { data } = await response.json();
  return (data ?? []).flatMap((trace: { spans: JaegerSpan[] }) => trace.spans);
}

/** Spans of a service and a name, of the last hour. */
export async function spansNamed(
  jaegerUrl: string,
  service: string,
  operation: string,
): Promise<JaegerSpan[]> {
  const query = new URLSearchParams({ service, operation, lookback: "1h", limit: "1500" });
  const response = await fetch(`${jaegerUrl}/api/traces?${query}`);
  const { data } = await response.json();
  return (data ?? []).flatMap((trace: { spans: JaegerSpan[] }) => trace.spans)
    .filter((span: JaegerSpan) => span.operationName === operation);
}

/** A span's attribute; undefined when it has none of that name. */
export function tagOf(span: JaegerSpan, key: string): unknown {
  return span.tags.find((tag) => tag.key === key)?.value;
}

/** Whether an expression gives a result, and not an error. */
export async function evaluates(prometheusUrl: string, promql: string): Promise<unknown[]> {
  const query = new URLSearchParams({ query: promql });
  const response = await fetch(`${prometheusUrl}/api/v1/query?${query}`);
  const { status, data, error } = await response.json();
  if (status !== "success") throw new Error(`Cannot evaluate ${promql}: ${error}`);
  return data.result;
}

/** Every series that a selector finds. */
export async function seriesOf(prometheusUrl: string, selector: string): Promise<SeriesLabels[]> {
  const query = new URLSearchParams({ "match[]": selector });
  const response = await fetch(`${prometheusUrl}/api/v1/series?${query}`);
  const { status, data, error } = await response.json();
  if (status !== "success") throw new Error(`Cannot find ${selector}: ${error}`);
  return data;
}

/** Lines of Loki that a LogQL query finds, the newest first. */
export async function linesOf(lokiUrl: string, logql: string): Promise<string[]> {
  const query = new URLSearchParams({ query: logql, since: "1h", limit: "100" });
  const response = await fetch(`${lokiUrl}/loki/api/v1/query_range?${query}`);
  if (!response.ok) throw new Error(`Cannot find ${logql}: ${await response.text()}`);
  const { data } = await response.json();
  return data.result.flatMap((stream: { values: [string, string][] }) =>
    stream.values.map(([, line]) => line)
  );
}
