/**
 * Metrics by the SDK: counters and gauges as observable instruments, each with a View for its labels; histograms as a metric
 * producer.
 *
 * @module
 */
import { type ObservableResult, ValueType } from "@opentelemetry/api";
import { hrTime } from "@opentelemetry/core";
import { emptyResource, type Resource } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  AggregationType,
  type CollectionResult,
  createAllowListAttributesProcessor,
  DataPointType,
  type HistogramMetricData,
  MeterProvider,
  type MetricProducer,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
  type ViewOptions,
} from "@opentelemetry/sdk-metrics";
import { HistogramSeries } from "../runtime/histogram.ts";
import { type Instrument, instruments } from "./instruments.ts";
import type { Labels, Series } from "../runtime/histogram.ts";
import type { Meter, Reading } from "./meter.ts";

/** Interval of exports, ms. */
export const exportEveryMs = 10_000;
/** The instrumentation scope. */
export const scope = { name: "holdfast" } as const;

export class SdkMeter implements Meter {
  readonly #provider: MeterProvider;
  readonly #histograms = new Histograms();

  /** Sends to `exporter` every {@link exportEveryMs}; an export ends within `exportTimeoutMs`. */
  constructor(resource: Resource, exporter: PushMetricExporter, exportTimeoutMs: number) {
    const reader = new PeriodicExportingMetricReader({
      exporter,
      exportIntervalMillis: exportEveryMs,
      exportTimeoutMillis: exportTimeoutMs,
      metricProducers: [this.#histograms],
    });
    const views = Object.values(instruments).map(viewOf);
    this.#provider = new MeterProvider({ resource, readers: [reader], views });
  }

  observe(instrument: Instrument, read: () => Iterable<Reading>): void {
    const { name, kind, unit, description } = instrument;
    const meter = this.#provider.getMeter(scope.name);
    const options = { unit, description, valueType: ValueType.DOUBLE };
    const observable = kind === "counter"
      ? meter.createObservableCounter(name, options)
      : kind === "sum"
      ? meter.createObservableUpDownCounter(name, options)
      : meter.createObservableGauge(name, options);
    observable.addCallback((result: ObservableResult) => {
      for (const { value, labels } of read()) result.observe(value, labels);
    });
  }

  series(instrument: Instrument, labels: Labels): Series {
    return this.#histograms.series(instrument, labels);
  }

  /** Sends the present values, and nothing afterwards. */
  shutdown(): Promise<void> {
    return this.#provider.shutdown();
  }
}

/** Drops labels that are not in the table, and limits the combinations of the others. */
function viewOf({ name, labels, seriesMax }: Instrument): ViewOptions {
  return {
    instrumentName: name,
    attributesProcessors: [createAllowListAttributesProcessor([...labels, "otel.metric.overflow"])],
    aggregation: { type: AggregationType.DEFAULT },
    // The SDK reserves one of them for the overflow.
    aggregationCardinalityLimit: seriesMax + 1,
  };
}

/** The histograms in the SDK's format. */
class Histograms implements MetricProducer {
  readonly #startTime = hrTime();
  readonly #series = new Map<Instrument, HistogramSeries[]>();

  series(instrument: Instrument, labels: Labels): HistogramSeries {
    const made = new HistogramSeries(instrument.bounds ?? [], labels);
    const all = this.#series.get(instrument);
    if (all) all.push(made);
    else this.#series.set(instrument, [made]);
    return made;
  }

  collect(): Promise<CollectionResult> {
    const endTime = hrTime();
    // Without a value: Prometheus would log a warning for each report.
    const reported = [...this.#series].filter(([, series]) => series.some(({ count }) => count > 0));
    const metrics = reported.map(([instrument, series]): HistogramMetricData => ({
      descriptor: {
        name: instrument.name,
        description: instrument.description,
        unit: instrument.unit,
        valueType: ValueType.DOUBLE,
      },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: series.filter(({ count }) => count > 0).map((one) => ({
        startTime: this.#startTime,
        endTime,
        attributes: { ...one.labels },
        value: {
          buckets: { boundaries: [...one.bounds], counts: [...one.counts] },
          sum: one.sum,
          count: one.count,
          min: one.min,
          max: one.max,
        },
      })),
    }));
    // The reader has the resource from its own provider, and takes only metrics from here.
    const resourceMetrics = { resource: emptyResource(), scopeMetrics: [{ scope, metrics }] };
    return Promise.resolve({ resourceMetrics, errors: [] });
  }
}
