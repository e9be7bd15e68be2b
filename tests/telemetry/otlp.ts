/**
 * What OTLP/HTTP requests say, read from their protobuf (opentelemetry-proto 1.x; field numbers are theirs).
 *
 * @module
 */
import { type Fields, Reader } from "./protobuf.ts";

export type Value = string | number | boolean | Value[];
export type Attributes = Record<string, Value>;

/** A link to another span. */
export interface Link {
  traceId: string;
  spanId: string;
}

/** A span as it arrived. */
export interface Span {
  service: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  traceState: string;
  name: string;
  /** 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number;
  startNs: bigint;
  endNs: bigint;
  attributes: Attributes;
  links: Link[];
  /** 0 unset, 1 ok, 2 error. */
  status: number;
  statusMessage: string;
}

/** One series of a metric. */
export interface Point {
  attributes: Attributes;
  /** Of a sum or a gauge. */
  value: number;
  /** Of a histogram. */
  count: number;
  sum: number;
  bounds: number[];
  buckets: number[];
}

/** A metric as it arrived. */
export interface Metric {
  service: string;
  instance: string;
  name: string;
  unit: string;
  type: "gauge" | "sum" | "histogram";
  monotonic: boolean;
  points: Point[];
}

/** A log record as it arrived. */
export interface LogRecord {
  service: string;
  severity: string;
  body: Value;
  attributes: Attributes;
  traceId: string;
  spanId: string;
}

function value(reader: Reader): Value {
  const found: { value: Value } = { value: "" };
  reader.inner(found, {
    1: (to, from) => to.value = from.text(),
    2: (to, from) => to.value = from.varint() === 1n,
    3: (to, from) => to.value = Number(BigInt.asIntN(64, from.varint())),
    4: (to, from) => to.value = from.double(),
    5: (to, from) => to.value = from.inner<Value[]>([], { 1: (list, item) => list.push(value(item)) }),
  });
  return found.value;
}

function attribute(to: Attributes, from: Reader): void {
  const pair = from.inner<{ key: string; value: Value }>({ key: "", value: "" }, {
    1: (to, from) => to.key = from.text(),
    2: (to, from) => to.value = value(from),
  });
  to[pair.key] = pair.value;
}

const resource: Fields<Attributes> = { 1: attribute };

/** All of `items` of `ResourceX → ScopeX → X`, and the resource of each. */
function items<T>(bytes: Uint8Array, read: (reader: Reader) => T): { resource: Attributes; item: T }[] {
  const all: { resource: Attributes; item: T }[] = [];
  new Reader(bytes).message(all, {
    1: (all, reader) => {
      const group: { resource: Attributes; items: T[] } = { resource: {}, items: [] };
      reader.inner(group, {
        1: (to, from) => from.inner(to.resource, resource),
        2: (to, from) => from.inner(to.items, { 2: (list, from) => list.push(read(from)) }),
      });
      all.push(...group.items.map((item) => ({ resource: group.resource, item })));
    },
  });
  return all;
}

/** The spans of an `ExportTraceServiceRequest`. */
export function readSpans(bytes: Uint8Array): Span[] {
  return items(bytes, readSpan).map(({ resource, item }) => ({
    ...item,
    service: String(resource["service.name"]),
  }));
}

function readSpan(reader: Reader): Span {
  const span: Span = {
    service: "",
    traceId: "",
    spanId: "",
    parentSpanId: "",
    traceState: "",
    name: "",
    kind: 0,
    startNs: 0n,
    endNs: 0n,
    attributes: {},
    links: [],
    status: 0,
    statusMessage: "",
  };
  return reader.inner(span, {
    1: (to, from) => to.traceId = from.hex(),
    2: (to, from) => to.spanId = from.hex(),
    3: (to, from) => to.traceState = from.text(),
    4: (to, from) => to.parentSpanId = from.hex(),
    5: (to, from) => to.name = from.text(),
    6: (to, from) => to.kind = Number(from.varint()),
    7: (to, from) => to.startNs = from.fixed64(),
    8: (to, from) => to.endNs = from.fixed64(),
    9: (to, from) => attribute(to.attributes, from),
    13: (to, from) =>
      to.links.push(from.inner<Link>({ traceId: "", spanId: "" }, {
        1: (to, from) => to.traceId = from.hex(),
        2: (to, from) => to.spanId = from.hex(),
      })),
    15: (to, from) =>
      from.inner(to, {
        2: (to, from) => to.statusMessage = from.text(),
        3: (to, from) => to.status = Number(from.varint()),
      }),
  });
}

/** The metrics of an `ExportMetricsServiceRequest`. */
export function readMetrics(bytes: Uint8Array): Metric[] {
  return items(bytes, readMetric).map(({ resource, item }) => ({
    ...item,
    service: String(resource["service.name"]),
    instance: String(resource["service.instance.id"]),
  }));
}

function readMetric(reader: Reader): Metric {
  const metric: Metric = {
    service: "",
    instance: "",
    name: "",
    unit: "",
    type: "gauge",
    monotonic: false,
    points: [],
  };
  const points = (type: Metric["type"]) => (to: Metric, from: Reader) => {
    to.type = type;
    from.inner(to, {
      1: (to, from) => to.points.push(type === "histogram" ? histogramPoint(from) : numberPoint(from)),
      3: (to, from) => to.monotonic = type === "sum" && from.varint() === 1n,
      ...type === "histogram" && { 3: () => {} },
    });
  };
  return reader.inner(metric, {
    1: (to, from) => to.name = from.text(),
    3: (to, from) => to.unit = from.text(),
    5: points("gauge"),
    7: points("sum"),
    9: points("histogram"),
  });
}

function emptyPoint(): Point {
  return { attributes: {}, value: 0, count: 0, sum: 0, bounds: [], buckets: [] };
}

function numberPoint(reader: Reader): Point {
  return reader.inner(emptyPoint(), {
    4: (to, from) => to.value = from.double(),
    6: (to, from) => to.value = Number(BigInt.asIntN(64, from.fixed64())),
    7: (to, from) => attribute(to.attributes, from),
  });
}

function histogramPoint(reader: Reader): Point {
  return reader.inner(emptyPoint(), {
    4: (to, from) => to.count = Number(from.fixed64()),
    5: (to, from) => to.sum = from.double(),
    6: (to, from) => to.buckets = from.packed((each) => Number(each.fixed64())),
    7: (to, from) => to.bounds = from.packed((each) => each.double()),
    9: (to, from) => attribute(to.attributes, from),
  });
}

/** The records of an `ExportLogsServiceRequest`. */
export function readLogs(bytes: Uint8Array): LogRecord[] {
  return items(bytes, readLog).map(({ resource, item }) => ({
    ...item,
    service: String(resource["service.name"]),
  }));
}

function readLog(reader: Reader): LogRecord {
  const record: LogRecord = { service: "", severity: "", body: "", attributes: {}, traceId: "", spanId: "" };
  return reader.inner(record, {
    3: (to, from) => to.severity = from.text(),
    5: (to, from) => to.body = value(from),
    6: (to, from) => attribute(to.attributes, from),
    9: (to, from) => to.traceId = from.hex(),
    10: (to, from) => to.spanId = from.hex(),
  });
}
