package line

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"

	"ebb/quota/line/govern"
)

// Watcher knows what the background puts on the wire, and how long the line's queue is, by what the kernel tells of
// its connections. It may be used by several goroutines, but there should be one Watcher for a Bandwidth: two would
// take each other's measurements away.
type Watcher struct {
	bandwidth *Bandwidth

	mu       sync.Mutex // guards the fields below, and the seen of the connections
	turn     uint64     // of looks
	up, down float64    // payload that had passed at the last look
	overhead govern.Rates
	busy     []busyConn // reused
}

// look is what a Watcher last saw of a connection.
type look struct {
	sent, received int64  // payload that had passed
	turn           uint64 // when its state was read; 0: never
	state          tcpState
	least          time.Duration // the shortest round trip it ever had; 0: not known
	trusted        bool          // it was there when the queue was short, so the shortest was measured without one
}

type busyConn struct {
	*conn
	out, in int64 // payload since the last look
}

const (
	// watchMost is how many connections are looked at. The busiest of more carry nearly everything.
	watchMost = 32
	// shortQueue is a delay at which there is no queue worth the name.
	shortQueue = 8 * time.Millisecond
	// overheadShare is how much of the overhead a second at full speed may change.
	overheadShare = 0.1
	mostOverhead  = 4.0 // requests of 17 bytes have more, but nobody sends only those for long
	// overheadLeast is the payload from which on the overhead of an interval is believed.
	overheadLeast = 4 << 10
)

// Watch returns a Watcher of b's connections.
func (b *Bandwidth) Watch() *Watcher {
	return &Watcher{bandwidth: b, overhead: govern.Rates{Up: govern.GuessedOverhead, Down: govern.GuessedOverhead}}
}

// Look returns what happened since the last call.
func (w *Watcher) Look() govern.Wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn++
	w.gather()

	up, down := w.bandwidth.Totals()
	payload := govern.Rates{Up: float64(up) - w.up, Down: float64(down) - w.down}
	w.up, w.down = float64(up), float64(down)

	wire := govern.Wire{Busy: len(w.busy)}
	var exact, covered govern.Rates // of the connections whose counters were read at the last look and at this one
	var trusted, all delayed
	for _, c := range w.busy {
		before, was := c.seen.state, c.seen.turn
		now, ok := c.socket.read()
		if !ok {
			c.seen.turn = 0
			continue
		}
		c.seen.state, c.seen.turn = now, w.turn
		if least := now.shortest(); least > 0 && (c.seen.least == 0 || least < c.seen.least) {
			c.seen.least = least
		}
		if was == 0 {
			continue
		}
		if was == w.turn-1 && now.counted && before.counted {
			out, in := c.socket.onWire(&before, &now)
			exact.Up, exact.Down = exact.Up+out, exact.Down+in
			covered.Up, covered.Down = covered.Up+float64(c.out), covered.Down+float64(c.in)
		}
		if trip, ok := roundTrip(&before, &now); ok && c.seen.least > 0 {
			queue := max(trip-c.seen.least, 0)
			all.add(queue)
			if c.seen.trusted {
				trusted.add(queue)
			}
		}
	}
	wire.Delay, wire.Known = trusted.least, trusted.known
	if !trusted.known {
		wire.Delay, wire.Known = all.least, all.known
	}
	if wire.Known && wire.Delay < shortQueue {
		for _, c := range w.busy {
			c.seen.trusted = c.seen.trusted || c.seen.turn == w.turn
		}
	}
	w.overhead.Up = overheadOf(w.overhead.Up, exact.Up, covered.Up)
	w.overhead.Down = overheadOf(w.overhead.Down, exact.Down, covered.Down)
	wire.Overhead = w.overhead
	wire.Up = exact.Up + max(payload.Up-covered.Up, 0)*w.overhead.Up
	wire.Down = exact.Down + max(payload.Down-covered.Down, 0)*w.overhead.Down
	return wire
}

// Busiest returns the address of the peer with whom most was exchanged before the last look, of those across the line;
// the zero Addr if nothing was.
func (w *Watcher) Busiest() netip.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	var most int64
	var peer netip.Addr
	for _, c := range w.busy {
		if n := c.out + c.in; n > most {
			most, peer = n, c.socket.peer
		}
	}
	return peer
}

// gather lists the connections to look at: those by which something passed since the last look, and those that were
// looked at then, as something may have been on its way.
func (w *Watcher) gather() {
	clear(w.busy) // let go of connections that are closed
	w.busy = w.busy[:0]
	w.bandwidth.mu.Lock()
	for c := range w.bandwidth.conns {
		sent, received := c.sent.Load(), c.received.Load()
		b := busyConn{conn: c, out: sent - c.seen.sent, in: received - c.seen.received}
		c.seen.sent, c.seen.received = sent, received
		if c.socket != nil && (b.out+b.in > 0 || c.seen.turn == w.turn-1 && c.seen.turn > 0) {
			w.busy = append(w.busy, b)
		}
	}
	w.bandwidth.mu.Unlock()
	if len(w.busy) > watchMost {
		slices.SortFunc(w.busy, func(a, b busyConn) int { return cmp.Compare(b.out+b.in, a.out+a.in) })
		clear(w.busy[watchMost:])
		w.busy = w.busy[:watchMost]
	}
}

// delayed is the least of some delays.
type delayed struct {
	least time.Duration
	known bool
}

func (d *delayed) add(delay time.Duration) {
	if !d.known || delay < d.least {
		d.least, d.known = delay, true
	}
}

// overheadOf follows what was measured, slowly: a segment that leaves after the look at its payload belongs to the next one.
func overheadOf(before, wire, payload float64) float64 {
	if !(payload >= overheadLeast && wire >= 0) { // nor is NaN
		return before
	}
	measured := min(max(wire/payload, 1), mostOverhead)
	return before + (measured-before)*overheadShare
}
