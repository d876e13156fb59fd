package govern

import (
	"net/netip"
	"slices"
	"time"
)

// probeSense weighs what a probe to a hop beyond the line says of the queue against what our own connections say.
//
// If few peers are busy, the queue that all of them share may be at their end. A hop beyond our line that answers
// without delay then tells that ours has none. But a hop on our side of the queue never shows a delay, and must not
// hide one.
type probeSense struct {
	from    vantage
	trusted bool          // from there, it has shown the queue that TCP showed
	delayed bool          // TCP shows a delay
	lasts   time.Duration // since the delay was first seen

	now     time.Duration               // the lengths of all ticks together
	past    [probePast]tcpDelay         // at the last ticks, newest first
	asked   time.Duration               // when the newest question was
	foreign [probeForeign]time.Duration // what of TCP's delay was not the line's when the last questions were asked
	next    int                         // of foreign
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
	// probeFresh is for how long after it was asked an answer counts: there is a question a second, and one may be
	// lost.
	probeFresh = 2500 * time.Millisecond
	// probePast is how many ticks are remembered: for longer than an answer is fresh.
	probePast = 12
	// probeForeign is the number of questions of which it is remembered how much of TCP's delay was not the line's, and
	// foreignGrows the factor by which that may grow until the next one. A peer's queue goes up and down in seconds.
	probeForeign = 10
	foreignGrows = 1.5
)

// delay returns by how much longer than without a queue packets take, and reports whether that is known.
func (p *probeSense) delay(s Sample, router bool) (delay time.Duration, known bool) {
	tcp, probe := s.Wire.Delay, s.Around.Probe
	if from := (vantage{s.Around.Interface, router, s.Around.ProbeHop}); from != p.from {
		p.from, p.trusted, p.foreign = from, false, [probeForeign]time.Duration{}
	}
	dt := min(max(s.DT, 0), longestTick)
	p.now += dt
	copy(p.past[1:], p.past[:])
	p.past[0] = tcpDelay{p.now, 0}
	if s.Wire.Known {
		p.past[0].delay = min(max(tcp, 0), time.Minute)
	}
	before := p.delayed
	p.delayed = s.Wire.Known && milliseconds(tcp) >= delaySmall
	if p.delayed && before {
		p.lasts += dt
	} else {
		p.lasts = 0 // it began at some time since the last tick
	}
	if !s.Around.Probed || s.Around.ProbeAge < 0 || s.Around.ProbeAge > probeFresh {
		return tcp, s.Wire.Known
	}
	// What TCP says counts at once. A probe may object if it was asked after that began, and to no more than there was
	// then.
	meanwhile := s.Around.ProbeAge < p.lasts
	if meanwhile && milliseconds(tcp) >= probeSees && milliseconds(probe) >= probeSees {
		p.trusted = true
	}
	switch {
	case !p.trusted:
		return tcp, s.Wire.Known
	case !s.Wire.Known:
		return probe, true
	case meanwhile:
		return min(tcp, max(probe, tcp-p.excuse(s.Around.ProbeAge, probe))), true
	}
	return tcp, true
}

// tcpDelay is what TCP showed at a tick.
type tcpDelay struct{ at, delay time.Duration }

// excuse returns how much of TCP's delay may be a peer's own, as it was lately when the probe showed no such delay.
// What is beyond that has come since the question, and is believed at once.
func (p *probeSense) excuse(age, probe time.Duration) time.Duration {
	if asked := p.now - age; asked-p.asked > Tick/2 {
		p.asked = asked
		for _, then := range p.past {
			if then.at <= asked {
				p.foreign[p.next%probeForeign] = max(then.delay-probe, 0)
				p.next++
				break
			}
		}
	}
	return time.Duration(foreignGrows * float64(slices.Max(p.foreign[:])))
}
