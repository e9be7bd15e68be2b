/**
 * Every metric: its name, what it counts, and all the labels that it may ever have. The names are part of the
 * contract: dashboards and alerts in `deploy/` read them, in Prometheus' spelling.
 *
 * @module
 */
import { limits } from "../domain/command.ts";

/** One metric. */
export interface Instrument {
  /** As OpenTelemetry spells it. */
  readonly name: string;
  /** Counters only rise; `sum` rises and falls; a gauge is what it is now; a histogram has `bounds`. */
  readonly kind: "counter" | "sum" | "gauge" | "histogram";
  /** UCUM. */
  readonly unit: string;
  /** For people. */
  readonly description: string;
  /** The only labels it may have: a View drops every other. */
  readonly labels: readonly string[];
  /** Most combinations of their values; what comes beyond is one series, `otel.metric.overflow`. */
  readonly seriesMax: number;
  /** Upper bounds of a histogram's buckets. */
  readonly bounds?: readonly number[];
}

// Most requests take 1 to 5 ms, which the semantic conventions' own bounds would put into one bucket.
const requestBoundsS = [
  ...[0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.025],
  ...[0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5],
];
const callBoundsS = [
  0.0002,
  0.0005,
  0.001,
  0.002,
  0.003,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
];
const batchBounds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const lateBoundsS = [0.05, 0.1, 0.25, 0.5, 1, 2, 2.5, 5, 10, 30, 60];

const perProcess = { labels: [], seriesMax: 1 } as const;
const perShard = { labels: ["shard"], seriesMax: limits.shardsMax } as const;

/** Most SKUs whose stock one process exports. */
export const stockSkusMax = 100;

