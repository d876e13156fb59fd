package line

import (
	"math"
	"sync"
	"time"

	"ebb/quota/line/govern"

	"golang.org/x/time/rate"
)

const (
	// burstTime is what the bucket of a gate holds. All of it may go out at once and stands in the line's queue then,
	// so it is no more than makes up for timers that are late: by 10 ms where the kernel counts time in hundredths of a
	// second.
	burstTime = 25 * time.Millisecond
	// longestBurst is what the bucket of a slow gate may hold, for the sake of a whole grant: it may add 1 % to what
	// passes in ten seconds.
	longestBurst = 100 * time.Millisecond
	// turnTime is how long one connection may hold up the others: what it is granted at a time takes no longer, in the
	// line's queue either.
	turnTime = 4 * time.Millisecond
	// largestGrant bounds what is granted at a time, as govern.SmallestGrant does from below: more saves no system
	// calls worth speaking of. At very low rates the bucket is smaller than a grant.
	largestGrant = 128 << 10
)

// gate lets bytes through at a rate. Whoever wants to pass queues for the turn, and only the one who has it takes
// tokens from the bucket. So it is fair, and there is never more than one grant to reconsider when the limit changes.
type gate struct {
	turn   chan struct{} // capacity 1; full while somebody has the turn
	passed tally

	mu      sync.Mutex // guards the fields below
	limit   int64      // bytes per second, or 0, or Unlimited
	changed chan struct{}
	bucket  *rate.Limiter
}

func newGate(limit int64) *gate {
	g := &gate{
		turn:    make(chan struct{}, 1),
		changed: make(chan struct{}),
		bucket:  rate.NewLimiter(0, 0),
	}
	g.setLimit(limit)
	return g
}

func (g *gate) setLimit(limit int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = max(limit, Unlimited)
	now := time.Now()
	g.bucket.SetLimitAt(now, rate.Limit(max(g.limit, 0)))
	g.bucket.SetBurstAt(now, burst(g.limit))
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *gate) current() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.limit
}

// burst is the size of the bucket for a limit, in bytes.
func burst(limit int64) int {
	size := limit / int64(time.Second/burstTime)
	if size < govern.SmallestGrant {
		size = min(limit/int64(time.Second/longestBurst), govern.SmallestGrant)
	}
	return int(min(max(size, 1), math.MaxInt32))
}

// grantSize is the most that is granted at a time under a limit, in bytes.
func grantSize(limit int64) int {
	if limit == Unlimited {
		return largestGrant
	}
	size := int(min(limit/int64(time.Second/turnTime), largestGrant))
	return min(max(size, govern.SmallestGrant), burst(limit))
}

// draw takes n tokens, though no more than a grant, if the bucket has them now, and returns how many. Otherwise it
// returns 0, after what time the bucket will have them (forever if the limit is 0), and a channel that is closed if the
// limit changes before.
func (g *gate) draw(n int) (granted int, wait time.Duration, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limit == Unlimited {
		return n, 0, nil
	}
	if g.limit == 0 {
		return 0, forever, g.changed
	}
	n = min(n, grantSize(g.limit))
	now := time.Now()
	if g.bucket.AllowN(now, n) {
		return n, 0, nil
	}
	missing := float64(n) - g.bucket.TokensAt(now)
	return 0, time.Duration(math.Ceil(missing / float64(g.limit) * float64(time.Second))), g.changed
}

// count takes tokens for n bytes that have passed without a grant. The bucket may owe them, though no more than a second's
// worth: what is received is a stranger's to choose.
func (g *gate) count(n int) {
	if n <= 0 {
		return
	}
	g.passed.add(int64(n))
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limit <= 0 {
		return
	}
	now, size := time.Now(), burst(g.limit)
	for ; n > 0 && g.bucket.TokensAt(now) > -float64(g.limit); n -= size {
		g.bucket.ReserveN(now, min(n, size)) // no more at a time can be reserved
	}
}

// grant waits until up to n bytes may pass (n is at least 1), and returns how many: 1 to n. Its errors are those of
// deadline.wait.
func (g *gate) grant(n int, until *deadline) (int, error) {
	if g.current() == Unlimited {
		return n, nil // there is nothing to take turns for
	}
	if err := until.wait(forever, nil, g.turn); err != nil {
		return 0, err
	}
	defer func() { <-g.turn }()
	for {
		granted, wait, changed := g.draw(n)
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
		limit, changed := g.limit, g.changed
		g.mu.Unlock()
		if limit != 0 {
			return grantSize(limit), nil
		}
		if err := until.wait(forever, changed, nil); err != nil {
			return 0, err
		}
	}
}
