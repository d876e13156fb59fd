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

// deadline ends the waiting of one direction of a connection before its turn has come: at a time that was set, or when
// the connection is closed.
type deadline struct {
	closed chan struct{}

	mu    sync.Mutex    // guards the fields below
	at    time.Time     // zero: never
	moved chan struct{} // closed and replaced when at is set
}

func newDeadline() *deadline {
	return &deadline{closed: make(chan struct{}), moved: make(chan struct{})}
}

func (d *deadline) set(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = at
	close(d.moved)
	d.moved = make(chan struct{})
}

func (d *deadline) current() (at time.Time, moved <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at, d.moved
}

// wait returns nil after most, or before when changed is closed, or when it has put something into turn. It returns
// net.ErrClosed as soon as the connection is closed, and os.ErrDeadlineExceeded as soon as the deadline has passed.
// Either channel may be nil.
func (d *deadline) wait(most time.Duration, changed <-chan struct{}, turn chan<- struct{}) error {
	select { // most waits are none: do without a timer
	case <-d.closed:
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
		at, moved := d.current()
		left := most
		if most != forever {
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
		case <-d.closed:
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
