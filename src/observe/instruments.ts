/**
 * Every metric: name, description and all possible labels. The names are part of the
 * contract: dashboards and alerts in `deploy/` read them, in Prometheus' spelling.
 *
 * @module
 */
import { limits } from "../domain/command.ts";

/** One metric. */
export interface Instrument {
  /** Name in OpenTelemetry's spelling. */
  readonly name: string;
  /** A counter only increases; a `sum` also decreases; a gauge is the present value; a histogram has `bounds`. */
  readonly kind: "counter" | "sum" | "gauge" | "histogram";
  /** UCUM. */
  readonly unit: string;
  readonly description: string;
  /** The only possible labels: a View drops every other. */
  readonly labels: readonly string[];
  /** Maximum number of label combinations; further ones share the series `otel.metric.overflow`. */
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

/** Maximum number of SKUs whose stock one process exports. */
export const stockSkusMax = 100;

export const instruments = {
  httpDuration: {
    name: "http.server.request.duration",
    kind: "histogram",
    unit: "s",
    description: "Duration of requests.",
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
    description: "Requests in progress.",
    ...perProcess,
  },
  requests: {
    name: "inventory.requests",
    kind: "counter",
    unit: "{request}",
    description: "Requested sales: deducts, items of a batch, baskets, reservations.",
    ...perProcess,
  },
  deducts: {
    name: "inventory.deduct.total",
    kind: "counter",
    unit: "{sale}",
    description: "Outcomes of sales by decider: the store, the sold-out cache, or the API before either.",
    labels: ["result", "source"],
    seriesMax: 100,
  },
  deductDuration: {
    name: "inventory.deduct.duration",
    kind: "histogram",
    unit: "s",
    description: "Time from the request to the decision.",
    labels: ["result", "source"],
    seriesMax: 100,
    bounds: requestBoundsS,
  },
  cacheHits: {
    name: "inventory.cache.hit",
    kind: "counter",
    unit: "{question}",
    description: "Refusals of what is sold out, and reads of it, that the sold-out cache gave.",
    ...perProcess,
  },
  cacheMisses: {
    name: "inventory.cache.miss",
    kind: "counter",
    unit: "{question}",
    description: "The same that the store had to give.",
    ...perProcess,
  },
  batchSize: {
    name: "inventory.batch.size",
    kind: "histogram",
    unit: "{command}",
    description: "Commands per call to the store.",
    ...perProcess,
    bounds: batchBounds,
  },
  queueDepth: {
    name: "inventory.queue.depth",
    kind: "gauge",
    unit: "{command}",
    description: "Commands that wait for a call, in all batchers.",
    ...perProcess,
  },
  unarmed: {
    name: "inventory.shards.unarmed",
    kind: "gauge",
    unit: "{shard}",
    description: "Shards that may not sell, as of this process' last call.",
    ...perProcess,
  },
  callDuration: {
    name: "db.client.operation.duration",
    kind: "histogram",
    unit: "s",
    description: "Duration of calls to Redis and PostgreSQL, as measured by this process.",
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
    description: "Messages of the topic that the ledger has not read yet; absent without Kafka.",
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
    description: "Units by which store and ledger differ, as of the last verification or applied batch.",
    ...perShard,
  },
  reconcileDifferences: {
    name: "inventory.reconcile.differences",
    kind: "gauge",
    unit: "{difference}",
    description:
      "Differences of store and ledger that the continuous reconciliation found and that are not gone.",
    ...perShard,
  },
  reconcileAge: {
    name: "inventory.reconcile.age",
    kind: "gauge",
    unit: "s",
    description:
      "Time since every SKU had been compared with the ledger, or since the lease; absent when it is off.",
    ...perShard,
  },
  reconcileSkus: {
    name: "inventory.reconcile.skus",
    kind: "counter",
    unit: "{sku}",
    description: "SKUs compared with the ledger while they sell.",
    ...perProcess,
  },
  deadLetters: {
    name: "inventory.dead_letters",
    kind: "gauge",
    unit: "{event}",
    description: "Events that the ledger refused in part.",
    ...perShard,
  },
  guaranteesOff: {
    name: "inventory.promises.off",
    kind: "gauge",
    unit: "{promise}",
    description: "Guarantees that the shard's servers do not keep, or whose check failed.",
    ...perShard,
  },
  commitDuration: {
    name: "inventory.ledger.commit.duration",
    kind: "histogram",
    unit: "s",
    description: "Duration of a transaction of the ledger.",
    ...perProcess,
    bounds: callBoundsS,
  },
  ledgerEvents: {
    name: "inventory.ledger.events",
    kind: "counter",
    unit: "{event}",
    description: "Events applied.",
    ...perProcess,
  },
  holdLag: {
    name: "inventory.hold.release.lag",
    kind: "histogram",
    unit: "s",
    description: "Time from the expiry of a reservation to the return of its units.",
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
    description: "Delay of timers since the last report, 99th percentile.",
    ...perProcess,
  },
  loopDelayMax: {
    name: "nodejs.eventloop.delay.max",
    kind: "gauge",
    unit: "s",
    description: "Maximum delay of a timer since the last report.",
    ...perProcess,
  },
  dropped: {
    name: "inventory.telemetry.dropped",
    kind: "counter",
    unit: "{item}",
    description: "Spans, log records and metric exports that were lost.",
    labels: ["signal"],
    seriesMax: 3,
  },
} as const satisfies Readonly<Record<string, Instrument>>;
