package line

import (
	"time"

	"ebb/platform"
)

// flow is what passed between two readings of the counters.
type flow struct {
	received, sent uint64        // bytes
	over           time.Duration // positive
	down, up       float64       // bytes per second, no more than the meter's limit
}

// meter turns readings of the counters of an interface into rates. It has no clock. The zero value is ready.
type meter struct {
	// limit is the most that the interface could carry each way, in bytes per second; 0 if that is not known.
	limit int64

	at   time.Time // zero: no reading yet
	last platform.Traffic
}

const (
	// meterShortest is the least time between readings that says something: a full packet on a 10 Mbit/s line takes 1
	// ms.
	meterShortest = 20 * time.Millisecond
	// meterLongest is the most: a mean over more does not say what passes now, and a clock may have jumped.
	meterLongest = 10 * time.Second
	// meterLump is how much traffic a driver may add to its counters at once: some ask their hardware every other
	// second.
	meterLump = 2 * time.Second
	// meterFastest is the limit of an interface that does not tell its speed: 10 Gbit/s, the fastest line for a home.
	meterFastest = 10_000_000_000 / 8
)

// add takes a reading. It returns what passed since the last one, and false if the two cannot be compared: it is the
// first, another interface's, or too close to the last (which then stays the last) or too far from it; or the counters
// were reset.
func (m *meter) add(at time.Time, now platform.Traffic) (flow, bool) {
	over := at.Sub(m.at)
	if !m.at.IsZero() && over > 0 && over < meterShortest && now.Index == m.last.Index {
		return flow{}, false
	}
	last, first := m.last, m.at.IsZero()
	m.at, m.last = at, now
	if first || over <= 0 || over > meterLongest || now.Index != last.Index {
		return flow{}, false
	}
	limit := m.limit
	if limit <= 0 {
		limit = meterFastest
	}
	most := uint64(float64(limit) * (over + meterLump).Seconds())
	received, ok1 := passed(last.Received, now.Received, most)
	sent, ok2 := passed(last.Sent, now.Sent, most)
	if !ok1 || !ok2 {
		return flow{}, false
	}
	return flow{
		received: received, sent: sent, over: over,
		down: min(float64(received)/over.Seconds(), float64(limit)),
		up:   min(float64(sent)/over.Seconds(), float64(limit)),
	}, true
}

// passed returns the difference of two values of a counter, false if it is more than most: then the counter was set.
// One that fell has wrapped at 2³² if that gives a plausible difference, and was reset otherwise.
func passed(before, after, most uint64) (uint64, bool) {
	difference := after - before
	if after < before {
		if before >= 1<<32 {
			return 0, false
		}
		difference += 1 << 32
	}
	return difference, difference <= most
}
