package background

import (
	"sync"
	"time"

	"ebb/agent/background/choose"
	"ebb/agent/peerwire"
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
// are closed before it returns, those that are of the least use first, and no more are taken in or dialled than fit.
//
// It neither waits for a swarm nor asks one: when memory is short, a swarm may be waiting for the disk. The connections
// end by themselves, as if their peers had hung up.
func (e *Engine) SetMostConns(n int) {
	for _, c := range e.places.bound(min(max(n, 0), maxConns)) {
		c.Close()
	}
}

// bound sets the bound and takes the places of the connections beyond it. It returns these.
func (s *places) bound(most int) (surplus []*peerwire.Conn) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = most
	if len(s.open) <= most {
		return nil
	}
	views := make([]choose.ConnView[*peer], 0, len(s.open))
	for p := range s.open {
		v := choose.ConnView[*peer]{Peer: p, Open: now.Sub(p.connected), Unused: choose.Never}
		if used := p.used.Load(); used != 0 {
			v.Unused = v.Open - time.Duration(used)
		}
		views = append(views, v)
	}
	for _, p := range choose.Surplus(views, most) {
		delete(s.open, p)
		surplus = append(surplus, p.conn)
	}
	return surplus
}

// give gives a connection a place, and reports whether there was one.
func (s *places) give(p *peer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= s.most {
		return false
	}
	s.open[p] = struct{}{}
	return true
}

// free notes that a connection has ended. Its place may be another's by now.
func (s *places) free(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, p)
}

// room reports whether there will be a place for one more connection when those that are being dialled have been made.
func (s *places) room(dialing int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)+dialing < s.most
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
	if _, bad := l.book.banned[p.conn.RemoteAddr().Addr()]; bad || len(l.peers) >= maxPeers {
		return false
	}
	return l.engine.places.give(p)
}
