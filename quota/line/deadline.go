package line

import (
	"math"
	"net"
	"os"
	"sync"
	"time"
)

// forever is a wait that only something else can end.
const forever = time.Duration(math.MaxInt64)

// cutoff is what ends the waiting of one direction of a connection before its time: a deadline, or Close.
type cutoff struct {
	closed chan struct{}

	mu    sync.Mutex    // guards the fields below
	at    time.Time     // the deadline; zero: none
	moved chan struct{} // closed and replaced when the deadline is set
}

func newCutoff() *cutoff {
	return &cutoff{closed: make(chan struct{}), moved: make(chan struct{})}
}

func (c *cutoff) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
	close(c.moved)
	c.moved = make(chan struct{})
}

func (c *cutoff) deadline() (at time.Time, moved <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at, c.moved
}

// wait returns nil after d, when changed is closed, or when it has put something into turn; and an error as soon as the
// connection is closed or its deadline has passed. Either channel may be nil.
func (c *cutoff) wait(d time.Duration, changed <-chan struct{}, turn chan<- struct{}) error {
	select { // most waits are none: do without a timer
	case <-c.closed:
		return net.ErrClosed
	default:
		select {
		case turn <- struct{}{}:
			return nil
		default:
		}
	}
	begin := time.Now()
	for {
		at, moved := c.deadline()
		left := d
		if d != forever {
			left -= time.Since(begin)
		}
		expires := false
		if !at.IsZero() {
			if untilDeadline := time.Until(at); untilDeadline < left {
				left, expires = untilDeadline, true
			}
		}
		timer := time.NewTimer(left)
		select {
		case <-c.closed:
			timer.Stop()
			return net.ErrClosed
		case <-timer.C:
			if expires {
				return os.ErrDeadlineExceeded
			}
			return nil
		case <-changed:
			timer.Stop()
			return nil
		case turn <- struct{}{}:
			timer.Stop()
			return nil
		case <-moved:
			timer.Stop()
		}
	}
}
