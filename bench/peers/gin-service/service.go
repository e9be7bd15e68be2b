package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

//go:embed deduct.lua
var deductLua string

// eventStream is written only with ASYNC=stream. It lies outside the "inventory:<SKU>" key space.
const eventStream = "inventory-events"

// DeductRequest carries no JSON tags: the keys are SKU, UserID, OrderID and Amount.
type DeductRequest struct {
	SKU     string
	UserID  string
	OrderID string
	Amount  int64
}

type DeductResponse struct {
	Success  bool
	NewStock int64
	Message  string
}

type Service struct {
	rdb    *redis.Client
	cache  *LocalCache
	script *redis.Script
	stream bool
}

func NewService(rdb *redis.Client, stream bool) *Service {
	return &Service{
		rdb:    rdb,
		cache:  NewLocalCache(1000, time.Second),
		script: redis.NewScript(deductLua),
		stream: stream,
	}
}

// Deduct makes at most one script call per request; the cache may refuse a request before it.
func (s *Service) Deduct(ctx context.Context, req *DeductRequest) (*DeductResponse, error) {
	span := trace.SpanFromContext(ctx)
	if telemetryOn {
		start := time.Now()
		ctx, span = tracer.Start(ctx, "inventory.deduct",
			trace.WithSpanKind(trace.SpanKindInternal),
			trace.WithAttributes(
				attribute.String("inventory.sku", req.SKU),
				attribute.String("user.id", req.UserID),
				attribute.String("order.id", req.OrderID),
				attribute.Int64("inventory.amount", req.Amount),
			),
		)
		defer span.End()
		qpsCounter.Add(ctx, 1)
		defer func() {
			ms := float64(time.Since(start).Microseconds()) / 1000
			deductDuration.Record(ctx, ms, metric.WithAttributes(attribute.String("sku", req.SKU)))
		}()
	}

	if cached, ok := s.cache.Get(req.SKU); ok {
		if cached < req.Amount {
			span.AddEvent("local_cache_hit_insufficient")
			countResult(ctx, "insufficient_stock", attribute.String("source", "local_cache"))
			return &DeductResponse{Message: "insufficient stock (from cache)"}, nil
		}
		span.AddEvent("local_cache_hit_sufficient")
	}

	key := fmt.Sprintf("inventory:%s", req.SKU)
	result, err := s.script.Run(ctx, s.rdb, []string{key}, req.Amount, req.UserID, req.OrderID).Result()
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, "redis script execution failed")
		span.SetAttributes(attribute.Bool("force_sample", true))
		countResult(ctx, "error")
		return nil, fmt.Errorf("failed to execute lua script: %w", err)
	}
	code, stock, err := parse(result)
	if err != nil {
		return nil, err
	}

	switch code {
	case 0:
		s.cache.Set(req.SKU, stock)
		if telemetryOn {
			span.SetStatus(codes.Ok, "inventory deducted")
			span.SetAttributes(attribute.Int64("inventory.new_stock", stock))
			stockGauge.Record(ctx, stock, metric.WithAttributes(attribute.String("sku", req.SKU)))
		}
		countResult(ctx, "success")
		if s.stream {
			if err := s.publish(ctx, req, stock); err != nil {
				span.RecordError(err) // the stock is taken: the event is lost, the order stands
			}
		}
		return &DeductResponse{Success: true, NewStock: stock, Message: "success"}, nil

	case -1:
		span.SetStatus(codes.Error, "stock not found")
		countResult(ctx, "not_found")
		return &DeductResponse{Message: "stock not found"}, nil

	case -2:
		s.cache.Set(req.SKU, stock)
		if telemetryOn {
			span.SetStatus(codes.Ok, "insufficient stock")
			span.SetAttributes(attribute.Int64("inventory.current_stock", stock))
		}
		countResult(ctx, "insufficient_stock")
		return &DeductResponse{Message: fmt.Sprintf("insufficient stock, current: %d", stock)}, nil

	case -3:
		span.SetStatus(codes.Error, "rate limit exceeded")
		span.AddEvent("user_rate_limited")
		countResult(ctx, "rate_limited")
		return &DeductResponse{Message: "rate limit exceeded"}, nil
	}
	return nil, fmt.Errorf("unknown result code: %d", code)
}

// publish is the ASYNC=stream variant.
func (s *Service) publish(ctx context.Context, req *DeductRequest, stock int64) error {
	pipe := s.rdb.Pipeline()
	pipe.XAdd(ctx, &redis.XAddArgs{Stream: eventStream, Values: []any{
		"order_id", req.OrderID,
		"sku", req.SKU,
		"user_id", req.UserID,
		"amount", req.Amount,
		"new_stock", stock,
	}})
	_, err := pipe.Exec(ctx)
	return err
}

func parse(result any) (code, stock int64, err error) {
	invalid := errors.New("invalid lua script result")
	parts, ok := result.([]any)
	if !ok || len(parts) < 2 {
		return 0, 0, invalid
	}
	if code, ok = parts[0].(int64); !ok {
		return 0, 0, invalid
	}
	if code == 0 || code == -2 {
		if len(parts) < 3 {
			return 0, 0, invalid
		}
		if stock, ok = parts[2].(int64); !ok {
			return 0, 0, invalid
		}
	}
	return code, stock, nil
}

func countResult(ctx context.Context, result string, more ...attribute.KeyValue) {
	if telemetryOn {
		deductCounter.Add(ctx, 1, metric.WithAttributes(append(more, attribute.String("result", result))...))
	}
}
