//go:build linux

package netlab

import (
	"fmt"
	"strconv"
	"time"
)

// Line is the household's line to its ISP. Rates are in bytes per second, and count Ethernet headers, as interface
// counters do.
type Line struct {
	Up, Down int64
	Buffer   time.Duration // what each direction may queue, at its rate
	// Burst is how many bytes may pass at once after a pause, as through a token bucket; 0: each packet takes its time,
	// as in a modem.
	Burst int64
}

// MBit is 1 Mbit/s in bytes per second.
const MBit = 1_000_000 / 8

// HomeLine is the line of the figures: 10 Mbit/s up, 50 Mbit/s down, and the deep buffers that are found there.
func HomeLine() Line { return Line{Up: 10 * MBit, Down: 50 * MBit, Buffer: 500 * time.Millisecond} }

const (
	mtu   = 1500
	frame = mtu + 14
	// lateness is what the kernel's timers may be late without a loss, in time: a bucket of one frame alone would lose
	// a part of its rate.
	lateness = 200 * time.Microsecond
)

// bucket is the arguments of a tbf that is this direction of the line.
func (l Line) bucket(rate int64) []string {
	burst := max(l.Burst, frame+int64(float64(rate)*lateness.Seconds()))
	limit := max(2*frame, int64(float64(rate)*l.Buffer.Seconds()))
	return []string{"tbf", "rate", strconv.FormatInt(rate, 10) + "bps", // bps is bytes per second to tc
		"burst", strconv.FormatInt(burst, 10), "limit", strconv.FormatInt(limit, 10)}
}

// SetLine changes the line. What is queued stays queued.
func (w *World) SetLine(l Line) error {
	for _, s := range w.shapers() {
		rate := l.Up
		if s.down {
			rate = l.Down
		}
		if err := s.at.tc(append([]string{"qdisc", "replace", "dev", s.dev, "root", "handle", "1:"}, l.bucket(rate)...)...); err != nil {
			return fmt.Errorf("setting the line's rate: %w", err)
		}
	}
	w.line = l
	return nil
}

// SetPath changes delay, jitter and loss for packets that come from now on.
func (w *World) SetPath(p Path) error { return w.link.order(p) }

// shaper is a place where packets queue for the line.
type shaper struct {
	at   *Host
	dev  string
	down bool
}

func (w *World) shapers() []shaper {
	s := []shaper{{w.ISP, custDev(0), true}, {w.ISP, custDev(1), true}}
	if w.bufferBeyondRouter {
		return append(s, shaper{w.ISP, linkDev, false})
	}
	return append(s, shaper{w.Router, wanDev(0), false}, shaper{w.Router, wanDev(1), false})
}
