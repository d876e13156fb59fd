package background

import (
	"errors"
	"net/netip"
	"time"

	"ebb/agent/peerwire"
)

// addressBook holds the addresses at which peers of one swarm may be found, bounded, each with when to try it next.
type addressBook struct {
	entries map[netip.AddrPort]*address
	banned  map[netip.Addr]struct{}
	dialing int // under way, until the peer has joined
}

type address struct {
	next      time.Time // not to be dialled before
	failures  int
	connected bool // or being dialled
	useless   bool // a seed, while we hold everything
}

const (
	maxAddresses   = 500
	maxBanned      = 500
	maxFailures    = 5
	dialsPerSwarm  = 8
	firstRetry     = 15 * time.Second // doubled with each failure
	redialInterval = 2 * time.Minute  // after a connection that had been made has ended
)

func newAddressBook() addressBook {
	return addressBook{entries: make(map[netip.AddrPort]*address), banned: make(map[netip.Addr]struct{})}
}

// add notes an address; known, banned and surplus ones are ignored.
func (b *addressBook) add(a netip.AddrPort) {
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	if !a.IsValid() || a.Port() == 0 || len(b.entries) >= maxAddresses {
		return
	}
	if _, bad := b.banned[a.Addr()]; bad {
		return
	}
	if _, known := b.entries[a]; !known {
		b.entries[a] = &address{}
	}
}

// ban forgets all addresses of a host and keeps it out.
func (b *addressBook) ban(host netip.Addr) {
	if len(b.banned) < maxBanned {
		b.banned[host] = struct{}{}
	}
	for a := range b.entries {
		if a.Addr() == host {
			delete(b.entries, a)
		}
	}
}

// due picks an address to dial now.
func (b *addressBook) due(now time.Time) (netip.AddrPort, *address) {
	for a, e := range b.entries {
		if !e.connected && !e.useless && !now.Before(e.next) {
			return a, e
		}
	}
	return netip.AddrPort{}, nil
}

// failed puts an address off, or forgets it after too many failures.
func (b *addressBook) failed(a netip.AddrPort, now time.Time) {
	e, ok := b.entries[a]
	if !ok {
		return
	}
	e.connected = false
	if e.failures++; e.failures >= maxFailures {
		delete(b.entries, a)
		return
	}
	e.next = now.Add(firstRetry << (e.failures - 1))
}

// parted notes that the connection to an address has ended.
func (b *addressBook) parted(a netip.AddrPort, now time.Time) {
	if e, ok := b.entries[a]; ok {
		e.connected = false
		e.next = now.Add(redialInterval)
	}
}

// met notes that the peer at an address is connected, whoever dialled.
func (b *addressBook) met(a netip.AddrPort) {
	b.add(a)
	if e, ok := b.entries[a]; ok {
		e.connected = true
	}
}

// spare notes that there is no use in dialling an address, until revive.
func (b *addressBook) spare(a netip.AddrPort) {
	if e, ok := b.entries[a]; ok {
		e.useless = true
	}
}

// revive makes the spared addresses ones like others.
func (b *addressBook) revive() {
	for _, e := range b.entries {
		e.useless = false
	}
}

type dialResult struct {
	addr netip.AddrPort
	err  error
}

func (l *live) handleFound(addrs []netip.AddrPort) {
	for _, a := range addrs {
		if l.engine.cfg.AllowAddr(a.Addr().Unmap()) {
			l.book.add(a)
		}
	}
	l.lastUseful = time.Now()
	l.dial(time.Now())
}

// dial opens connections while the swarm has places for them and the engine has dials to spare. A seed is not dialled
// by a seed, but which peers are seeds shows only after the handshake. While the disk sleeps nothing can be taken from
// a peer, nor given to it.
func (l *live) dial(now time.Time) {
	if l.diskAsleep {
		return
	}
	for l.book.dialing < dialsPerSwarm {
		addr, entry := l.book.due(now)
		if entry == nil || !l.roomFor(addr.Addr()) {
			return
		}
		select {
		case l.engine.dials <- struct{}{}:
		default:
			return // every dial of the engine is under way; the next tick tries again
		}
		entry.connected = true
		l.book.dialing++
		l.wg.Add(1)
		go func() {
			defer l.wg.Done()
			c, err := l.engine.cfg.Dialer.Dial(l.ctx, addr, l.swarm.hash)
			<-l.engine.dials
			if !post(l, l.dialed, dialResult{addr, err}) {
				if err == nil {
					c.Close()
					<-c.Done()
				}
				return
			}
			if err == nil {
				l.engine.servePeer(&peer{conn: c, addr: addr, dialed: true})
			}
		}()
	}
}

func (l *live) handleDialed(r dialResult) {
	if r.err == nil {
		return // the connection itself arrives through joined
	}
	l.book.dialing--
	if errors.Is(r.err, peerwire.ErrSelf) {
		delete(l.book.entries, r.addr)
		return
	}
	l.book.failed(r.addr, time.Now())
}
