package background

import (
	"net/netip"
	"sync"
	"time"

	"ebb/agent/background/choose"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// maxConns is the most connections over all swarms, whatever SetMostConns says.
// One costs some 30 kB with the kernel's part, so that they are 6 MB.
const maxConns = 200

// places is where the connections of all swarms have room.
type places struct {
	mu   sync.Mutex // guards the fields below; taken after a swarm's
	open map[*peer]struct{}
	most int // of them
}

// SetMostConns changes how many connections may be open over all swarms, from 0 to 200, where it begins. Surplus ones
// are closed before it returns, those that are of the least use first, and no more are taken in or dialled than fit. As
// many fewer swarms are live.
//
// It neither waits for a swarm nor asks one: when memory is short, a swarm may be waiting for the disk. The connections
// end by themselves, as if their peers had hung up.
func (e *Engine) SetMostConns(n int) {
	n = min(max(n, 0), maxConns)
	for _, c := range e.places.bound(n) {
		c.Close()
	}
	e.awake.bound(n)
}

// bound sets the bound and takes the places of the connections beyond it. It returns these.
func (s *places) bound(most int) (surplus []*peerwire.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = most
	if len(s.open) <= most {
		return nil
	}
	for _, p := range choose.Surplus(views(s.open, time.Now()), most) {
		delete(s.open, p)
		surplus = append(surplus, p.conn)
	}
	return surplus
}

// views is how the choice of connections sees them.
func views(conns map[*peer]struct{}, now time.Time) []choose.ConnView[*peer] {
	views := make([]choose.ConnView[*peer], 0, len(conns))
	for p := range conns {
		v := choose.ConnView[*peer]{
			Peer: p, Host: p.host(), Open: now.Sub(p.connected), Unused: choose.Never, Wants: p.wants.Load(),
		}
		if used := p.used.Load(); used != 0 {
			v.Unused = v.Open - time.Duration(used)
		}
		views = append(views, v)
	}
	return views
}

func (p *peer) host() netip.Prefix { return swarm.Host(p.conn.RemoteAddr().Addr()) }

// give gives a connection a place, and reports whether there was one. It may be that of another, which ends then as if
// its peer had hung up.
func (s *places) give(p *peer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= s.most && !s.displace(p.host(), false) {
		return false
	}
	s.open[p] = struct{}{}
	return true
}

// displace has a connection make way for one from a host, if one should. s.mu is held.
func (s *places) displace(host netip.Prefix, dialled bool) bool {
	if s.most == 0 {
		return false
	}
	p, ok := choose.Displaced(views(s.open, time.Now()), host, dialled)
	if ok {
		delete(s.open, p)
		p.conn.Close()
	}
	return ok
}

// free notes that a connection has ended. Its place may be another's by now.
func (s *places) free(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, p)
}

// room reports whether there will be a place for one more connection, to a host, when those that are being dialled have
// been made. It may be one that is taken from a host that has too many.
func (s *places) room(dialing int, host netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)+dialing < s.most || s.displace(swarm.Host(host), true)
}

// share is how many of the places one swarm may have: half of them, so that none keeps all others out. Who is not
// connected never has a turn, so a swarm of a hundred leechers should find room for all of them.
func (s *places) share() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.most/2, wantedPeers)
}

// shut reports whether no connection at all may be open. Then no swarm is woken
// for the sake of one either, for that would take memory.
func (s *places) shut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most == 0
}

// use notes that the peer is of use: a block has come from it or gone to it, or
// it was asked for one. Any goroutine may.
func (p *peer) use(now time.Time) {
	p.used.Store(int64(max(now.Sub(p.connected), 1)))
}

// seat decides whether the swarm takes a peer in, and gives it a place.
func (l *live) seat(p *peer) bool {
	if l.book.Banned(p.conn.RemoteAddr().Addr()) {
		return false
	}
	if len(l.peers) >= l.engine.places.share() && !l.displace(p.host(), false) {
		return false
	}
	return l.engine.places.give(p)
}

// displace has one of the swarm's connections make way for one from a host, if one should.
func (l *live) displace(host netip.Prefix, dialled bool) bool {
	p, ok := choose.Displaced(views(l.peers, time.Now()), host, dialled)
	if ok {
		p.conn.Close()
		l.handleParted(p)
	}
	return ok
}

// roomFor reports whether the swarm may dial an address.
func (l *live) roomFor(addr netip.Addr) bool {
	if len(l.peers)+l.book.Dialing >= wantedPeers && !l.displace(swarm.Host(addr), true) {
		return false
	}
	return l.engine.places.room(len(l.engine.dials), addr)
}
