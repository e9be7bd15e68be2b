package main

import (
	"math/bits"
	"strconv"
	"time"
)

// A latency falls into a bucket of at most 1/64 of its size: 6 bits after the first.
const precisionBits = 6

type tally struct {
	counts  map[uint32]int64
	max     time.Duration
	results map[string]int64
	fails   map[string]int64
	unsent  int64
	// timeline counts accepted orders by tenth of a second since the start.
	timeline []int64
}

type report struct {
	Requests int64              `json:"requests"`
	Seconds  float64            `json:"seconds"`
	Offered  int64              `json:"offered"`
	Unsent   int64              `json:"unsent"`
	Accepted int64              `json:"accepted"`
	Not2xx   int64              `json:"not2xx"`
	Failed   int64              `json:"failed"`
	Ms       map[string]float64 `json:"ms"`
	Results  map[string]int64   `json:"results"`
	Failures map[string]int64   `json:"failures"`
	Timeline []int64            `json:"timeline"`
}

func newTally() *tally {
	return &tally{counts: map[uint32]int64{}, results: map[string]int64{}, fails: map[string]int64{}}
}

func bucketOf(us uint64) uint32 {
	if us < 1<<precisionBits {
		return uint32(us)
	}
	shift := bits.Len64(us) - precisionBits - 1
	return uint32(shift+1)<<precisionBits + uint32(us>>shift) - 1<<precisionBits
}

// upperUs is the largest latency of a bucket, µs.
func upperUs(bucket uint32) uint64 {
	if bucket < 1<<precisionBits {
		return uint64(bucket)
	}
	shift := bucket>>precisionBits - 1
	mantissa := uint64(bucket&(1<<precisionBits-1)) + 1<<precisionBits
	return (mantissa+1)<<shift - 1
}

func (t *tally) took(latency time.Duration) {
	t.counts[bucketOf(uint64(max(0, latency.Microseconds())))]++
	t.max = max(t.max, latency)
}

func (t *tally) answered(result string, latency time.Duration) {
	t.results[result]++
	t.took(latency)
}

func (t *tally) acceptedAt(since time.Duration) {
	for tenth := int(since / (100 * time.Millisecond)); len(t.timeline) <= tenth; {
		t.timeline = append(t.timeline, 0)
	}
	t.timeline[since/(100*time.Millisecond)]++
}

func (t *tally) failed(kind string, latency time.Duration) {
	t.fails[kind]++
	t.took(latency)
}

func (t *tally) add(other *tally) {
	for bucket, n := range other.counts {
		t.counts[bucket] += n
	}
	for result, n := range other.results {
		t.results[result] += n
	}
	for kind, n := range other.fails {
		t.fails[kind] += n
	}
	for tenth, n := range other.timeline {
		for len(t.timeline) <= tenth {
			t.timeline = append(t.timeline, 0)
		}
		t.timeline[tenth] += n
	}
	t.max = max(t.max, other.max)
	t.unsent += other.unsent
}

// percentileMs is the latency that so many percent of the orders did not exceed.
func (t *tally) percentileMs(percent float64) float64 {
	var all int64
	top := uint32(0)
	for bucket, n := range t.counts {
		all += n
		top = max(top, bucket)
	}
	wanted := int64(percent/100*float64(all) + 0.999999)
	var seen int64
	for bucket := uint32(0); bucket <= top; bucket++ {
		if seen += t.counts[bucket]; seen >= wanted && seen > 0 {
			return min(float64(upperUs(bucket)), float64(t.max.Microseconds())) / 1000
		}
	}
	return float64(t.max.Microseconds()) / 1000
}

func (t *tally) report(took time.Duration, o *options) report {
	r := report{
		Seconds:  took.Seconds(),
		Unsent:   t.unsent,
		Accepted: t.results["accepted"],
		Ms:       map[string]float64{},
		Results:  t.results,
		Failures: t.fails,
		Timeline: t.timeline,
	}
	for result, n := range t.results {
		if result != "accepted" || t.results["batch"] == 0 { // orders of batches are no answers of their own
			r.Requests += n
		}
		if result != "accepted" && result != "replayed" && result != "batch" && result[0] != '2' {
			r.Not2xx += n
		}
	}
	for _, n := range t.fails {
		r.Failed += n
	}
	if r.Offered = o.total(); r.Offered == 0 {
		r.Offered = r.Requests + r.Failed
	}
	for _, p := range []float64{50, 75, 90, 95, 99, 99.9, 100} {
		r.Ms[strconv.FormatFloat(p, 'g', -1, 64)] = t.percentileMs(p)
	}
	return r
}
