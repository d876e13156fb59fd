package netlab

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Ping is what round trips were over some time.
type Ping struct {
	P50, P95, Max time.Duration // of those that came back
	Asked         int
	Lost          float64 // share, 0 to 1
}

// quantile is the smallest value that at least the share q of all values do not exceed; the zero value if there are
// none. It sorts the values.
func quantile[T cmp.Ordered](values []T, q float64) (value T) {
	if len(values) == 0 {
		return value
	}
	slices.Sort(values)
	rank := int(math.Ceil(q * float64(len(values)))) // from 1
	return values[min(max(rank, 1), len(values))-1]
}

// pingBetween sums up the samples that were sent from from on, before to.
func pingBetween(samples []Sample, from, to time.Time) Ping {
	var p Ping
	var rtts []time.Duration
	for _, s := range samples {
		if s.Sent.Before(from) || !s.Sent.Before(to) {
			continue
		}
		p.Asked++
		if s.RTT > 0 {
			rtts = append(rtts, s.RTT)
		}
	}
	if p.Asked == 0 {
		return p
	}
	p.P50, p.P95, p.Max = quantile(rtts, 0.5), quantile(rtts, 0.95), quantile(rtts, 1)
	p.Lost = 1 - float64(len(rtts))/float64(p.Asked)
	return p
}

// firstCalm is the beginning of the first second, from from on, in which no round trip took longer than most and none
// was lost.
func firstCalm(samples []Sample, from time.Time, most time.Duration) (time.Time, bool) {
	calm := from
	for _, s := range samples {
		switch {
		case s.Sent.Before(from):
		case s.RTT == 0 || s.RTT > most:
			calm = s.Sent.Add(1)
		case s.Sent.Sub(calm) >= time.Second:
			return calm, true
		}
	}
	return time.Time{}, false
}
