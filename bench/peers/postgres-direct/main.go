// the same endpoint without Redis, one Postgres transaction per request.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed schema.sql
var schema string

const (
	seedStock   = `INSERT INTO stock SELECT 'SKU_' || g, $2::bigint FROM generate_series(1, $1::int) AS g ON CONFLICT (sku) DO NOTHING`
	insertOrder = `INSERT INTO orders (order_id, sku, user_id, amount) VALUES ($1, $2, $3, $4)`
	takeStock   = `UPDATE stock SET available = available - $2 WHERE sku = $1 AND available >= $2 RETURNING available`
	readStock   = `SELECT available FROM stock WHERE sku = $1`

	uniqueViolation = "23505"
)

type request struct {
	SKU     string
	UserID  string
	OrderID string
	Amount  int64
}

type reply struct {
	Success  bool   `json:"success"`
	NewStock *int64 `json:"new_stock,omitempty"`
	Message  string `json:"message"`
}

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := prepare(ctx, pool); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/inventory/deduct", func(w http.ResponseWriter, r *http.Request) {
		var req request
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&req)
		if err != nil || req.SKU == "" || req.UserID == "" || req.OrderID == "" || req.Amount <= 0 {
			write(w, http.StatusBadRequest, map[string]string{"error": "invalid request"})
			return
		}
		out, err := deduct(r.Context(), pool, &req)
		if r.Context().Err() != nil {
			return // the client is gone: what was not committed is rolled back
		}
		if err != nil {
			log.Print(err)
			write(w, http.StatusInternalServerError, map[string]string{"error": "deduction failed"})
			return
		}
		write(w, http.StatusOK, out)
	})

	srv := &http.Server{Addr: "127.0.0.1:" + env("PORT", "8080"), Handler: mux}
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	log.Printf("listening on %s, pool %d", srv.Addr, pool.Config().MaxConns)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return srv.Shutdown(end)
}

// prepare makes the tables and adds the SKUs that are missing; stock already there is left as it is.
func prepare(ctx context.Context, pool *pgxpool.Pool) error {
	skus, err := strconv.Atoi(env("SKUS", "100"))
	if err != nil {
		return fmt.Errorf("SKUS: %w", err)
	}
	stock, err := strconv.ParseInt(env("STOCK", "1000000000"), 10, 64)
	if err != nil {
		return fmt.Errorf("STOCK: %w", err)
	}
	if _, err := pool.Exec(ctx, schema); err != nil {
		return err
	}
	_, err = pool.Exec(ctx, seedStock, skus, stock)
	return err
}

// deduct is one transaction: the order first, so that the hot stock row is locked as late as possible. Both statements
// go out in one round trip; nothing is kept unless both succeed.
func deduct(ctx context.Context, pool *pgxpool.Pool, req *request) (*reply, error) {
	tx, err := pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(ctx) // nothing to do after a commit

	var left int64
	batch := &pgx.Batch{}
	batch.Queue(insertOrder, req.OrderID, req.SKU, req.UserID, req.Amount)
	batch.Queue(takeStock, req.SKU, req.Amount).QueryRow(func(row pgx.Row) error { return row.Scan(&left) })
	err = tx.SendBatch(ctx, batch).Close()

	var pgErr *pgconn.PgError
	switch {
	case errors.As(err, &pgErr) && pgErr.Code == uniqueViolation:
		return &reply{Message: "duplicate order"}, nil
	case errors.Is(err, pgx.ErrNoRows):
		return refuse(ctx, tx, req)
	case err != nil:
		return nil, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, err
	}
	return &reply{Success: true, NewStock: &left, Message: "success"}, nil
}

// refuse says why no stock was taken; the transaction is rolled back by the caller.
func refuse(ctx context.Context, tx pgx.Tx, req *request) (*reply, error) {
	var current int64
	err := tx.QueryRow(ctx, readStock, req.SKU).Scan(&current)
	if errors.Is(err, pgx.ErrNoRows) {
		return &reply{Message: "stock not found"}, nil
	}
	if err != nil {
		return nil, err
	}
	return &reply{Message: fmt.Sprintf("insufficient stock, current: %d", current)}, nil
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}
