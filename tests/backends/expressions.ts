/**
 * Every PromQL expression of `deploy/`, with what it names.
 *
 * @module
 */
import { DEPLOY } from "./backends.ts";

/** One expression. */
export interface Expression {
  /** Where it stands, as text. */
  readonly where: string;
  /** With Grafana's variables replaced. */
  readonly promql: string;
}

/** What an expression reads: a series and the labels it must have. */
export interface Selector {
  readonly metric: string;
  readonly labels: readonly string[];
}

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

/** A dashboard, as far as tests read it. */
export interface Dashboard {
  readonly uid: string;
  readonly id: null;
  readonly panels: readonly (Panel & Readonly<Record<string, unknown>>)[];
}

/** Names of dashboards in `deploy/grafana/dashboards`. */
export function dashboards(): string[] {
  return [...Deno.readDirSync(`${DEPLOY}/grafana/dashboards`)].map(({ name }) => name).sort();
}

/** A dashboard as Grafana reads it. */
export function readDashboard(name: string): Dashboard {
  return JSON.parse(Deno.readTextFileSync(`${DEPLOY}/grafana/dashboards/${name}`));
}

/** Of all panels and all rules. */
export function allExpressions(): Expression[] {
  const panels = dashboards().flatMap((name) =>
    readDashboard(name).panels.flatMap(({ title, targets = [] }) =>
      targets.filter(({ datasource }) => datasource.uid === "prometheus")
        .map(({ expr }) => ({ where: `panel '${title}' of ${name}`, promql: withoutVariables(expr) }))
    )
  );
  const rules = ["recording.yml", "alerts.yml"].flatMap((name) =>
    expressionsOf(Deno.readTextFileSync(`${DEPLOY}/prometheus/rules/${name}`))
      .map((promql) => ({ where: name, promql }))
  );
  return [...panels, ...rules];
}

function withoutVariables(expr: string): string {
  return expr.replaceAll("$__rate_interval", "1m");
}

/** `expr:` of a rules file, on one line or as a block. */
function expressionsOf(yaml: string): string[] {
  return [...yaml.matchAll(/^( +)expr: (?:\|\n((?:\1 +.*\n)+)|(.+)\n)/gm)]
    .map(([, , block, line = ""]) => (block ?? line.replace(/^(['"])(.*)\1$/, "$2")).trim());
}

/** A node of an expression as Prometheus' own parser gives it; every kind has other members. */
type SyntaxNode = Readonly<Record<string, unknown>>;

/** The series that an expression reads, by Prometheus' own parser. */
export async function selectorsOf(prometheusUrl: string, promql: string): Promise<Selector[]> {
  const query = new URLSearchParams({ query: promql });
  const response = await fetch(`${prometheusUrl}/api/v1/parse_query?${query}`);
  const { status, data, error } = await response.json();
  if (status !== "success") throw new Error(`Cannot parse ${promql}: ${error}`);
  return [...selectors(data, [])];
}

function* selectors(node: SyntaxNode, grouping: readonly string[]): Generator<Selector> {
  if (node.type === "vectorSelector" || node.type === "matrixSelector") {
    const matchers = node.matchers as readonly { readonly name: string }[];
    const labels = [...matchers.map(({ name }) => name), ...grouping];
    yield { metric: String(node.name), labels: labels.filter((name) => name !== "__name__") };
    return;
  }
  // `le` is a bucket's own; every histogram has it.
  const own = Array.isArray(node.grouping) && node.without !== true
    ? node.grouping.filter((label) => label !== "le")
    : [];
  for (const child of Object.values(node).flat()) {
    if (typeof child === "object" && child !== null && "type" in child) {
      yield* selectors(child as SyntaxNode, [...grouping, ...own]);
    }
  }
}
