package door

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"

	"golang.org/x/time/rate"
)

// A connection that is carried to the engine:
//
//  1. The engine is dialled over loopback, from an address of 127.0.0.0/8 that no other peer of the swarm has, and shaken
//     hands with as if we were the stranger.
//  2. Each side is told by us what extensions there are. The stranger's list requests, requests for metadata and peer
//     exchange are answered here, with the real addresses (extend.go).
//  3. Two goroutines read, one each side; what the rules let pass is written to the other side. Nothing is queued but a
//     few blocks: a side that does not read keeps the other from being read.

// news is how often a stranger may change its mind; each time rain looks at all pieces. More often, it waits.
const (
	newsRate  = 50 // a second
	newsBurst = 500
)

var (
	// errTurnedAway says that the engine takes nobody from where a peer is: it has sent pieces that were wrong.
	errTurnedAway = errors.New("the engine takes nothing from this peer any more")
	errClosed     = errors.New("the swarm was closed")
)

// carry passes a connection on to the engine, until one side ends it.
func (d *Door) carry(ctx context.Context, r *room, g *guest) error {
	c := g.conn
	d.mu.Lock()
	s := r.swarm
	d.mu.Unlock()
	engine, err := d.dialEngine(ctx, r, g, s)
	if err != nil {
		return err
	}
	defer engine.Close()
	defer context.AfterFunc(ctx, func() { engine.Close() })()
	d.mu.Lock()
	g.rules = newRules(shape{s.Pieces, s.PieceLength, s.Length}, c.Fast())
	if len(r.served) < mostLoops {
		r.served[c.RemoteAddr().Addr()] = true
	}
	d.mu.Unlock()
	back := make(chan error, 1)
	go func() {
		defer c.Close()
		back <- d.fromEngine(r, g, engine)
	}()
	err = d.fromStranger(ctx, r, g, engine)
	engine.Close()
	c.Close()
	return errors.Join(err, <-back)
}

// dialEngine connects to the engine. When it has taken the host before, and ends every connection at once now, it is
// errTurnedAway; the first may only have crossed the end of the one before it.
func (d *Door) dialEngine(ctx context.Context, r *room, g *guest, s Swarm) (*peerwire.Engine, error) {
	const tries, apart = 4, time.Second
	pause := time.NewTimer(0)
	defer pause.Stop()
	var engine *peerwire.Engine
	var err error
	for range tries {
		select {
		case <-pause.C:
		case <-r.closed:
			return nil, errClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		id := disguise(g.conn.PeerID())
		engine, err = peerwire.DialEngine(ctx, net.IP(g.loop.AsSlice()), s.Engine.String(), s.Hash, id, g.conn.Fast(), g.conn.Extended())
		if err == nil || !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			return engine, err
		}
		pause.Reset(apart)
	}
	if d.carried(r, g) {
		err = fmt.Errorf("%w: %w", errTurnedAway, err)
	}
	return nil, err
}

// disguise makes a peer ID that shows the client's name, and which no other peer can have: rain turns away the second of
// two peers with one ID, and IDs are no secret.
func disguise(id [20]byte) [20]byte {
	const client = 8 // "-TR4060-" (BEP 20)
	rand.Read(id[client:])
	return id
}

// fromStranger passes on what the stranger says.
func (d *Door) fromStranger(ctx context.Context, r *room, g *guest, engine *peerwire.Engine) error {
	c := g.conn
	news := rate.NewLimiter(newsRate, newsBurst)
	for {
		m, err := c.Read()
		if err != nil {
			return err
		}
		v, err := g.rules.fromStranger(m)
		switch {
		case err != nil:
		case v == refuse:
			err = c.Send(peerwire.Message{Type: peerwire.Reject, Index: m.Index, Begin: m.Begin, Length: m.Length})
		case v == pass:
			switch m.Type {
			case peerwire.Choke, peerwire.Unchoke, peerwire.Interested, peerwire.NotInterested:
				err = news.Wait(ctx)
			case peerwire.HaveAll, peerwire.HaveBitfield, peerwire.Have:
				d.partIfUseless(r, g)
			}
			if err == nil {
				err = engine.Write(m)
			}
		default:
			err = d.extend(r, g, engine, m)
		}
		if err == nil && !c.Pending() {
			err = engine.Flush()
		}
		m.Recycle()
		if err != nil {
			return err
		}
	}
}

// fromEngine passes on what the engine says. Its first message tells what it has, and comes before all that we say.
func (d *Door) fromEngine(r *room, g *guest, engine *peerwire.Engine) error {
	introduced := false
	for {
		m, err := engine.Read()
		if err != nil {
			return err
		}
		if g.rules.fromEngine(m) == pass {
			err = g.conn.Relay(m) // which takes over the memory of a block
		} else {
			m.Recycle()
		}
		if err == nil && !introduced {
			introduced = true
			err = d.introduce(r, g)
			if err == nil {
				err = d.askList(r, g)
			}
		}
		if err != nil {
			return err
		}
	}
}

// loopKey names one of the connections of a host.
type loopKey struct {
	host netip.Addr
	slot int
}

// mostLoops is how many of them are remembered in a swarm.
const mostLoops = 1 << 16

// loopback gives a connection its address towards the engine: always the same one to the first connection of a host, and
// so on, so that whom rain has banned stays banned. d.mu is held.
func (r *room) loopback(g *guest) netip.Addr {
	key := loopKey{host: g.conn.RemoteAddr().Addr()}
	taken := make(map[netip.Addr]bool)
	for other := range r.guests {
		taken[other.loop] = true
	}
	for ; ; key.slot++ {
		addr, known := r.loops[key]
		if !known {
			if len(r.loops) >= mostLoops {
				clear(r.loops)
			}
			n := r.nextLoop
			r.nextLoop++
			// 127.192.0.0/10: far from where programs listen.
			addr = netip.AddrFrom4([4]byte{127, 192 | byte(n>>16)&0x3f, byte(n >> 8), byte(n)})
			r.loops[key] = addr
		}
		if !taken[addr] {
			return addr
		}
	}
}

// carried reports whether the engine takes others, so that it has turned this one away.
func (d *Door) carried(r *room, g *guest) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-r.closed:
		return false
	default:
	}
	return g.loop.IsValid() && r.served[g.conn.RemoteAddr().Addr()]
}

// partIfUseless ends the connection to a seed, once we have everything, too.
func (d *Door) partIfUseless(r *room, g *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.swarm.Complete && g.rules != nil && g.rules.seed() {
		g.conn.Close()
		if g.addr.IsValid() {
			r.book.Spare(g.addr)
		}
	}
}

// Peer is a connection of a swarm, as the engine does not know it.
type Peer struct {
	Addr      netip.AddrPort
	Client    string
	Encrypted bool
	Dialled   bool // by us
	Since     time.Time
}

// Peers returns the connections of a swarm that are carried, by the addresses that the engine sees.
func (d *Door) Peers(h swarm.InfoHash) map[netip.Addr]Peer {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.rooms[h]
	if r == nil {
		return nil
	}
	peers := make(map[netip.Addr]Peer, len(r.guests))
	for g := range r.guests {
		peers[g.loop] = Peer{
			Addr: g.conn.RemoteAddr(), Client: clientOf(g.conn), Encrypted: g.conn.Encrypted(), Dialled: g.dialled, Since: g.since,
		}
	}
	return peers
}

// clientOf is what a peer calls itself.
func clientOf(c *peerwire.Conn) string {
	if name := c.Peer().V; name != "" {
		return name
	}
	return swarm.PeerID(c.PeerID()).Client()
}
