package background

import (
	"time"

	"ebb/agent/background/choose"
	"ebb/agent/peerwire"
)

// maxConns is the most connections over all swarms, whatever SetMostConns says.
// One costs some 30 kB with the kernel's part, so that they are 6 MB.
const maxConns = 200

// SetMostConns changes how many connections may be open over all swarms, from 0
// to 200, where it begins. Surplus ones are closed before it returns, those that
// are of the least use first, and no more are taken in or dialled than fit.
//
// It neither waits for a swarm nor asks one: when memory is short, a swarm may
// be waiting for the disk. The connections end by themselves, as if their peers
// had hung up.
func (e *Engine) SetMostConns(n int) {
	for _, c := range e.surplus(min(max(n, 0), maxConns)) {
		c.Close()
	}
}

// surplus sets the bound and gives up the places of the connections beyond it.
func (e *Engine) surplus(most int) (conns []*peerwire.Conn) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.most = most
	if len(e.open) <= most {
		return nil
	}
	views := make([]choose.ConnView[*peer], 0, len(e.open))
	for p := range e.open {
		v := choose.ConnView[*peer]{Peer: p, Open: now.Sub(p.connected), Unused: choose.Never}
		if used := p.used.Load(); used != 0 {
			v.Unused = v.Open - time.Duration(used)
		}
		views = append(views, v)
	}
	for _, p := range choose.Surplus(views, most) {
		delete(e.open, p)
		conns = append(conns, p.conn)
	}
	return conns
}

// use notes that the peer is of use: a block has come from it or gone to it, or
// it was asked for one. Any goroutine may.
func (p *peer) use(now time.Time) {
	p.used.Store(int64(max(now.Sub(p.connected), 1)))
}

// admit decides whether there is a place for the peer, and gives it to it.
func (l *live) admit(p *peer) bool {
	if _, bad := l.book.banned[p.conn.RemoteAddr().Addr()]; bad || len(l.peers) >= maxPeers {
		return false
	}
	e := l.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.open) >= e.most {
		return false
	}
	e.open[p] = struct{}{}
	return true
}

// freePlace takes note that a connection has ended. Its place may be another's by now.
func (e *Engine) freePlace(p *peer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.open, p)
}

// hasPlace tells whether there will be a place for one more connection when all
// that are being dialled have been made.
func (e *Engine) hasPlace() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.open)+len(e.dials) < e.most
}

// shut tells whether no connection at all may be open. Then no swarm is woken
// for the sake of one either, for that would take memory.
func (e *Engine) shut() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.most == 0
}
