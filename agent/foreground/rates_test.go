package foreground

import (
	"testing"
	"time"
)

func TestRatesAreOfTheLastSeconds(t *testing.T) {
	var r rates
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	var down, up int64
	second := func(d, u int64) {
		at = at.Add(time.Second)
		down, up = down+d, up+u
		r.add(at, down, up)
	}
	if d, u := r.perSecond(); d != 0 || u != 0 {
		t.Errorf("without samples: %d, %d", d, u)
	}
	second(1000, 10)
	if d, u := r.perSecond(); d != 0 || u != 0 {
		t.Errorf("with one sample: %d, %d", d, u)
	}
	for range 5 {
		second(1000, 10)
	}
	if d, u := r.perSecond(); d != 1000 || u != 10 {
		t.Errorf("steady: %d, %d; not 1000, 10", d, u)
	}
	for range 10 {
		second(0, 0)
	}
	if d, u := r.perSecond(); d != 0 || u != 0 {
		t.Errorf("ten idle seconds later: %d, %d", d, u)
	}
	if n := len(r.samples); n > 11 {
		t.Errorf("%d samples are kept for ten seconds", n)
	}
	down, up = 0, 0
	second(500, 5)
	if d, u := r.perSecond(); d != 0 || u != 0 {
		t.Errorf("after the counters started over: %d, %d", d, u)
	}
}
