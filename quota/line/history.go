package line

import (
	"slices"
	"time"

	"ebb/quota/line/govern"
)

// Moment is what the line was like for momentTime.
type Moment struct {
	At     time.Time     // its end
	Own    govern.Rates  // of the background, bytes per second on the wire
	Others govern.Rates  // of the rest of the household; 0 where that does not show
	Line   govern.Rates  // what the line was believed to carry at the end
	Queue  time.Duration // the longest that was measured
	Reason string        // at the end
}

const (
	momentTime  = 2 * time.Second
	momentsMost = int(10 * time.Minute / momentTime)
)

// past is the last ten minutes of the line. It has no clock, and may be used by one goroutine at a time. The zero
// value is ready.
type past struct {
	moments [momentsMost]Moment
	next    int // modulo the length; so many have been

	since   time.Duration // how long the sums have been running
	own     govern.Rates  // bytes
	others  govern.Rates
	longest time.Duration
}

// add takes a tick.
func (h *past) add(now time.Time, dt time.Duration, own govern.Rates, d govern.Decision) {
	over := dt.Seconds()
	h.since += dt
	h.own.Up, h.own.Down = h.own.Up+own.Up*over, h.own.Down+own.Down*over
	h.others.Up, h.others.Down = h.others.Up+d.Others.Up*over, h.others.Down+d.Others.Down*over
	if d.Delayed {
		h.longest = max(h.longest, d.Delay)
	}
	if h.since < momentTime {
		return
	}
	mean := func(r govern.Rates) govern.Rates {
		return govern.Rates{Up: r.Up / h.since.Seconds(), Down: r.Down / h.since.Seconds()}
	}
	h.moments[h.next%momentsMost] = Moment{now, mean(h.own), mean(h.others), d.Line, h.longest, d.Reason}
	h.next++
	h.since, h.own, h.others, h.longest = 0, govern.Rates{}, govern.Rates{}, 0
}

// list returns the moments, the oldest first.
func (h *past) list() []Moment {
	if h.next <= momentsMost {
		return slices.Clone(h.moments[:h.next])
	}
	at := h.next % momentsMost
	return slices.Concat(h.moments[at:], h.moments[:at])
}
