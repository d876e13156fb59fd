package door

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

const (
	tickLength = time.Second
	// mostDials is how many connections are being opened at a time, over all swarms, and swarmDials in one of them.
	mostDials  = 32
	swarmDials = 12
	// hostConns is how many connections of a swarm one host may have: it may hold several peers, behind one address.
	hostConns = 8
	// shortLived is a connection that was made and came to nothing.
	shortLived = 10 * time.Second
)

// SwarmConns is how many connections one swarm has at most.
const SwarmConns = 80

// Dialer opens connections to peers; satisfied by *peerwire.Port.
type Dialer interface {
	Dial(ctx context.Context, addr netip.AddrPort, h swarm.InfoHash) (*peerwire.Conn, error)
}

// Lists is our side of list passing; satisfied by *discovery.Lists.
type Lists interface {
	Ask(swarm.Introducer) (request []byte, ok bool)
	Handle(p swarm.Introducer, payload []byte) (reply []byte, err error)
}

// Config is what a Door works with.
type Config struct {
	Dialer Dialer
	PeerID [20]byte              // ours
	Allow  func(netip.Addr) bool // whether an address that somebody has named may be dialled
	// AddNode takes DHT nodes that peers name; nil: nobody does.
	AddNode func(netip.AddrPort)
	// Lists is our side of list passing, which is spoken in the swarms that Listable names; nil: in none.
	Lists    Lists
	Listable func(swarm.InfoHash) bool
	// MostConns is how many connections all swarms have together; 0 means 300.
	MostConns int
	Log       *slog.Logger // nil: no log
}

// Swarm is one of the owner's swarms, as far as its connections need to know it.
type Swarm struct {
	Hash    swarm.InfoHash
	Name    string
	Private bool  // BEP 27: its peers are those of its trackers, and it is named to nobody
	Seek    *Seek // looks for the metadata; nil once it is known

	// The rest is known with the metadata.

	Pieces              int
	PieceLength, Length int64 // bytes
	InfoLength          int64 // of the info dictionary, bytes; 0 if it cannot be had
	Info                func() ([]byte, error)
	Complete            bool           // we have all of it
	Engine              netip.AddrPort // where the engine takes its peers, on this machine
}

// serves reports whether connections that were made for s serve for o.
func (s Swarm) serves(o Swarm) bool {
	return s.Seek == o.Seek && s.Engine == o.Engine && s.Private == o.Private && s.Pieces == o.Pieces
}

// Door takes in, dials and serves the connections of the owner's swarms. Its methods may be called from any goroutine.
type Door struct {
	cfg     Config
	wake    chan struct{}  // holds a token when there may be somebody to dial
	running sync.WaitGroup // what Run waits for

	mu      sync.Mutex      // guards the rest, and what the rooms and guests say that it guards
	ctx     context.Context // of Run; nil before it and after
	rooms   map[swarm.InfoHash]*room
	dialing int
	conns   int
}

// room is where the connections of one swarm are. Door.mu guards it.
type room struct {
	hash    swarm.InfoHash // these three never change
	private bool
	seek    *Seek

	swarm  Swarm            // Door.mu guards it, and what follows
	book   *peersource.Book // that of the room before it, if it takes the place of one
	guests map[*guest]struct{}
	closed chan struct{} // closed when it is another swarm, or none

	loops    map[loopKey]netip.Addr
	nextLoop uint32
	served   map[netip.Addr]bool // hosts that the engine has taken
	info     []byte              // the metadata, while it is asked for
	infoUsed time.Time
	nextPEX  time.Time
}

// guest is a connection to a peer.
type guest struct {
	conn    *peerwire.Conn
	addr    netip.AddrPort // where it listens; not valid if it came to us and has not said. Door.mu guards it
	dialled bool
	since   time.Time
	loop    netip.Addr // towards the engine. Door.mu guards it
	rules   *rules     // while it is carried. Door.mu guards it
	toldPEX map[netip.AddrPort]struct{}
	greeted bool // our extension handshake has gone out; Door.mu guards this and the next two
	lists   bool // it passes lists, and
	asked   bool // it was asked for its own

	// For its reader alone.
	introduced bool      // it has sent an extension handshake
	nextPEX    time.Time // when it may name addresses again
}

