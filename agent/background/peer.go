package background

import (
	"bytes"
	"net/netip"
	"sync/atomic"
	"time"

	"ebb/agent/peerwire"
)

// peer is one connection in a live swarm. The swarm's goroutine owns it; its
// reader (servePeer) only passes messages on.
type peer struct {
	live   *live // set when the swarm takes it in
	conn   *peerwire.Conn
	dialed bool           // the swarm dialled it, and has the address book count it among those being dialled until it joins
	addr   netip.AddrPort // where it listens, as far as known; zero if it came to us and has not said
	rival  *peer          // an older connection to the same peer, whose place it takes when it has said something; or nil

	having         having            // what it has said of its pieces
	has            peerwire.Bitfield // empty until the metadata is known
	peerChoking    bool              // it chokes us
	amInterested   bool              // we told it that we are interested
	guess          int               // where to look first for a piece of it that we want
	unsure         bool              // whether we are interested may have changed; found out with the next tick
	amChoking      bool              // we choke it
	peerInterested bool              // it told us that it is interested

	refusals int          // of requests for metadata
	rejected atomic.Int64 // requests for blocks, in turn for which it must wait: see breathe

	fetches   []*fetch  // the pieces that we take from it, in order
	pending   int       // blocks requested and not yet received
	lastBlock time.Time // when it last sent a block, or was first asked for one
	received  int64     // bytes of blocks, since the last tick
	rate      float64   // of the same, bytes per second, smoothed over about ten ticks
	strikes   int       // fragments it had a part in that failed their hash
	rejects   int       // requests it rejected since a piece that it had a part in was stored
	depth     int       // blocks to keep requested
	snubbed   bool      // it left a request unanswered for too long; for a while it gets no other
	connected time.Time
	chokedAt  time.Time    // when we last choked it; zero if it was never served
	sent      atomic.Int64 // bytes of blocks written to it; counted by the connection's writer
	cost      atomic.Int64 // the same, and requestCost for each block
	kept      kept         // for the connection's writer
	turns     turns
	asked     bool // for its list
	useless   bool // it holds everything, and so do we
	toldPEX   map[netip.AddrPort]struct{}
	nextPEX   time.Time // when it may name addresses again

	wants atomic.Bool  // one side is interested. Anybody may read it
	used  atomic.Int64 // when it was last of use, as the time.Duration since connected; 0 for never. Anybody may read it
}

// servePeer takes a new peer into its swarm and passes on what it says, until its connection ends.
func (e *Engine) servePeer(p *peer) {
	c := p.conn
	defer func() {
		c.Close()
		<-c.Done() // its writer calls back into the swarm
		p.kept.close()
	}()
	p.peerChoking, p.amChoking, p.connected = true, true, time.Now()
	var l *live
	if !e.deliver(c.InfoHash(), makeWay, func(to *live) bool { l = to; return post(to, to.joined, p) }) {
		return
	}
	for {
		m, err := c.Read()
		if err != nil {
			break
		}
		if !post(l, l.messages, message{p, m}) {
			m.Recycle()
			break
		}
		if m.Type == peerwire.Request && !p.breathe() {
			break
		}
	}
	post(l, l.parted, p)
}

// handleJoined greets a new peer: what we have, and what we speak.
func (l *live) handleJoined(p *peer) {
	now := time.Now()
	switch {
	case p.dialed:
		l.book.Dialing--
	case p.addr.IsValid():
		l.book.Met(p.addr)
	}
	p.live, p.lastBlock, p.depth = l, now, minDepth
	if other := l.twin(p); other != nil && l.outranks(p, other) {
		p.rival = other
	} else if other != nil {
		// The same peer, dialled and dialling. What was dialled is where it
		// listens, and not to be dialled again while it is connected.
		p.conn.Close()
		switch {
		case !other.addr.IsValid():
			other.addr = p.addr
		case p.addr.IsValid() && p.addr != other.addr:
			l.book.Parted(p.addr, now)
		}
		return
	}
	if !l.seat(p) {
		p.conn.Close()
		if p.addr.IsValid() {
			l.book.Parted(p.addr, now)
		}
		return
	}
	l.peers[p] = struct{}{}
	l.lastUseful = now
	l.lonely.Store(nil)
	l.engine.hearNow()
	if l.info != nil {
		p.has = peerwire.NewBitfield(l.info.NumPieces())
	}
	l.greet(p)
	l.publish()
}

// twin is the connection that there is already to the same peer, or nil.
func (l *live) twin(p *peer) *peer {
	for other := range l.peers {
		if other.conn.PeerID() == p.conn.PeerID() {
			return other
		}
	}
	return nil
}

// atOnce is how far apart two connections may be that both sides opened without
// knowing of the other: about a handshake's time.
const atOnce = 10 * time.Second

// outranks decides which of two connections to one peer is kept when both sides dialled at once: the one that the
// higher peer ID dialled. Both sides decide the same, or each would close what the other keeps. Some programs close the
// newer one whatever the IDs are; so the older one goes only when the newer has said something, see succeed.
func (l *live) outranks(p, other *peer) bool {
	if p.conn.Incoming() == other.conn.Incoming() || p.connected.Sub(other.connected) > atOnce ||
		p.conn.RemoteAddr().Addr() != other.conn.RemoteAddr().Addr() {
		return false // not one peer that dials as it is dialled; it may only claim to be the other
	}
	id := p.conn.PeerID()
	theirsIsHigher := bytes.Compare(id[:], l.engine.cfg.PeerID[:]) > 0
	return p.conn.Incoming() == theirsIsHigher
}

