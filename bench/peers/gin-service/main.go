// The baseline of the comparison: an inventory service with one Redis script call a request.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	pool, err := strconv.Atoi(env("POOL", "1000"))
	if err != nil || pool < 1 {
		return errors.New("POOL must be a positive number")
	}
	async := env("ASYNC", "")
	if async != "" && async != "stream" {
		return errors.New("ASYNC must be unset or stream")
	}

	shutdownTelemetry := func(context.Context) error { return nil }
	if env("OTEL", "on") != "off" {
		if shutdownTelemetry, err = startTelemetry(ctx, "inventory-service"); err != nil {
			return err
		}
	}

	rdb := redis.NewClient(&redis.Options{
		Addr:             env("REDIS_ADDR", "127.0.0.1:6379"),
		PoolSize:         pool,
		MinIdleConns:     min(100, pool),
		MaxRetries:       3,
		DialTimeout:      time.Second,
		ReadTimeout:      time.Second,
		WriteTimeout:     time.Second,
		PoolTimeout:      2 * time.Second,
		PipelinePoolSize: -1, // one pool: pipelines share it
	})
	defer rdb.Close()
	if err := rdb.Ping(ctx).Err(); err != nil {
		return err
	}

	gin.SetMode(gin.ReleaseMode)
	router := gin.New() // no access log
	router.Use(gin.Recovery())
	handler := &Handler{service: NewService(rdb, async == "stream")}
	router.POST("/api/v1/inventory/deduct", handler.DeductInventory)

	srv := &http.Server{Addr: "127.0.0.1:" + env("PORT", "8080"), Handler: router}
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	log.Printf("listening on %s, pool %d, telemetry %t, async %q", srv.Addr, pool, telemetryOn, async)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(srv.Shutdown(end), shutdownTelemetry(end))
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}
