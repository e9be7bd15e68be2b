package main

import (
	"testing"
	"time"
)

func TestBucketsAreExactToOneInSixtyFour(t *testing.T) {
	for us := uint64(0); us < 5_000_000; us += 1 + us/97 {
		upper := upperUs(bucketOf(us))
		if upper < us || float64(upper-us) > float64(us)/64 {
			t.Fatalf("%d µs is reported as %d", us, upper)
		}
	}
}

func TestPercentilesOfAThousand(t *testing.T) {
	sum := newTally()
	for i := 1; i <= 1000; i++ {
		sum.answered("accepted", time.Duration(i)*time.Millisecond)
	}
	for percent, ms := range map[float64]float64{50: 500, 99: 990, 99.9: 999, 100: 1000} {
		if got := sum.percentileMs(percent); got < ms || got > ms*1.02 {
			t.Errorf("p%g is %g ms, not %g", percent, got, ms)
		}
	}
}

func TestReasons(t *testing.T) {
	for body, want := range map[string]string{
		`{"success":true,"new_stock":3}`:                                "accepted",
		`{"success":false,"message":"insufficient stock, current: 0"}`:  "200 insufficient stock",
		`{"success":false,"message":"insufficient stock (from cache)"}`: "200 insufficient stock",
		`{"type":"x","code":"insufficient_stock","detail":"sold out"}`:  "200 insufficient_stock",
	} {
		if got := resultOf(200, []byte(body)); got != want {
			t.Errorf("%s is %q, not %q", body, got, want)
		}
	}
}
