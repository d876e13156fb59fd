package background

import (
	"errors"
	"net/netip"
	"time"

	"ebb/agent/peerwire"
)

const dialsPerSwarm = 8

type dialResult struct {
	addr netip.AddrPort
	err  error
}

func (l *live) handleFound(addrs []netip.AddrPort) {
	for _, a := range addrs {
		if l.engine.cfg.AllowAddr(a.Addr().Unmap()) {
			l.book.Add(a)
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
	for l.book.Dialing < dialsPerSwarm {
		addr, ok := l.book.Due(now)
		if !ok || !l.roomFor(addr.Addr()) {
			return
		}
		select {
		case l.engine.dials <- struct{}{}:
		default:
			return // every dial of the engine is under way; the next tick tries again
		}
		l.book.Met(addr)
		l.book.Dialing++
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
	l.book.Dialing--
	if errors.Is(r.err, peerwire.ErrSelf) {
		l.book.Forget(r.addr)
		return
	}
	l.book.Failed(r.addr, time.Now())
}
