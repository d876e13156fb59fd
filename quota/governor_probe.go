package quota

import (
	"net/netip"
	"time"
)

// probeSense weighs what a probe to a hop beyond the line says of the queue against what our own connections say.
//
// If few peers are busy, the queue that all of them share may be at their end. A hop beyond our line that answers without
// delay then tells that ours has none. But a hop on our side of the queue never shows a delay, and must not hide one.
type probeSense struct {
	from    vantage
	trusted bool          // from there, it has shown the queue that TCP showed
	delayed bool          // TCP shows a delay
	lasts   time.Duration // since it was seen first
}

// vantage is where a probe is sent from and where to.
type vantage struct {
	link   string
	router bool
	hop    netip.Addr
}

const (
	// probeSees is the delay in ms that TCP and a probe must show at the same time for the probe to be trusted.
	probeSees = 12.0
	// probeFresh is for how long after it was asked an answer counts: there is a question a second, and one may be lost.
	probeFresh = 2500 * time.Millisecond
)

// delay returns by how much longer than without a queue packets take, and whether that is known.
func (p *probeSense) delay(s sample, router bool) (delay time.Duration, known bool) {
	tcp, probe := s.wire.Delay, s.around.Probe
	if from := (vantage{s.around.Interface, router, s.around.ProbeHop}); from != p.from {
		p.from, p.trusted = from, false
	}
	before := p.delayed
	p.delayed = s.wire.Known && milliseconds(tcp) >= delaySmall
	if p.delayed && before {
		p.lasts += min(max(s.dt, 0), longestTick)
	} else {
		p.lasts = 0 // it began at some time since the last tick
	}
	if !s.around.Probed || s.around.ProbeAge < 0 || s.around.ProbeAge > probeFresh {
		return tcp, s.wire.Known
	}
	// What TCP says counts at once. A probe may object if it was asked after that began.
	meanwhile := s.around.ProbeAge < p.lasts
	if meanwhile && milliseconds(tcp) >= probeSees && milliseconds(probe) >= probeSees {
		p.trusted = true
	}
	switch {
	case !p.trusted:
		return tcp, s.wire.Known
	case !s.wire.Known:
		return probe, true
	case meanwhile:
		return min(tcp, probe), true
	}
	return tcp, true
}
