package main

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

type cacheItem struct {
	value   int64
	expires time.Time
}

// LocalCache remembers the last stock seen for a SKU: one map under one lock.
type LocalCache struct {
	mu       sync.RWMutex
	items    map[string]*cacheItem
	capacity int
	ttl      time.Duration
}

func NewLocalCache(capacity int, ttl time.Duration) *LocalCache {
	c := &LocalCache{items: make(map[string]*cacheItem, capacity), capacity: capacity, ttl: ttl}
	go c.sweep()
	return c
}

func (c *LocalCache) Get(key string) (int64, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	item, ok := c.items[key]
	if !ok || time.Now().After(item.expires) {
		if telemetryOn {
			cacheMissCounter.Add(context.Background(), 1)
		}
		return 0, false
	}
	if telemetryOn {
		cacheHitCounter.Add(context.Background(), 1, metric.WithAttributes(attribute.String("key", key)))
	}
	return item.value, true
}

func (c *LocalCache) Set(key string, value int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.items) >= c.capacity { // full: drop whichever item comes first, even when key is already held
		for k := range c.items {
			delete(c.items, k)
			break
		}
	}
	c.items[key] = &cacheItem{value: value, expires: time.Now().Add(c.ttl)}
}

func (c *LocalCache) sweep() {
	for now := range time.Tick(c.ttl) {
		c.mu.Lock()
		for k, item := range c.items {
			if now.After(item.expires) {
				delete(c.items, k)
			}
		}
		c.mu.Unlock()
	}
}
