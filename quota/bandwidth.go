package quota

import (
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Unlimited, as a rate limit, lets everything pass at once.
const Unlimited int64 = -1

// Bandwidth is what the background may use of the line: one limit for all that
// it sends and one for all that it receives. Its connections share both.
//
// SetLimits is the one place where the limits move; whoever governs them calls
// it as often as it likes.
type Bandwidth struct {
	up, down lane
}

// NewBandwidth makes a Bandwidth with limits in bytes per second; 0 lets
// nothing pass, Unlimited (or less) everything.
func NewBandwidth(up, down int64) *Bandwidth {
	b := new(Bandwidth)
	b.up.init(up)
	b.down.init(down)
	return b
}

// SetLimits changes the limits, in bytes per second, as in NewBandwidth. Those
// who wait at this moment wait by the new ones.
func (b *Bandwidth) SetLimits(up, down int64) {
	b.up.set(up)
	b.down.set(down)
}

// Limits returns the limits in force, in bytes per second.
func (b *Bandwidth) Limits() (up, down int64) { return b.up.get(), b.down.get() }

// Totals returns the bytes that passed since the start.
func (b *Bandwidth) Totals() (up, down int64) { return b.up.meter.sum(), b.down.meter.sum() }

// Rates returns the bytes per second over the last five seconds.
func (b *Bandwidth) Rates() (up, down int64) {
	now := time.Now()
	return b.up.meter.rate(now), b.down.meter.rate(now)
}

// Wrap returns c with every byte that is written or read passing the limits.
// Close, and deadlines, end a wait for them as they end one for the network.
func (b *Bandwidth) Wrap(c net.Conn) net.Conn {
	return &conn{Conn: c, bandwidth: b, read: newDeadline(), write: newDeadline(), closed: make(chan struct{})}
}

const (
	// burstTime is how much of its rate may pass at once. Any ten seconds then
	// see at most 101 % of the limit.
	burstTime = 100 * time.Millisecond
	// minBurst, in bytes, keeps the pieces of a write useful at very low rates.
	minBurst = 256
	// maxChunk, in bytes, is what one connection takes at a time, so that others
	// get their turn.
	maxChunk = 64 << 10
)

// lane is one direction.
type lane struct {
	meter meter

	mu      sync.Mutex // guards what follows
	limit   int64
	limiter *rate.Limiter // nil when the limit is 0 or none
	changed chan struct{} // closed when the limit changes
}

func (l *lane) init(limit int64) {
	l.changed = make(chan struct{})
	l.apply(limit)
}

// apply puts a limit into force. l.mu is held, or l is not shared yet.
func (l *lane) apply(limit int64) {
	l.limit = max(limit, Unlimited)
	if limit <= 0 {
		l.limiter = nil
		return
	}
	burst := max(int(float64(limit)*burstTime.Seconds()), minBurst)
	if l.limiter == nil {
		l.limiter = rate.NewLimiter(rate.Limit(limit), burst)
		return
	}
	// The same limiter, so that what has passed lately still counts.
	l.limiter.SetLimit(rate.Limit(limit))
	l.limiter.SetBurst(burst)
}

func (l *lane) set(limit int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if max(limit, Unlimited) == l.limit {
		return
	}
	l.apply(limit)
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *lane) get() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit
}

// reserve asks for up to n bytes. It grants some at once (wait is 0), or says
// how long to wait before asking again (negative: until the limit changes).
func (l *lane) reserve(n int, now time.Time) (granted int, wait time.Duration, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = min(n, maxChunk)
	switch {
	case l.limit < 0:
		return n, 0, nil
	case l.limit == 0:
		return 0, -1, l.changed
	}
	n = min(n, l.limiter.Burst())
	if l.limiter.AllowN(now, n) {
		return n, 0, nil
	}
	lacking := float64(n) - l.limiter.TokensAt(now)
	return 0, max(time.Duration(lacking/float64(l.limit)*float64(time.Second)), time.Millisecond), l.changed
}

// take waits until some of n bytes may pass, and returns how many.
func (l *lane) take(n int, expired, closed <-chan struct{}) (int, error) {
	for {
		granted, wait, changed := l.reserve(n, time.Now())
		if wait == 0 {
			return granted, nil
		}
		var timer *time.Timer
		var elapsed <-chan time.Time
		if wait > 0 {
			timer = time.NewTimer(wait)
			elapsed = timer.C
		}
		err := error(nil)
		select {
		case <-elapsed:
		case <-changed:
		case <-expired:
			err = errTimeout
		case <-closed:
			err = net.ErrClosed
		}
		if timer != nil {
			timer.Stop()
		}
		if err != nil {
			return 0, err
		}
	}
}
