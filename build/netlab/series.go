package netlab

import (
	"sort"
	"time"
)

// Series is a counter of bytes, read again and again. Between two readings it grows evenly.
type Series struct {
	at    []time.Time
	bytes []int64
}

// add appends a reading. It must not be earlier than the last one.
func (s *Series) add(at time.Time, bytes int64) {
	s.at, s.bytes = append(s.at, at), append(s.bytes, bytes)
}

// value is the counter at a time: that of the first or last reading beyond them.
func (s Series) value(at time.Time) float64 {
	i := sort.Search(len(s.at), func(i int) bool { return s.at[i].After(at) })
	switch {
	case len(s.at) == 0:
		return 0
	case i == 0:
		return float64(s.bytes[0])
	case i == len(s.at):
		return float64(s.bytes[i-1])
	}
	part := float64(at.Sub(s.at[i-1])) / float64(s.at[i].Sub(s.at[i-1]))
	return float64(s.bytes[i-1]) + part*float64(s.bytes[i]-s.bytes[i-1])
}

// Rate is the mean rate between two times, in bytes per second.
func (s Series) Rate(from, to time.Time) float64 {
	if !to.After(from) {
		return 0
	}
	return (s.value(to) - s.value(from)) / to.Sub(from).Seconds()
}

// plus is the sum of two counters that were read at the same times.
func (s Series) plus(o Series) Series {
	if len(s.at) == 0 {
		return o
	}
	sum := Series{at: s.at, bytes: make([]int64, len(s.at))}
	for i := range s.bytes {
		sum.bytes[i] = s.bytes[i] + o.bytes[i]
	}
	return sum
}

// steady is how long a rate must last to count as reached.
const steady = time.Second

// firstBelow is the beginning of the first second, from from on, in which the rate is below a limit.
func (s Series) firstBelow(from time.Time, rate float64) (time.Time, bool) {
	return s.first(from, func(r float64) bool { return r < rate })
}

// firstAtLeast is the same for a rate that is reached.
func (s Series) firstAtLeast(from time.Time, rate float64) (time.Time, bool) {
	return s.first(from, func(r float64) bool { return r >= rate })
}

func (s Series) first(from time.Time, holds func(rate float64) bool) (time.Time, bool) {
	if len(s.at) == 0 {
		return time.Time{}, false
	}
	last := s.at[len(s.at)-1]
	for at := from; !at.Add(steady).After(last); at = at.Add(sampleEvery / 2) {
		if holds(s.Rate(at, at.Add(steady))) {
			return at, true
		}
	}
	return time.Time{}, false
}

// begins is when the counter first grows faster than a rate between two readings, from from on: the earlier reading.
func (s Series) begins(from time.Time, rate float64) (time.Time, bool) {
	for i := 1; i < len(s.at); i++ {
		if !s.at[i-1].Before(from) && s.Rate(s.at[i-1], s.at[i]) > rate {
			return s.at[i-1], true
		}
	}
	return time.Time{}, false
}

// ends is when the counter last grew faster than that, until to: the later reading.
func (s Series) ends(to time.Time, rate float64) (time.Time, bool) {
	for i := len(s.at) - 1; i > 0; i-- {
		if !s.at[i].After(to) && s.Rate(s.at[i-1], s.at[i]) > rate {
			return s.at[i], true
		}
	}
	return time.Time{}, false
}
