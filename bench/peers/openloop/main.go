// A load generator with unique orders, closed or open loop. The last line of its output is JSON.
//
//	openloop -url http://127.0.0.1:8080/api/v1/inventory/deduct -connections 1000 -rate 5000 -seconds 10
//
// Open loop (-rate): order i is due at start + i/rate, whatever the server does, and its latency counts from that
// moment. A server that stalls therefore delays every order that was due meanwhile (no coordinated omission).
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

type options struct {
	target      *url.URL
	connections int
	rate        float64
	duration    time.Duration
	requests    int64
	skus        int
	retryPct    int
	batch       int
	attempt     bool
	run         string
	grace       time.Duration
	timeout     time.Duration
}

func main() {
	var o options
	target := flag.String("url", "", "address of the orders")
	seconds := flag.Float64("seconds", 5, "how long orders are sent; ignored with -requests and no -rate")
	flag.IntVar(&o.connections, "connections", 64, "connections, each with one order under way")
	flag.Float64Var(&o.rate, "rate", 0, "orders a second, open loop; 0 = closed loop")
	flag.Int64Var(&o.requests, "requests", 0, "number of orders; 0 = as many as the time allows")
	flag.IntVar(&o.skus, "skus", 100, "SKU_1 to SKU_n")
	flag.IntVar(&o.retryPct, "retries", 0, "percentage of requests that repeat an earlier order")
	flag.IntVar(&o.batch, "batch", 0, "orders in one request, for the batch endpoint; 0 = one order, not a batch")
	flag.BoolVar(&o.attempt, "attempt", false, "send Order-Attempt: 1")
	flag.StringVar(&o.run, "run", "", "prefix of order and user ids; must be new in each run")
	grace := flag.Float64("grace", 10, "seconds after the end in which due orders are still sent")
	timeout := flag.Float64("timeout", 5, "seconds until an order without an answer has failed")
	accepted := flag.String("accepted", "", "file for the ids of accepted orders, one a line")
	history := flag.String("history", "", "file for every order and its answer, one JSON object a line")
	flag.Parse()

	var err error
	if o.target, err = url.Parse(*target); err != nil || o.target.Host == "" || o.run == "" {
		log.Fatal("-url and -run are required")
	}
	o.duration = time.Duration(*seconds * float64(time.Second))
	o.grace = time.Duration(*grace * float64(time.Second))
	o.timeout = time.Duration(*timeout * float64(time.Second))
	report := send(o, *accepted, *history)
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		log.Fatal(err)
	}
}

// total is the number of orders that are offered; 0 = until the time is over.
func (o *options) total() int64 {
	if o.requests > 0 {
		return o.requests
	}
	return int64(o.rate * o.duration.Seconds())
}

func send(o options, acceptedFile, historyFile string) report {
	ids, history := createLineFile(acceptedFile), createLineFile(historyFile)
	defer ids.close()
	defer history.close()
	clients := make([]*client, o.connections)
	for i := range clients {
		clients[i] = newClient(&o, i, ids, history)
	}
	connectAll(clients)

	var next atomic.Int64
	var wait sync.WaitGroup
	start := time.Now()
	for _, c := range clients {
		wait.Go(func() { c.work(start, &next) })
	}
	wait.Wait()
	sum := newTally()
	for _, c := range clients {
		c.disconnect()
		sum.add(c.tally)
	}
	return sum.report(time.Since(start), &o)
}

// connectAll opens the connections before the time starts, 64 at a time: a listener's queue is short.
func connectAll(clients []*client) {
	var wait sync.WaitGroup
	slots := make(chan struct{}, 64)
	for _, c := range clients {
		slots <- struct{}{}
		wait.Go(func() {
			c.connect()
			<-slots
		})
	}
	wait.Wait()
}
