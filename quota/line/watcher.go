package line

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"

	"ebb/quota/line/govern"
)

// watcher knows what the background puts on the wire, and how long the round trips of its connections are, by what the
// kernel tells of them. It may be used by several goroutines, but there should be one watcher for a Bandwidth: two would
// take each other's measurements away.
type watcher struct {
	bandwidth *Bandwidth

	mu       sync.Mutex   // guards the fields below, and the seen of the connections
	looks    uint64       // so far
	up, down float64      // payload that had passed by the last look
	overhead govern.Rates // bytes on the wire for each of payload
	busy     []busyConn   // at the last look; reused
	ways     []govern.Way // what was told of them; reused
}

// lastLook is what a watcher last saw of a connection.
type lastLook struct {
	sent, received int64  // payload that had passed by then
	when           uint64 // which of the looks read info; 0: none did
	info           tcpInfo
}

type busyConn struct {
	*conn
	out, in int64 // payload since the last look
	owners  bool  // it is the owner's own
}

const (
	// watchMost is how many connections are looked at, the busiest: they carry nearly everything.
	watchMost = 32
	// overheadShare is the part of the difference by which one look changes the overhead.
	overheadShare = 0.1
	mostOverhead  = 4.0 // requests of 17 bytes have more, but nobody sends only those for long
	// overheadLeast is the payload from which on the overhead of an interval is believed.
	overheadLeast = 4 << 10
)

func newWatcher(b *Bandwidth) *watcher {
	return &watcher{bandwidth: b, overhead: govern.Rates{Up: govern.GuessedOverhead, Down: govern.GuessedOverhead}}
}

// look returns what happened since the last call. The ways are valid until the next one.
func (w *watcher) look() govern.Wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	w.gather()

	up, down := w.bandwidth.Totals()
	payload := govern.Rates{Up: float64(up) - w.up, Down: float64(down) - w.down}
	w.up, w.down = float64(up), float64(down)

	var wire govern.Wire
	w.ways = w.ways[:0]
	var exact, covered govern.Rates // of the connections whose counters were read at the last look and at this one
	for _, c := range w.busy {
		before, was := c.seen.info, c.seen.when
		now, ok := c.socket.read()
		if !ok {
			c.seen.when = 0
			continue
		}
		c.seen.info, c.seen.when = now, w.looks
		if was == 0 {
			continue
		}
		if was == w.looks-1 && now.counted && before.counted && !c.owners {
			out, in := c.socket.onWire(&before, &now)
			exact.Up, exact.Down = exact.Up+out, exact.Down+in
			covered.Up, covered.Down = covered.Up+float64(c.out), covered.Down+float64(c.in)
		}
		way := govern.Way{ID: c.id, Bytes: float64(c.out + c.in), Least: now.shortest(), Vary: now.vary, Acks: float64(acksBetween(&before, &now))}
		way.Trip, way.Measured = roundTrip(&before, &now)
		if !c.owners {
			wire.Acked += float64(now.acked - before.acked)
		}
		w.ways = append(w.ways, way)
	}
	wire.Ways = w.ways
	w.overhead.Up = overheadOf(w.overhead.Up, exact.Up, covered.Up)
	w.overhead.Down = overheadOf(w.overhead.Down, exact.Down, covered.Down)
	wire.Overhead = w.overhead
	wire.Up = exact.Up + max(payload.Up-covered.Up, 0)*w.overhead.Up
	wire.Down = exact.Down + max(payload.Down-covered.Down, 0)*w.overhead.Down
	return wire
}

// busiest returns the address of the peer with whom most was exchanged before the last look, of those across the line;
// the zero Addr if nothing was.
func (w *watcher) busiest() netip.Addr {
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
func (w *watcher) gather() {
	clear(w.busy) // let go of connections that are closed
	w.busy = w.busy[:0]
	w.bandwidth.mu.Lock()
	for c := range w.bandwidth.conns {
		sent, received := c.sent.Load(), c.received.Load()
		b := busyConn{conn: c, out: sent - c.seen.sent, in: received - c.seen.received, owners: c.own}
		c.seen.sent, c.seen.received = sent, received
		if c.socket != nil && (b.out+b.in > 0 || c.seen.when == w.looks-1 && c.seen.when > 0) {
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

// overheadOf follows what was measured, slowly: a segment that leaves after the look at its payload belongs to the next
// one.
func overheadOf(before, wire, payload float64) float64 {
	if !(payload >= overheadLeast && wire >= 0) { // nor is NaN
		return before
	}
	measured := min(max(wire/payload, 1), mostOverhead)
	return before + (measured-before)*overheadShare
}
