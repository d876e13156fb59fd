package netlab

import (
	"math"
	"testing"
	"time"
)

var zero = time.Unix(1000, 0)

// course makes a series with one reading per tenth of a second, at the given rates for so many seconds each.
func course(rateAndSeconds ...float64) Series {
	var s Series
	at, bytes := zero, 0.0
	s.add(at, 0)
	for i := 0; i < len(rateAndSeconds); i += 2 {
		for range int(math.Round(rateAndSeconds[i+1] * 10)) {
			at = at.Add(100 * time.Millisecond)
			bytes += rateAndSeconds[i] / 10
			s.add(at, int64(math.Round(bytes)))
		}
	}
	return s
}

func after(seconds float64) time.Time {
	return zero.Add(time.Duration(math.Round(seconds*1e6)) * time.Microsecond)
}

func TestRate(t *testing.T) {
	s := course(1000, 2, 3000, 2)
	for _, c := range []struct{ from, to, want float64 }{
		{0, 2, 1000}, {2, 4, 3000}, {1, 3, 2000}, {0.05, 0.15, 1000}, {1.95, 2.05, 2000}, {3, 3, 0}, {3, 2, 0}, {4, 6, 0}, {-1, 0, 0},
	} {
		if got := s.Rate(after(c.from), after(c.to)); math.Abs(got-c.want) > 1 {
			t.Errorf("from %v to %v: %v, want %v", c.from, c.to, got, c.want)
		}
	}
	if got := (Series{}).Rate(after(0), after(1)); got != 0 {
		t.Errorf("an empty series: %v", got)
	}
}

func TestPlus(t *testing.T) {
	sum := course(1000, 2).plus(course(500, 1, 0, 1))
	if got := sum.Rate(after(0), after(2)); got != 1250 {
		t.Errorf("%v, want 1250", got)
	}
	if got := (Series{}).plus(sum).Rate(after(0), after(2)); got != 1250 {
		t.Errorf("with nothing: %v, want 1250", got)
	}
}

// A second counts, not a moment: a rate that dips for half a second has not fallen.
func TestFirstBelowAndFirstAtLeast(t *testing.T) {
	s := course(1000, 3, 0, 0.5, 1000, 2, 0, 3, 900, 3)
	at, found := s.firstBelow(after(1), 50)
	if want := 5.45; !found || math.Abs(at.Sub(zero).Seconds()-want) > 0.06 {
		t.Errorf("below 50 from %v (%v), want %v s", at.Sub(zero), found, want)
	}
	at, found = s.firstAtLeast(after(6), 800)
	if want := 8.4; !found || math.Abs(at.Sub(zero).Seconds()-want) > 0.06 {
		t.Errorf("at least 800 from %v (%v), want %v s", at.Sub(zero), found, want)
	}
	if _, found := s.firstAtLeast(after(6), 1000); found {
		t.Error("1000 was reached")
	}
	if _, found := course(1000, 3, 0, 0.9).firstBelow(after(0), 50); found {
		t.Error("the series ends before a whole second is below")
	}
}

func TestBeginsAndEnds(t *testing.T) {
	s := course(10, 2, 1000, 3, 10, 2)
	if at, found := s.begins(after(0.5), 100); !found || !at.Equal(after(2)) {
		t.Errorf("begins at %v", at.Sub(zero))
	}
	if at, found := s.ends(after(6.9), 100); !found || !at.Equal(after(5)) {
		t.Errorf("ends at %v", at.Sub(zero))
	}
	if at, found := s.ends(after(4.05), 100); !found || !at.Equal(after(4)) {
		t.Errorf("ends until 4.05 s at %v", at.Sub(zero))
	}
	if at, found := s.begins(after(2.5), 100); !found || !at.Equal(after(2.5)) {
		t.Errorf("begins from 2.5 s on at %v", at.Sub(zero))
	}
	if _, found := s.begins(after(0), 5000); found {
		t.Error("begins faster than it is")
	}
}
