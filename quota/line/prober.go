package line

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

// prober asks the first hop beyond the line how long the way there is, while the background is busy. So a queue at a
// peer's end can be told from one of our line.
type prober struct {
	busy func() busyLine
	find func(ctx context.Context, peer netip.Addr) (platform.Hop, error)
	ask  func(ctx context.Context, peer netip.Addr, hop int) (platform.Hop, error)
	log  *slog.Logger

	newest  atomic.Pointer[probed] // nil: nothing is known of this line
	silence atomic.Pointer[string] // why nobody answered, the last time; nil: there was no such time
}

// busyLine is what has to be known before a question is asked.
type busyLine struct {
	peer  netip.Addr // whom the background is busy with; the zero Addr: nobody, or it is paused
	link  string     // the interface to the internet; "" while there is none
	clear bool       // it is known that the line has no queue
}

// probed is an answer.
type probed struct {
	link  string
	hop   platform.Hop
	delay time.Duration // by which it took longer than without a queue
}

func newProber(busy func() busyLine, log *slog.Logger) *prober {
	var probe platform.Probe
	return &prober{busy: busy, find: probe.FirstWANHop, ask: probe.Hop, log: log}
}

// course is the way that is being probed, and what is known of it.
type course struct {
	link   string
	peer   netip.Addr   // at its end; the way to another one may lead through other hops
	hop    platform.Hop // the zero Hop: to be found
	trips  map[netip.Addr]*leastTrip
	misses int           // questions in a row without an answer
	rest   time.Duration // how long the last pause was; 0: somebody has answered since
	until  time.Time     // when it ends
}

// mostHops is how many hops of a line are remembered.
const mostHops = 8

// run probes until ctx ends, or until it turns out that this process may not.
func (p *prober) run(ctx context.Context) {
	timer := time.NewTimer(probeEvery)
	defer timer.Stop()
	var on course
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := p.step(ctx, &on); errors.Is(err, platform.ErrNoProbe) {
			p.silent(err)
			return
		}
		timer.Reset(probeEvery)
	}
}

// step asks a question, if there is one to ask. It returns the error of the answer.
func (p *prober) step(ctx context.Context, on *course) error {
	at := p.busy()
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

// pause leaves the network alone for a while.
func (p *prober) pause(on *course, why error) {
	on.hop = platform.Hop{}
	on.rest = min(max(2*on.rest, probeRest), probeMostRest)
	on.until = time.Now().Add(on.rest)
	p.silent(why)
}

// silent notes why nobody answers. The log says so once only, for it is nothing to worry about.
func (p *prober) silent(why error) {
	text := why.Error()
	if p.silence.Swap(&text) == nil {
		p.log.Debug("no hop beyond the line answers, so only the background's own connections tell of its queue", "err", why)
	}
}

// trip returns what is known of the round trip to the hop.
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

// leastTrip is the shortest of the round trips of the last five minutes in which the line was known to have no queue.
// Other minutes do not count: if somebody fills the line for longer, a queue must not become what is usual.
type leastTrip struct {
	parts [5]time.Duration // the least of each minute, newest first; 0: there was none
	clear int              // how many of the newest minute's were made while there was no queue
}

// partOf is how many questions a minute has.
const partOf = int(time.Minute / probeEvery)

// add returns by how much a round trip was longer than the shortest, and false if none is known to have met no queue.
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

// FirstHop is what is known of the first hop beyond the line.
type FirstHop struct {
	Hop     platform.Hop // that answered last; the zero Hop: none has, on this line
	Silence string       // why nobody answered, the last time; "": there was no such time
}

func (p *prober) firstHop() (known FirstHop) {
	if a := p.newest.Load(); a != nil {
		known.Hop = a.hop
	}
	if why := p.silence.Load(); why != nil {
		known.Silence = *why
	}
	return known
}

// tell adds the newest answer, if it is of the line that the rest is about.
func (p *prober) tell(around *govern.Surroundings, now time.Time) {
	if a := p.newest.Load(); a != nil && a.link == around.Interface {
		around.Probe, around.ProbeAge, around.ProbeHop, around.Probed = a.delay, now.Sub(a.hop.Sent), a.hop.Addr, true
	}
}