/** The table. */
export const instruments = {
  httpDuration: {
    name: "http.server.request.duration",
    kind: "histogram",
    unit: "s",
    description: "How long requests took.",
    labels: [
      "error.type",
      "http.request.method",
      "http.response.status_code",
      "http.route",
      "url.scheme",
    ],
    seriesMax: 500,
    bounds: requestBoundsS,
  },
  httpActive: {
    name: "http.server.active_requests",
    kind: "sum",
    unit: "{request}",
    description: "Requests that are being answered.",
    ...perProcess,
  },
  requests: {
    name: "inventory.requests",
    kind: "counter",
    unit: "{request}",
    description: "Sales asked for: deducts, items of a batch, baskets, reservations.",
    ...perProcess,
  },
  deducts: {
    name: "inventory.deduct.total",
    kind: "counter",
    unit: "{sale}",
    description:
      "What became of them, and who decided: the store, the sold-out cache, or the API before either.",
    labels: ["result", "source"],
    seriesMax: 100,
  },
  deductDuration: {
    name: "inventory.deduct.duration",
    kind: "histogram",
    unit: "s",
    description: "From the question to the decision.",
    labels: ["result", "source"],
    seriesMax: 100,
    bounds: requestBoundsS,
  },
  cacheHits: {
    name: "inventory.cache.hit",
    kind: "counter",
    unit: "{question}",
    description: "Questions that the sold-out cache answered.",
    ...perProcess,
  },
  cacheMisses: {
    name: "inventory.cache.miss",
    kind: "counter",
    unit: "{question}",
    description: "Questions that the sold-out cache could not answer.",
    ...perProcess,
  },
  batchSize: {
    name: "inventory.batch.size",
    kind: "histogram",
    unit: "{command}",
    description: "Commands that went to the store in one call.",
    ...perProcess,
    bounds: batchBounds,
  },
  queueDepth: {
    name: "inventory.queue.depth",
    kind: "gauge",
    unit: "{command}",
    description: "Commands that wait for a call, in all lanes.",
    ...perProcess,
  },
  unarmed: {
    name: "inventory.shards.unarmed",
    kind: "gauge",
    unit: "{shard}",
    description: "Shards that may not sell, as this process last heard.",
    ...perProcess,
  },
  callDuration: {
    name: "db.client.operation.duration",
    kind: "histogram",
    unit: "s",
    description: "How long Redis and PostgreSQL took, as this process sees it.",
    labels: ["db.operation.name", "db.system.name", "error.type"],
    seriesMax: 200,
    bounds: callBoundsS,
  },
  stock: {
    name: "inventory.stock.current",
    kind: "gauge",
    unit: "{unit}",
    description: "Units available of the SKUs that sell most and of those that are nearly gone.",
    labels: ["shard", "sku"],
    seriesMax: stockSkusMax + 1,
  },
  logLag: {
    name: "inventory.log.lag",
    kind: "gauge",
    unit: "{event}",
    description: "Events that are not in the ledger yet.",
    ...perShard,
  },
  kafkaLag: {
    name: "inventory.kafka.lag",
    kind: "gauge",
    unit: "{message}",
    description: "Messages of the topic that the ledger has not read yet; not told without Kafka.",
    ...perShard,
  },
  logAge: {
    name: "inventory.log.oldest_age",
    kind: "gauge",
    unit: "s",
    description: "Age of the oldest event that is not in the ledger yet; 0 when all are.",
    ...perShard,
  },
  drift: {
    name: "inventory.ledger.drift",
    kind: "gauge",
    unit: "{unit}",
    description:
      "Units by which store and ledger differ, as found when the shard was last verified or booked.",
    ...perShard,
  },
  deadLetters: {
    name: "inventory.dead_letters",
    kind: "gauge",
    unit: "{event}",
    description: "Events that the ledger could not take whole.",
    ...perShard,
  },
  guaranteesOff: {
    name: "inventory.promises.off",
    kind: "gauge",
    unit: "{promise}",
    description: "Promises that the shard's servers do not keep, or cannot be shown to keep.",
    ...perShard,
  },
  commitDuration: {
    name: "inventory.ledger.commit.duration",
    kind: "histogram",
    unit: "s",
    description: "One transaction of the ledger.",
    ...perProcess,
    bounds: callBoundsS,
  },
  ledgerEvents: {
    name: "inventory.ledger.events",
    kind: "counter",
    unit: "{event}",
    description: "Events booked.",
    ...perProcess,
  },
  holdLag: {
    name: "inventory.hold.release.lag",
    kind: "histogram",
    unit: "s",
    description: "How long a lapsed reservation kept its units.",
    ...perProcess,
    bounds: lateBoundsS,
  },
  workerShards: {
    name: "inventory.worker.shards",
    kind: "gauge",
    unit: "{shard}",
    description: "Leases held.",
    ...perProcess,
  },
  armings: {
    name: "inventory.armings",
    kind: "counter",
    unit: "{arming}",
    description: "Verifications of a shard, by their result.",
    labels: ["result"],
    seriesMax: 5,
  },
  cpuTime: {
    name: "process.cpu.time",
    kind: "counter",
    unit: "s",
    description: "CPU time used.",
    labels: ["cpu.mode"],
    seriesMax: 2,
  },
  memory: {
    name: "process.memory.usage",
    kind: "sum",
    unit: "By",
    description: "Resident memory.",
    ...perProcess,
  },
  loopDelayP99: {
    name: "nodejs.eventloop.delay.p99",
    kind: "gauge",
    unit: "s",
    description: "How late timers fired since the last report, 99th percentile.",
    ...perProcess,
  },
  loopDelayMax: {
    name: "nodejs.eventloop.delay.max",
    kind: "gauge",
    unit: "s",
    description: "How late a timer fired since the last report, at most.",
    ...perProcess,
  },
  dropped: {
    name: "inventory.telemetry.dropped",
    kind: "counter",
    unit: "{item}",
    description: "Spans, log records and metric exports that no Collector took.",
    labels: ["signal"],
    seriesMax: 3,
  },
} as const satisfies Readonly<Record<string, Instrument>>;
