package govern

import (
	"math"
	"net/netip"
	"slices"
	"time"
)

// probeSense weighs what a probe to a hop beyond the line says of the queue against what our own connections say.
//
// If few peers are busy, the queue that all of them share may be at their end. A hop beyond our line that answers
// without delay then tells that ours has none. And if somebody in front of the queue acknowledges for the peers, the
// hop tells that there is one. But a hop on our side of the queue never shows a delay, and must not hide one. All is in
// milliseconds, and above what is usual of either.
type probeSense struct {
	from    vantage
	trusted bool          // from there, it has shown the queue that TCP showed, twice
	shown   int           // answers in a row that have
	lasts   time.Duration // since TCP's delay was first seen
	delayed bool

	calm    calm                  // what is usual of the answers
	now     time.Duration         // the lengths of all ticks together
	past    [probePast]tcpDelay   // at the last ticks, newest first
	asked   time.Duration         // when the newest question was
	answers [2]float64            // the newest and the one before
	foreign [probeForeign]float64 // what of TCP's delay was not the line's when the last questions were asked
	next    int                   // of foreign
}

// vantage is where a probe is sent from and where to.
type vantage struct {
	link   string
	router bool
	hop    netip.Addr
}

const (
	// probeFresh is for how long after it was asked an answer counts: there is a question a second, and one may be
	// lost.
	probeFresh = 2500 * time.Millisecond
	probeEach  = 1.0 // seconds
	// probePast is how many ticks are remembered: for longer than an answer is fresh.
	probePast = 12
	// probeForeign is the number of questions of which it is remembered how much of TCP's delay was not the line's, and
	// foreignGrows the factor by which that may grow until the next one. A peer's queue goes up and down in seconds.
	probeForeign = 10
	foreignGrows = 1.5
	// probeProven is how many answers in a row must show TCP's queue, and probeShare how much of it at least.
	probeProven = 2
	probeShare  = 0.5
)

// delay returns how much longer than usual packets take, and reports whether that is known. Bound is what counts as a
// queue of TCP's.
func (p *probeSense) delay(s Sample, tcp, bound float64, measured, router bool) (delay float64, known bool) {
	if from := (vantage{s.Around.Interface, router, s.Around.ProbeHop}); from != p.from {
		*p = probeSense{from: from, now: p.now, past: p.past, lasts: p.lasts, delayed: p.delayed}
	}
	dt := min(max(s.DT, 0), longestTick)
	p.now += dt
	copy(p.past[1:], p.past[:])
	p.past[0] = tcpDelay{p.now, 0}
	if measured {
		p.past[0].delay = max(tcp, 0)
	}
	before := p.delayed
	p.delayed = measured && tcp >= bound
	if p.delayed && before {
		p.lasts += dt
	} else {
		p.lasts = 0 // it began at some time since the last tick
	}
	if !s.Around.Probed || s.Around.ProbeAge < 0 || s.Around.ProbeAge > probeFresh {
		return tcp, measured
	}
	asked := p.now - s.Around.ProbeAge
	fresh := asked-p.asked > Tick/2
	if fresh {
		p.hears(milliseconds(s.Around.Probe))
	}
	probe := p.calm.above(milliseconds(s.Around.Probe))
	meanwhile := s.Around.ProbeAge < p.lasts
	if fresh {
		p.hear(asked, probe)
		switch {
		case !meanwhile:
		case probe >= max(probeShare*tcp, p.calm.bound(mostRate, 1)):
			if p.shown++; p.shown >= probeProven {
				p.trusted = true
			}
		default:
			p.shown = 0
		}
	}
	// What TCP says counts at once. A probe may object if it was asked after that began, and to no more than there was
	// then; and it may say that there is more, if it says so twice.
	switch {
	case !p.trusted:
		return tcp, measured
	case !measured:
		return probe, true
	case meanwhile && probe < tcp:
		return max(probe, tcp-foreignGrows*slices.Max(p.foreign[:])), true
	}
	return max(tcp, min(p.answers[0], p.answers[1])-p.calm.bound(mostRate, 1)), true
}

// tcpDelay is what TCP showed at a tick.
type tcpDelay struct {
	at    time.Duration
	delay float64
}

// hear takes an answer, and notes how much of TCP's delay may be a peer's own, as it was when the probe showed no such
// delay. What is beyond that has come since the question, and is believed at once.
func (p *probeSense) hear(asked time.Duration, probe float64) {
	p.asked = asked
	p.answers[1], p.answers[0] = p.answers[0], probe
	for _, then := range p.past {
		if then.at <= asked {
			p.foreign[p.next%probeForeign] = max(then.delay-probe, 0)
			p.next++
			break
		}
	}
}

// hears takes a new answer.
func (p *probeSense) hears(delay float64) {
	p.calm.hear(math.Abs(delay-p.calm.last), probeEach)
	p.calm.see(delay, probeEach)
}

// usual takes it that there is no queue.
func (p *probeSense) usual(around Surroundings, dt float64) {
	if around.Probed && around.ProbeAge >= 0 && around.ProbeAge <= probeFresh {
		p.calm.learn(milliseconds(around.Probe), dt, false)
	}
}
