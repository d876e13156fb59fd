package line

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Unlimited is a rate without a limit.
const Unlimited = -1

// Bandwidth limits all background traffic together, up and down. Its methods may be called by any number of goroutines.
//
// Connections of the owner's own (Greet) are limited apart, by SetOwnLimits, and count apart; the background gives way to
// them as to all else. Like its own they tell of the line's queue.
//
// Over any ten seconds, no more passes than 101 % of the limits that were in force meanwhile, and one grant: two full
// segments (or a second's worth, where that is less), which are the least that is acknowledged at once. Connections to
// neighbours are apart: they do not use the line.
type Bandwidth struct {
	up, down         *gate
	nearUp, nearDown *gate // those of connections to neighbours: without a limit
	ownUp, ownDown   *gate // those of the owner's own
	neighbour        atomic.Pointer[func(netip.Addr) bool]
	local            func(netip.Addr) bool // see setLocal

	mu     sync.Mutex // guards the fields below
	conns  map[*conn]struct{}
	newest uint64 // the number of the newest of them
}

// NewBandwidth returns a Bandwidth with limits in bytes per second, up being what is sent. 0 lets nothing
// pass: reads and writes wait. Unlimited is no limit.
func NewBandwidth(up, down int64) *Bandwidth {
	return &Bandwidth{
		up: newGate(up), down: newGate(down),
		nearUp: newGate(Unlimited), nearDown: newGate(Unlimited),
		ownUp: newGate(Unlimited), ownDown: newGate(Unlimited),
		local: here,
		conns: map[*conn]struct{}{},
	}
}

// SetLimits changes the limits. Reads and writes that wait go on at the new rate at once.
func (b *Bandwidth) SetLimits(up, down int64) {
	b.up.setLimit(up)
	b.down.setLimit(down)
}

// SetOwnLimits changes the limits of the owner's own connections, all together. They begin Unlimited.
func (b *Bandwidth) SetOwnLimits(up, down int64) {
	b.ownUp.setLimit(up)
	b.ownDown.setLimit(down)
}

// Limits returns the limits, in bytes per second.
func (b *Bandwidth) Limits() (up, down int64) { return b.up.current(), b.down.current() }

// Totals returns how many bytes have passed, without those from and to neighbours.
func (b *Bandwidth) Totals() (up, down int64) { return b.up.passed.sum(), b.down.passed.sum() }

// Rates returns the rates over the last five seconds, in bytes per second, without those from and to neighbours.
func (b *Bandwidth) Rates() (up, down int64) { return b.up.passed.rate(), b.down.passed.rate() }

// SetNeighbour takes a function that reports whether an address is in a network of ours. Connections to such addresses
// that are wrapped later are not limited and do not count. Until it is called there are none.
func (b *Bandwidth) SetNeighbour(is func(netip.Addr) bool) { b.neighbour.Store(&is) }

// Count takes into account what has passed without asking: the packets of the DHT and of trackers. They are few, and
// should not be late; what passes by asking gives way to them.
func (b *Bandwidth) Count(up, down int) {
	b.up.count(up)
	b.down.count(down)
}

// Wrap returns a connection whose every byte passes b. A read or write that waits for its turn ends when the connection
// is closed or its deadline passes. What has been read waits before it is handed over, so a peer that sends too fast
// finds its TCP window closed. The connection implements io.ReaderFrom for the sake of sendfile. It must be closed.
func (b *Bandwidth) Wrap(inner net.Conn) net.Conn {
	c := &conn{Conn: inner, up: b.up, down: b.down, reading: newDeadline(), writing: newDeadline()}
	if b.near(inner) {
		c.up, c.down = b.nearUp, b.nearDown
		return c
	}
	c.socket = newSocket(inner, b.local)
	c.home = b
	b.mu.Lock()
	b.newest++
	c.id = b.newest
	b.conns[c] = struct{}{}
	b.mu.Unlock()
	return c
}

// here reports whether an address is this machine's, or on the same link as its name says. Who knows the routes knows
// more: see setLocal.
func here(a netip.Addr) bool { return a.IsLoopback() || a.IsLinkLocalUnicast() }

// setLocal takes a function that reports whether the way to an address does not pass the line. Connections to such
// addresses know nothing of the line's queue. It is called before the first Wrap.
func (b *Bandwidth) setLocal(is func(netip.Addr) bool) { b.local = is }

// near reports whether a connection is one to a neighbour.
func (b *Bandwidth) near(c net.Conn) bool {
	is := b.neighbour.Load()
	if is == nil {
		return false
	}
	addr, ok := c.RemoteAddr().(*net.TCPAddr)
	return ok && (*is)(addr.AddrPort().Addr().Unmap())
}

func (b *Bandwidth) forget(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}
