package main

import (
	"context"
	"errors"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.26.0"
)

// telemetryOn is set once, before the first request. When false no span, attribute or measurement is built at all.
var telemetryOn bool

var (
	tracer     = otel.Tracer("inventory-service")
	meter      = otel.Meter("inventory-service")
	cacheMeter = otel.Meter("inventory-cache")

	deductCounter    = must(meter.Int64Counter("inventory.deduct.total", metric.WithDescription("Total inventory deduct requests"), metric.WithUnit("{request}")))
	deductDuration   = must(meter.Float64Histogram("inventory.deduct.duration", metric.WithDescription("Inventory deduct duration"), metric.WithUnit("ms")))
	stockGauge       = must(meter.Int64Gauge("inventory.stock.current", metric.WithDescription("Current stock level"), metric.WithUnit("{item}")))
	qpsCounter       = must(meter.Int64Counter("inventory.qps", metric.WithDescription("Queries per second"), metric.WithUnit("{query}/s")))
	cacheHitCounter  = must(cacheMeter.Int64Counter("inventory.cache.hit", metric.WithDescription("Cache hit count")))
	cacheMissCounter = must(cacheMeter.Int64Counter("inventory.cache.miss", metric.WithDescription("Cache miss count")))
)

// startTelemetry installs the providers. Without OTEL_EXPORTER_OTLP_ENDPOINT the exporters discard what they
// are given, so sampling, batching and aggregation are still paid for and only encoding and sending are not.
func startTelemetry(ctx context.Context, service string) (func(context.Context) error, error) {
	res, err := resource.New(ctx, resource.WithAttributes(
		semconv.ServiceNameKey.String(service),
		semconv.ServiceVersionKey.String("1.0.0"),
	))
	if err != nil {
		return nil, err
	}

	var spans sdktrace.SpanExporter = discardSpans{}
	var metrics sdkmetric.Exporter = discardMetrics{}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" {
		if spans, err = otlptracehttp.New(ctx); err != nil {
			return nil, err
		}
		if metrics, err = otlpmetrichttp.New(ctx); err != nil {
			return nil, err
		}
	}

	tp := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(spans,
			sdktrace.WithBatchTimeout(500*time.Millisecond),
			sdktrace.WithMaxExportBatchSize(2048),
			sdktrace.WithMaxQueueSize(8192),
		),
		sdktrace.WithResource(res),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(0.01))),
	)
	mp := sdkmetric.NewMeterProvider(
		sdkmetric.WithResource(res),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics, sdkmetric.WithInterval(10*time.Second))),
	)
	otel.SetTracerProvider(tp)
	otel.SetMeterProvider(mp)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	telemetryOn = true
	return func(ctx context.Context) error { return errors.Join(tp.Shutdown(ctx), mp.Shutdown(ctx)) }, nil
}

type discardSpans struct{}

func (discardSpans) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discardSpans) Shutdown(context.Context) error                             { return nil }

type discardMetrics struct{}

func (discardMetrics) Temporality(k sdkmetric.InstrumentKind) metricdata.Temporality {
	return sdkmetric.DefaultTemporalitySelector(k)
}
func (discardMetrics) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}
func (discardMetrics) Export(context.Context, *metricdata.ResourceMetrics) error { return nil }
func (discardMetrics) ForceFlush(context.Context) error                          { return nil }
func (discardMetrics) Shutdown(context.Context) error                            { return nil }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