// succeed has a connection that has said something take the place of an older one to the same peer.
func (l *live) succeed(p *peer) {
	other := p.rival
	p.rival = nil
	if _, ok := l.peers[other]; !ok {
		return
	}
	other.conn.Close()
	if !p.addr.IsValid() {
		p.addr = other.addr
	}
	other.addr = netip.AddrPort{} // p stands for it now
	l.handleParted(other)
}

func (l *live) greet(p *peer) {
	switch {
	case p.conn.Fast() && (l.info == nil || l.held.Count() == 0):
		p.send(peerwire.Message{Type: peerwire.HaveNone})
	case p.conn.Fast() && l.held.Count() == l.held.Len():
		p.send(peerwire.Message{Type: peerwire.HaveAll})
	case l.info != nil && l.held.Count() > 0:
		p.send(peerwire.Message{Type: peerwire.HaveBitfield, Bitfield: l.held.Clone().Bytes()})
	}
	if l.engine.cfg.AddNode != nil {
		p.send(peerwire.Message{Type: peerwire.DHTPort, Port: l.engine.cfg.Port})
	}
	if p.conn.Extended() {
		l.introduce(p)
	}
}

// introduce sends the extension handshake (BEP 10), again whenever what it says has changed.
func (l *live) introduce(p *peer) {
	err := p.conn.SendExtensionHandshake(peerwire.Extensions{
		V:            l.engine.cfg.Client,
		Reqq:         maxQueuedBlocks,
		MetadataSize: int64(len(l.raw)),
		Port:         l.engine.cfg.Port,
		UploadOnly:   l.onlyUpload, // BEP 21
		YourIP:       p.conn.RemoteAddr().Addr(),
	})
	if err != nil {
		p.conn.Close()
	}
}

// send queues a message; a peer whose queue is full is not reading, and goes.
func (p *peer) send(m peerwire.Message) {
	if err := p.conn.Send(m); err != nil {
		p.conn.Close()
	}
}

func (l *live) handleParted(p *peer) {
	if _, ok := l.peers[p]; !ok {
		return
	}
	delete(l.peers, p)
	l.engine.places.free(p)
	l.dropHaving(p)
	l.forgetLent(p)
	for i := range l.copies {
		if p.has.Has(i) {
			l.copies[i]--
		}
	}
	p.orphanAll(time.Now())
	if l.meta != nil {
		delete(l.meta.tried, p)
		if l.meta.from == p {
			l.meta.from, l.meta.until = nil, time.Time{}
		}
	}
	if other := p.rival; other != nil && p.addr == other.addr {
		p.addr = netip.AddrPort{} // that is still connected
	}
	if p.addr.IsValid() {
		l.book.Parted(p.addr, time.Now())
		if p.useless {
			l.book.Spare(p.addr)
		}
	}
	if now := time.Now(); len(l.peers) == 0 {
		l.lonely.Store(&now)
	}
	l.publish()
	l.fillSlots(time.Now()) // its slot may serve another
}

// handleMessage takes one message. Whatever breaks the protocol ends the
// connection; whatever is merely useless is ignored.
func (l *live) handleMessage(p *peer, m peerwire.Message) {
	defer m.Recycle()
	if _, ok := l.peers[p]; !ok {
		return
	}
	if p.rival != nil {
		l.succeed(p)
	}
	if !l.dispatch(p, m) {
		p.conn.Close()
	}
}

// dispatch dispatches a message; false means that the peer broke the protocol.
func (l *live) dispatch(p *peer, m peerwire.Message) bool {
	switch m.Type {
	case peerwire.Choke:
		l.takeChoke(p)
	case peerwire.Unchoke:
		p.peerChoking, p.snubbed = false, false
		p.lastBlock = time.Now()
		l.request(p)
	case peerwire.Interested:
		l.takeInterested(p, time.Now())
	case peerwire.NotInterested:
		p.peerInterested = false
		p.noteWants()
		l.choke(p, time.Now())
		l.fillSlots(time.Now())
	case peerwire.Have, peerwire.HaveBitfield, peerwire.HaveAll, peerwire.HaveNone:
		return l.takeHaving(p, m)
	case peerwire.Request:
		return l.takeRequest(p, m)
	case peerwire.Cancel:
		if p.conn.CancelBlock(m.Index, m.Begin, m.Length) && p.conn.Fast() {
			p.send(peerwire.Message{Type: peerwire.Reject, Index: m.Index, Begin: m.Begin, Length: m.Length})
		}
	case peerwire.Piece:
		return l.takeBlock(p, m)
	case peerwire.Reject:
		l.takeReject(p, m)
	case peerwire.DHTPort:
		if add := l.engine.cfg.AddNode; add != nil && m.Port != 0 {
			add(netip.AddrPortFrom(p.conn.RemoteAddr().Addr(), m.Port))
		}
	case peerwire.ExtensionHandshake:
		l.takeIntroduction(p, m.Extensions)
	case peerwire.Extended:
		return l.takeExtended(p, m)
	}
	return true
}
