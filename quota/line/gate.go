package line

import (
	"sync"
	"time"

	"ebb/quota/line/govern"
)

const (
	// turnTime is for how long a connection may go on with what it writes, before it is another one's turn. Peers hold
	// back the acknowledgement of an odd segment for 40 ms or until the next one comes, and that looks like a queue: so
	// the next one comes at once, or after that.
	turnTime = 50 * time.Millisecond
	// turnGap is how late the one whose turn it is may come for the next grant, as it has to write the last one first.
	turnGap = 2 * time.Millisecond
	// largestRead is what is asked for at a time without a limit.
	largestRead = 128 << 10
)

// gate lets bytes through at a rate. Whoever wants to pass queues for the turn, and only the one who has it is granted
// something. So it is fair, and there is never more than one grant to reconsider when the limit changes. Who has been
// granted a part of what it wants to write keeps its turn for the rest of it, within turnTime.
type gate struct {
	turn   chan struct{} // capacity 1; full while somebody has the turn
	passed tally
	began  time.Time // with the monotonic clock

	mu      sync.Mutex // guards the fields below
	limit   int64      // bytes per second, or 0, or Unlimited
	changed chan struct{}
	pacer   govern.Pacer
	keeper  *deadline     // whose turn it is; nil: whoever comes next
	since   time.Duration // when its turn began
	until   time.Duration // when it is over, unless it comes before
}

func newGate(limit int64) *gate {
	g := &gate{turn: make(chan struct{}, 1), changed: make(chan struct{}), began: time.Now()}
	g.setLimit(limit)
	return g
}

func (g *gate) setLimit(limit int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = max(limit, Unlimited)
	now := time.Since(g.began)
	g.pacer.Set(now, float64(g.limit))
	g.until = min(g.until, max(g.pacer.Free(), now)+turnGap)
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gate) current() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.limit
}

// draw grants up to n bytes, if they may pass now. Otherwise it returns 0, for how long to wait (forever if the limit
// is 0), and a channel that is closed if the limit changes before.
func (g *gate) draw(n int, who *deadline) (granted int, wait time.Duration, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limit == Unlimited {
		return n, 0, nil
	}
	now := time.Since(g.began)
	if g.keeper != nil && g.keeper != who && now < g.until {
		return 0, g.until - now, g.changed
	}
	granted, wait, ever := g.pacer.Draw(now, n)
	switch {
	case !ever:
		return 0, forever, g.changed
	case granted == 0:
		return 0, wait, g.changed
	}
	if g.keeper != who {
		g.since = now
	}
	g.keeper = nil
	if granted < n && now-g.since < turnTime {
		g.keeper, g.until = who, max(g.pacer.Free(), now)+turnGap
	}
	return granted, 0, nil
}

// keeps reports whether it is the turn of who.
func (g *gate) keeps(who *deadline) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.keeper == who
}

// count takes into account n bytes that have passed without a grant.
func (g *gate) count(n int) {
	if n <= 0 {
		return
	}
	g.passed.add(int64(n))
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pacer.Count(time.Since(g.began), n)
}

// grant waits until up to n bytes may pass (n is at least 1), and returns how many: 1 to n. Its errors are those of
// deadline.wait.
func (g *gate) grant(n int, until *deadline) (int, error) {
	if g.current() == Unlimited {
		return n, nil // there is nothing to take turns for
	}
	if !g.keeps(until) {
		if err := until.wait(forever, nil, g.turn); err != nil {
			return 0, err
		}
		defer func() { <-g.turn }()
	}
	for {
		granted, wait, changed := g.draw(n, until)
		if granted > 0 {
			return granted, nil
		}
		if err := until.wait(wait, changed, nil); err != nil {
			return 0, err
		}
	}
}

// open waits while the limit is 0, and returns how many bytes may be asked for at a time. Its errors are those of
// deadline.wait.
func (g *gate) open(until *deadline) (int, error) {
	for {
		g.mu.Lock()
		limit, changed, size := g.limit, g.changed, g.pacer.Grant()
		g.mu.Unlock()
		switch {
		case limit == Unlimited:
			return largestRead, nil
		case limit > 0:
			return size, nil
		}
		if err := until.wait(forever, changed, nil); err != nil {
			return 0, err
		}
	}
}
