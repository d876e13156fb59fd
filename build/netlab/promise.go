//go:build linux

package netlab

import (
	"fmt"
	"math"
	"time"
)

// promise is what ebb promises of a scenario in a position. What it says nothing of is 0.
type promise struct {
	ping           time.Duration // AddedPing is at most
	used           float64       // of the line, at least
	lost           float64       // of the flow's speed, at most: 1 - Share
	yield, recover time.Duration // at most
}

// promises are those of a line of 10/50 Mbit/s with buffers of 500 ms, and of flows of 30 s. A call of 2 Mbit/s leaves
// room for more than half of the rest.
var promises = map[Position]map[string]promise{
	OnRouter: {
		Silence().Name:                       {ping: 10 * time.Millisecond, used: 0.85},
		Competing(Bulk{}).Name:               {ping: 5 * time.Millisecond, lost: 0.02, yield: time.Second, recover: 15 * time.Second},
		Competing(Bulk{Download: true}).Name: {lost: 0.02},
		Competing(VideoCall()).Name:          {used: 0.4},
	},
	BehindIt: {
		Silence().Name:                       {ping: 15 * time.Millisecond, used: 0.80},
		Competing(Bulk{}).Name:               {ping: 10 * time.Millisecond, lost: 0.04, yield: 3 * time.Second, recover: 20 * time.Second},
		Competing(Bulk{Download: true}).Name: {lost: 0.04},
		Competing(VideoCall()).Name:          {used: 0.4},
	},
}

// Noisy is by how much a machine's noise may make a figure miss what is promised, where it is measured once.
const Noisy = 1.0 / 3

// Missed says which of ebb's promises the figures do not keep, even if they were better by a part. Not all figures are
// promised, and none of other subjects.
func (f Figures) Missed(by float64) (missed []string) {
	if !f.Ebb {
		return nil
	}
	return f.missed(promises[f.Position][f.Scenario], by)
}

// missed says which of these promises are not kept.
func (f Figures) missed(p promise, by float64) (missed []string) {
	miss := func(format string, args ...any) {
		missed = append(missed, fmt.Sprintf("%s, %s, %s: ", f.Subject, f.Position, f.Scenario)+fmt.Sprintf(format, args...))
	}
	atMost := func(what string, got, most time.Duration) {
		switch {
		case most == 0 || got != Unknown && got <= time.Duration(float64(most)*(1+by)):
		case got == Unknown || got == Never:
			miss("%s: never seen, promised are %v", what, most)
		default:
			miss("%s %v, promised are %v", what, got.Round(100*time.Microsecond), most)
		}
	}
	atMost("the ping rises by", f.AddedPing, p.ping)
	atMost("gives way after", f.Yield, p.yield)
	atMost("is back after", f.Recover, p.recover)
	if p.used > 0 && !(f.Used >= p.used*(1-by)) {
		miss("uses %s of the line, promised are %s", percent(f.Used), percent(p.used))
	}
	if lost := 1 - f.Share; p.lost > 0 && (math.IsNaN(lost) || lost > p.lost*(1+by)) {
		miss("the flow loses %s of its speed, promised are %s", percent(lost), percent(p.lost))
	}
	return missed
}
