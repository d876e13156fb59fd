package agent

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"ebb/platform"
	"ebb/quota/line/govern"
	"ebb/webui"
)

const (
	// probeEvery is how often the hop beyond the line is asked: Linux routers answer once a second at most.
	probeEvery = time.Second
	// After probeMisses questions in a row without an answer another hop is looked for, but not before probeRest, which
	// doubles each time up to probeMostRest: some networks answer nothing.
	probeMisses   = 5
	probeRest     = time.Minute
	probeMostRest = time.Hour
	// noQueue is a delay of the line at which it has no queue.
	noQueue = 5 * time.Millisecond
)

// lineProbe asks the first hop beyond the line how long the way there is, while the background is busy. So the governor
// can tell a queue at a peer's end from one of our line.
type lineProbe struct {
	look func() busyLine
	find func(ctx context.Context, peer netip.Addr) (platform.Hop, error)
	ask  func(ctx context.Context, peer netip.Addr, hop int) (platform.Hop, error)
	log  *slog.Logger

	newest  atomic.Pointer[probed] // nil: nothing is known of this line
	silence atomic.Pointer[string] // why nothing was answered, when it was found out last; nil: it was not
}

// busyLine is what has to be known before a question.
type busyLine struct {
	peer  netip.Addr // the background is busy with it; the zero Addr: it is with nobody, or is to be silent
	link  string     // the interface to the internet, "" while there is none
	clear bool       // it is known that the line has no queue
}

// probed is an answer.
type probed struct {
	link  string
	hop   platform.Hop
	delay time.Duration // how much longer than without a queue it took
}

func (a *Agent) newLineProbe() *lineProbe {
	var probe platform.Probe
	return &lineProbe{look: a.lookAtLine, find: probe.FirstWANHop, ask: probe.Hop, log: a.log}
}

func (a *Agent) lookAtLine() busyLine {
	s := a.governor.Status()
	return busyLine{peer: a.governor.BusiestPeer(), link: s.Interface, clear: s.Delayed && s.Delay < noQueue}
}

// course is the way that is probed.
type course struct {
	link   string
	peer   netip.Addr   // toward whom; another one's way may lead through other hops
	hop    platform.Hop // the zero Hop: to be found
	trips  map[netip.Addr]*leastTrip
	misses int           // questions in a row without an answer
	rest   time.Duration // the last one; 0: since then there was an answer
	until  time.Time     // the end of it
}

// mostHops is how many hops of a line are remembered.
const mostHops = 8

// run probes until ctx ends, or until it turns out that this process must not.
func (p *lineProbe) run(ctx context.Context) {
	timer := time.NewTimer(probeEvery)
	defer timer.Stop()
	var on course
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := p.turn(ctx, &on); errors.Is(err, platform.ErrNoProbe) {
			p.silent(err)
			return
		}
		timer.Reset(probeEvery)
	}
}

// turn asks a question, if there is one. It returns the error of what was asked.
func (p *lineProbe) turn(ctx context.Context, on *course) error {
	at := p.look()
	if at.link != on.link {
		*on = course{link: at.link, trips: map[netip.Addr]*leastTrip{}}
		p.newest.Store(nil)
	}
	if !at.peer.IsValid() || at.link == "" || time.Now().Before(on.until) {
		return nil
	}
	if on.hop.Number == 0 {
		hop, err := p.find(ctx, at.peer)
		if err == nil {
			on.peer, on.hop, on.misses = at.peer, hop, 0
		} else if ctx.Err() == nil {
			p.pause(on, err)
		}
		return err
	}
	hop, err := p.ask(ctx, on.peer, on.hop.Number)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		if on.misses++; on.misses >= probeMisses {
			p.pause(on, err)
		}
	case hop.Addr != on.hop.Addr: // the way is another one
		on.hop = platform.Hop{}
	default:
		on.misses, on.rest = 0, 0
		if delay, ok := on.trip().add(hop.RTT, at.clear); ok {
			p.newest.Store(&probed{on.link, hop, delay})
		}
	}
	return err
}

// pause lets the network be for a while.
func (p *lineProbe) pause(on *course, why error) {
	on.hop = platform.Hop{}
	on.rest = min(max(2*on.rest, probeRest), probeMostRest)
	on.until = time.Now().Add(on.rest)
	p.silent(why)
}

// silent says once that nothing answers, for that is nothing to worry about.
func (p *lineProbe) silent(why error) {
	text := why.Error()
	if p.silence.Swap(&text) == nil {
		p.log.Debug("no hop beyond the line answers, so only the background's own connections tell of its queue", "err", why)
	}
}

// trip is that to the hop.
func (on *course) trip() *leastTrip {
	t := on.trips[on.hop.Addr]
	if t == nil {
		if len(on.trips) >= mostHops {
			clear(on.trips)
		}
		t = &leastTrip{}
		on.trips[on.hop.Addr] = t
	}
	return t
}

// leastTrip is the shortest of the round trips that were made lately: in the last five minutes in which the line was known
// to have no queue, for if somebody fills the line for longer, a queue must not become what is usual.
type leastTrip struct {
	parts [5]time.Duration // the least of each minute, newest first; 0: there was none
	clear int              // questions of the newest that were asked while there was no queue
}

// partOf is how many questions a minute has.
const partOf = int(time.Minute / probeEvery)

// add returns by how much a round trip was longer than the shortest. False: none is known to be without a queue.
func (l *leastTrip) add(rtt time.Duration, clear bool) (time.Duration, bool) {
	if clear {
		if l.clear == partOf {
			copy(l.parts[1:], l.parts[:])
			l.parts[0], l.clear = 0, 0
		}
		l.clear++
	}
	l.parts[0] = min(cmp.Or(l.parts[0], rtt), rtt)
	least := l.parts[0]
	for _, part := range l.parts[1:] {
		least = min(least, cmp.Or(part, least))
	}
	return rtt - least, l.clear > 0
}

// sense tells the governor of the newest answer on a line.
func (p *lineProbe) sense(around *govern.Surroundings, now time.Time) {
	if a := p.newest.Load(); a != nil && a.link == around.Interface {
		around.Probe, around.ProbeAge, around.ProbeHop, around.Probed = a.delay, now.Sub(a.hop.Sent), a.hop.Addr, true
	}
}

// checkProbe tells what is known of the first hop beyond the line. It asks nobody.
func (d *diagnosis) checkProbe(p *lineProbe) {
	const about = "first hop beyond the line"
	switch a, why := p.newest.Load(), p.silence.Load(); {
	case a != nil:
		d.add(webui.FindingOK, about, "%s, %s away, answered pings last in %.1f ms", a.hop.Addr, count(a.hop.Number, "hop"), a.hop.RTT.Seconds()*1000)
	case why != nil:
		d.add(webui.FindingNote, about, "none answers, so only the background's own connections tell of the line's queue: %s", *why)
	default:
		d.add(webui.FindingNote, about, "it has not been asked, or not while the line was free: it is while the background is busy")
	}
}
