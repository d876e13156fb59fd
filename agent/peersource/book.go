package peersource

import (
	"net/netip"
	"time"
)

// Book holds the addresses at which peers of one swarm may be found, bounded, each with when to try it next. It knows
// neither clock nor lock; its owner brings both.
type Book struct {
	entries map[netip.AddrPort]*address
	banned  map[netip.Addr]struct{}
	Dialing int // under way, until the peer has joined: its owner counts
}

type address struct {
	next      time.Time // not to be dialled before
	failures  int
	connected bool // or being dialled
	useless   bool // a seed, while we hold everything
}

const (
	maxAddresses = 500
	maxBanned    = 500
	maxFailures  = 5
	firstRetry   = 15 * time.Second // doubled with each failure
	// RedialInterval is how long an address rests after a connection that had been made has ended.
	RedialInterval = 2 * time.Minute
)

// NewBook returns an empty book.
func NewBook() Book {
	return Book{entries: make(map[netip.AddrPort]*address), banned: make(map[netip.Addr]struct{})}
}

// Len returns how many addresses are known.
func (b *Book) Len() int { return len(b.entries) }

// Add notes an address; known, banned and surplus ones are ignored.
func (b *Book) Add(a netip.AddrPort) {
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	if !a.IsValid() || a.Port() == 0 || len(b.entries) >= maxAddresses || b.Banned(a.Addr()) {
		return
	}
	if _, known := b.entries[a]; !known {
		b.entries[a] = &address{}
	}
}

// Ban forgets all addresses of a host and keeps it out.
func (b *Book) Ban(host netip.Addr) {
	if len(b.banned) < maxBanned {
		b.banned[host] = struct{}{}
	}
	for a := range b.entries {
		if a.Addr() == host {
			delete(b.entries, a)
		}
	}
}

// Banned reports whether a host is kept out.
func (b *Book) Banned(host netip.Addr) bool {
	_, bad := b.banned[host]
	return bad
}

// Due picks an address to dial now; ok is false if there is none. Met notes that it is being dialled.
func (b *Book) Due(now time.Time) (a netip.AddrPort, ok bool) {
	for a, e := range b.entries {
		if !e.connected && !e.useless && !now.Before(e.next) {
			return a, true
		}
	}
	return netip.AddrPort{}, false
}

// Failed puts an address off, or forgets it after too many failures.
func (b *Book) Failed(a netip.AddrPort, now time.Time) {
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

// Forget drops an address: it is our own.
func (b *Book) Forget(a netip.AddrPort) { delete(b.entries, a) }

// Parted notes that the connection to an address has ended.
func (b *Book) Parted(a netip.AddrPort, now time.Time) {
	if e, ok := b.entries[a]; ok {
		e.connected = false
		e.next = now.Add(RedialInterval)
	}
}

// Met notes that the peer at an address is connected, or being dialled, whoever dialled.
func (b *Book) Met(a netip.AddrPort) {
	b.Add(a)
	if e, ok := b.entries[a]; ok {
		e.connected = true
	}
}

// Spare notes that there is no use in dialling an address, until Revive.
func (b *Book) Spare(a netip.AddrPort) {
	if e, ok := b.entries[a]; ok {
		e.useless = true
	}
}

// Revive makes the spared addresses ones like others.
func (b *Book) Revive() {
	for _, e := range b.entries {
		e.useless = false
	}
}

// Hurry has all addresses that are not connected tried at once: the swarm has become another matter.
func (b *Book) Hurry() {
	for _, e := range b.entries {
		e.next = time.Time{}
	}
}