// New makes a Door. Nobody is dialled or let in before Run.
func New(cfg Config) *Door {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.AddNode == nil {
		cfg.AddNode = func(netip.AddrPort) {}
	}
	if cfg.Lists == nil || cfg.Listable == nil {
		cfg.Listable = func(swarm.InfoHash) bool { return false }
	}
	if cfg.MostConns == 0 {
		cfg.MostConns = 300
	}
	return &Door{cfg: cfg, wake: make(chan struct{}, 1), rooms: make(map[swarm.InfoHash]*room)}
}

// Put brings a swarm to the door, or up to date: connections that do not serve it any more are closed, and those of its
// addresses that are known are dialled anew.
func (d *Door) Put(s Swarm) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.rooms[s.Hash]
	if old != nil && old.swarm.serves(s) {
		old.update(s)
		return
	}
	r := &room{
		hash: s.Hash, private: s.Private, seek: s.Seek, swarm: s, guests: make(map[*guest]struct{}), closed: make(chan struct{}),
		loops: make(map[loopKey]netip.Addr), served: make(map[netip.Addr]bool),
	}
	if old != nil {
		old.empty()
	}
	if old != nil && (old.private || !s.Private) { // else who was found elsewhere than by its trackers is no peer
		r.book = old.book
		r.book.Hurry()
	} else {
		book := peersource.NewBook()
		r.book = &book
	}
	d.rooms[s.Hash] = r
	d.poke()
}

// update takes note of what has changed about a swarm. d.mu is held.
func (r *room) update(s Swarm) {
	completed := s.Complete && !r.swarm.Complete
	if r.swarm.Complete && !s.Complete {
		r.book.Revive()
	}
	r.swarm = s
	for g := range r.guests {
		if completed && g.rules != nil && g.rules.seed() {
			g.conn.Close()
			if g.addr.IsValid() {
				r.book.Spare(g.addr)
			}
		}
	}
}

// Remove takes a swarm away. Its connections end.
func (d *Door) Remove(h swarm.InfoHash) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.rooms[h]; r != nil {
		r.empty()
		delete(d.rooms, h)
	}
}

// empty ends all connections; their goroutines take leave by themselves.
func (r *room) empty() {
	close(r.closed)
	for g := range r.guests {
		g.conn.Close()
		if g.addr.IsValid() {
			r.book.Parted(g.addr, time.Time{})
		}
	}
}

// Found tells where peers of a swarm may be.
func (d *Door) Found(h swarm.InfoHash, addrs []netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.rooms[h]
	if r == nil {
		return
	}
	for _, a := range addrs {
		if d.cfg.Allow(a.Addr().Unmap()) {
			r.book.Add(a)
		}
	}
	d.poke()
}

// Knows reports whether a peer may ask for the swarm.
func (d *Door) Knows(h swarm.InfoHash) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ctx != nil && d.rooms[h] != nil && d.rooms[h].open()
}

// open reports whether there is anybody to serve a connection. d.mu is held.
func (r *room) open() bool { return r.seek != nil || r.swarm.Engine.IsValid() }

// InfoHashes yields the swarms that Knows knows.
func (d *Door) InfoHashes() iter.Seq[swarm.InfoHash] {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil {
		return func(func(swarm.InfoHash) bool) {}
	}
	var open []swarm.InfoHash
	for h, r := range d.rooms {
		if r.open() {
			open = append(open, h)
		}
	}
	return slices.Values(open)
}

// poke makes Run look for somebody to dial.
func (d *Door) poke() {
	select {
	case d.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Run dials, and keeps the door open, until ctx ends; then it closes all connections and waits for what serves them. It
// is to be called once. Its error is always nil.
func (d *Door) Run(ctx context.Context) error {
	d.mu.Lock()
	d.ctx = ctx
	d.mu.Unlock()
	tick := time.NewTicker(tickLength)
	defer tick.Stop()
	for {
		select {
		case <-d.wake:
		case <-tick.C:
			d.tick(time.Now())
			d.askLists()
		case <-ctx.Done():
			d.shut()
			d.running.Wait()
			return nil
		}
		d.dial(time.Now())
	}
}

// shut closes the door for good.
func (d *Door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ctx = nil
	for h, r := range d.rooms {
		r.empty()
		delete(d.rooms, h)
	}
}

// tick passes the time on.
func (d *Door) tick(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.rooms {
		if r.swarm.Seek != nil {
			r.swarm.Seek.tick(now)
			continue
		}
		if now.Sub(r.infoUsed) > infoKept {
			r.info = nil
		}
		if !r.swarm.Private && !now.Before(r.nextPEX) {
			r.nextPEX = now.Add(pexInterval)
			r.sendPEX()
		}
	}
}

// dial opens connections while there is room for them.
func (d *Door) dial(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for h, r := range d.rooms {
		for d.ctx != nil && r.open() && d.dialing < mostDials && r.book.Dialing < swarmDials &&
			len(r.guests)+r.book.Dialing < SwarmConns && d.conns+d.dialing < d.cfg.MostConns {
			addr, ok := r.book.Due(now)
			if !ok {
				break
			}
			r.book.Met(addr)
			r.book.Dialing++
			d.dialing++
			ctx := d.ctx
			d.running.Go(func() { d.call(ctx, h, r.book, addr) })
		}
	}
}

// call dials one address, and serves the connection.
func (d *Door) call(ctx context.Context, h swarm.InfoHash, book *peersource.Book, addr netip.AddrPort) {
	c, err := d.cfg.Dialer.Dial(ctx, addr, h)
	d.mu.Lock()
	d.dialing--
	book.Dialing--
	switch {
	case err == nil:
	case errors.Is(err, peerwire.ErrSelf):
		book.Forget(addr)
	default:
		book.Failed(addr, time.Now())
	}
	r := d.rooms[h] // as it is by now
	d.mu.Unlock()
	d.poke()
	if err != nil {
		return
	}
	defer func() {
		c.Close()
		<-c.Done()
	}()
	if r == nil {
		return
	}
	d.receive(ctx, r, &guest{conn: c, addr: addr, dialled: true})
}

// Incoming serves a connection that came in, until it ends. The caller closes it.
func (d *Door) Incoming(ctx context.Context, c *peerwire.Conn) {
	d.mu.Lock()
	r := d.rooms[c.InfoHash()]
	if r == nil || d.ctx == nil {
		d.mu.Unlock()
		return
	}
	d.running.Add(1)
	d.mu.Unlock()
	defer d.running.Done()
	d.receive(ctx, r, &guest{conn: c})
}

// receive serves a connection if there is room for it.
func (d *Door) receive(ctx context.Context, r *room, g *guest) {
	g.since = time.Now()
	if !d.seat(r, g) {
		return
	}
	err := d.serve(ctx, r, g)
	if errors.Is(err, errLied) || errors.Is(err, errTurnedAway) {
		d.ban(r, g)
	}
	d.cfg.Log.Debug("connection of a download ended", "address", g.conn.RemoteAddr(), "swarm", r.hash.String(), "err", err)
	d.leave(r, g)
}

// seat gives a connection a place, and reports whether there was one.
func (d *Door) seat(r *room, g *guest) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	host := swarm.Host(g.conn.RemoteAddr().Addr())
	same := 0
	for other := range r.guests {
		if swarm.Host(other.conn.RemoteAddr().Addr()) == host {
			same++
		}
	}
	select {
	case <-r.closed:
		if g.addr.IsValid() {
			r.book.Parted(g.addr, time.Time{}) // and may be dialled for the room that has taken this one's place
		}
		return false
	default:
	}
	if d.ctx == nil || r.book.Banned(g.conn.RemoteAddr().Addr()) || same >= hostConns || len(r.guests) >= SwarmConns || d.conns >= d.cfg.MostConns {
		if g.addr.IsValid() {
			r.book.Parted(g.addr, time.Now())
		}
		return false
	}
	if other := r.twin(g); other != nil {
		if !d.outranks(g, other) {
			if g.addr.IsValid() && !other.addr.IsValid() {
				other.addr = g.addr // and not to be dialled while it is connected
			} else if g.addr.IsValid() && g.addr != other.addr {
				r.book.Parted(g.addr, time.Now())
			}
			return false
		}
		other.conn.Close()
	}
	g.loop = r.loopback(g)
	r.guests[g] = struct{}{}
	d.conns++
	return true
}

// twin is the connection that there is already to the same peer, or nil. d.mu is held.
func (r *room) twin(g *guest) *guest {
	for other := range r.guests {
		if other.conn.PeerID() == g.conn.PeerID() {
			return other
		}
	}
	return nil
}

// atOnce is how far apart two connections may be that both sides opened without knowing of the other.
const atOnce = 10 * time.Second

// outranks decides which of two connections to one peer is kept when both sides dialled at once: the one that the higher
// peer ID dialled, as both sides see it. Otherwise it is the older one.
func (d *Door) outranks(g, other *guest) bool {
	if g.dialled == other.dialled || g.since.Sub(other.since) > atOnce || g.conn.RemoteAddr().Addr() != other.conn.RemoteAddr().Addr() {
		return false
	}
	id := g.conn.PeerID()
	return bytes.Compare(id[:], d.cfg.PeerID[:]) > 0 == g.conn.Incoming()
}

// leave gives the place back.
func (d *Door) leave(r *room, g *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(r.guests, g)
	d.conns--
	now := time.Now()
	select {
	case <-r.closed: // then its address is another room's
	default:
		switch {
		case !g.addr.IsValid():
		case now.Sub(g.since) < shortLived: // it may not have noticed yet that we have left and come again
			r.book.Failed(g.addr, now)
		default:
			r.book.Parted(g.addr, now)
		}
	}
	d.poke()
}

// ban keeps the host of a guest out of the swarm.
func (d *Door) ban(r *room, g *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cfg.Log.Info("a peer of a download lies, and is kept out", "address", g.conn.RemoteAddr(), "swarm", r.hash.String())
	r.book.Ban(g.conn.RemoteAddr().Addr())
}

// serve decides who serves a connection, and returns when that is over.
func (d *Door) serve(ctx context.Context, r *room, g *guest) error {
	defer context.AfterFunc(ctx, func() { g.conn.Close() })()
	if r.seek != nil {
		return d.seek(r.seek, g)
	}
	return d.carry(ctx, r, g)
}

// seek asks the peer for the metadata.
func (d *Door) seek(s *Seek, g *guest) error {
	c := g.conn
	if !c.Extended() {
		return peerwire.ErrNotSupported
	}
	if c.Fast() { // which must know at once what we have (BEP 6)
		if err := c.Send(peerwire.Message{Type: peerwire.HaveNone}); err != nil {
			return err
		}
	}
	if err := c.SendExtensionHandshake(peerwire.Extensions{M: map[string]uint8{peerwire.ExtensionMetadata: 0}}); err != nil {
		return err
	}
	giver := &giver{send: func(request []byte) error { return c.SendExtended(peerwire.ExtensionMetadata, request) }}
	defer func() { s.leave(giver, time.Now()) }()
	for {
		m, err := c.Read()
		if err != nil {
			return err
		}
		m.Recycle()
		switch {
		case m.Type == peerwire.ExtensionHandshake:
			x := c.Peer()
			if x.MetadataSize > 0 && x.M[peerwire.ExtensionMetadata] != 0 && giver.size == 0 {
				giver.size = x.MetadataSize
				s.offer(giver, time.Now())
			}
		case m.Type == peerwire.Extended && m.Name == peerwire.ExtensionMetadata:
			err = takeMetadata(s, giver, c, m.Payload)
		}
		if err != nil {
			return err
		}
	}
}

// takeMetadata takes a ut_metadata message.
func takeMetadata(s *Seek, g *giver, c *peerwire.Conn, payload []byte) error {
	m, err := peerwire.ParseMetadataMessage(payload)
	if err != nil {
		return err
	}
	if m.Kind == peerwire.MetadataRequest { // we lack it ourselves
		return c.SendExtended(peerwire.ExtensionMetadata, peerwire.MetadataReply(nil, m.Piece))
	}
	return s.take(g, m, time.Now())
}
