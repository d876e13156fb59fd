package door

import (
	"errors"
	"net/netip"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// What is said in extension messages (BEP 10) is said by the door: rain would tell addresses of 127.0.0.0/8, and decode
// what strangers send by recursion.

const (
	pexInterval = time.Minute // BEP 11
	// infoKept is how long the metadata is kept after it was last asked for.
	infoKept = 30 * time.Second
)

// introduce sends our extension handshake.
func (d *Door) introduce(r *room, g *guest) error {
	if !g.conn.Extended() {
		return nil
	}
	d.mu.Lock()
	s := r.swarm
	d.mu.Unlock()
	x := peerwire.Extensions{
		M: map[string]uint8{peerwire.ExtensionMetadata: 0}, MetadataSize: s.InfoLength, Reqq: mostAsked, UploadOnly: s.Complete,
	}
	if !s.Private {
		x.M[peerwire.ExtensionPEX] = 0
		if d.cfg.Lists != nil { // whether they are passed in this swarm may show only later
			x.M[peerwire.ExtensionList] = 0
		}
	}
	if err := g.conn.SendExtensionHandshake(x); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	g.greeted = true
	return nil
}

// extend acts on a message that is not for the engine.
func (d *Door) extend(r *room, g *guest, engine *peerwire.Engine, m peerwire.Message) error {
	private := r.private
	switch {
	case m.Type == peerwire.DHTPort && !private && m.Port != 0:
		d.cfg.AddNode(netip.AddrPortFrom(g.conn.RemoteAddr().Addr(), m.Port))
	case m.Type == peerwire.ExtensionHandshake:
		return d.takeIntroduction(r, g, engine, m.Extensions)
	case m.Type != peerwire.Extended:
	case m.Name == peerwire.ExtensionMetadata:
		return d.answerMetadata(r, g, m.Payload)
	case m.Name == peerwire.ExtensionPEX && !private:
		return d.takePEX(r, g, m.Payload)
	case m.Name == peerwire.ExtensionList && !private && d.cfg.Listable(r.hash):
		reply, err := d.cfg.Lists.Handle(d.listPeer(r, g), m.Payload)
		if err != nil || reply == nil {
			return err
		}
		return g.conn.SendExtended(peerwire.ExtensionList, reply)
	}
	return nil
}

// takeIntroduction takes an extension handshake. rain hears of the first only.
func (d *Door) takeIntroduction(r *room, g *guest, engine *peerwire.Engine, x *peerwire.Extensions) error {
	d.mu.Lock()
	if x.Port != 0 && !g.addr.IsValid() {
		if addr := netip.AddrPortFrom(g.conn.RemoteAddr().Addr(), x.Port); d.cfg.Allow(addr.Addr()) {
			g.addr = addr
			r.book.Met(addr)
		}
	}
	g.lists = !r.private && x.M[peerwire.ExtensionList] != 0
	d.mu.Unlock()
	if g.introduced {
		return nil
	}
	g.introduced = true
	if err := engine.WriteExtensionHandshake(g.conn.Peer()); err != nil {
		return err
	}
	return d.askList(r, g)
}

// askList asks a peer for its list, once, if lists are passed in the swarm by now.
func (d *Door) askList(r *room, g *guest) error {
	if d.cfg.Lists == nil || !d.cfg.Listable(r.hash) {
		return nil
	}
	d.mu.Lock()
	ask := g.lists && g.greeted && !g.asked
	g.asked = g.asked || ask
	d.mu.Unlock()
	if !ask {
		return nil
	}
	request, ok := d.cfg.Lists.Ask(d.listPeer(r, g))
	if !ok {
		return nil
	}
	return g.conn.SendExtended(peerwire.ExtensionList, request)
}

// askLists asks those who came before lists were passed in their swarm.
func (d *Door) askLists() {
	type waiting struct {
		room  *room
		guest *guest
	}
	var all []waiting
	d.mu.Lock()
	for _, r := range d.rooms {
		for g := range r.guests {
			if g.lists && g.greeted && !g.asked {
				all = append(all, waiting{r, g})
			}
		}
	}
	d.mu.Unlock()
	for _, w := range all {
		_ = d.askList(w.room, w.guest) // its connection is about to end
	}
}

func (d *Door) listPeer(r *room, g *guest) swarm.Introducer {
	d.mu.Lock()
	addr, name := g.addr, r.swarm.Name
	d.mu.Unlock()
	if !addr.IsValid() {
		addr = netip.AddrPortFrom(g.conn.RemoteAddr().Addr(), 0) // it did not say where it listens
	}
	return swarm.Introducer{
		Kind: swarm.KindPeer, PeerID: g.conn.PeerID(), Addr: addr, Client: g.conn.Peer().V,
		ViaHash: r.hash, ViaName: name,
	}
}

// answerMetadata answers a request for a piece of the metadata, when its turn comes.
func (d *Door) answerMetadata(r *room, g *guest, payload []byte) error {
	m, err := peerwire.ParseMetadataMessage(payload)
	if err != nil || m.Kind != peerwire.MetadataRequest {
		return err
	}
	err = g.conn.SendExtendedLater(peerwire.ExtensionMetadata, func() []byte { return peerwire.MetadataReply(d.info(r), m.Piece) })
	if errors.Is(err, peerwire.ErrQueueFull) {
		err = g.conn.SendExtended(peerwire.ExtensionMetadata, peerwire.MetadataReply(nil, m.Piece))
	}
	if errors.Is(err, peerwire.ErrNotSupported) { // it asks, and takes no answer
		return nil
	}
	return err
}

// info is the metadata of a swarm, nil if it cannot be had. It is kept for a while: whoever asks for a piece of it will
// ask for the next.
func (d *Door) info(r *room) []byte {
	d.mu.Lock()
	info, load := r.info, r.swarm.Info
	r.infoUsed = time.Now()
	d.mu.Unlock()
	if info != nil || load == nil {
		return info
	}
	info, err := load()
	if err != nil {
		d.cfg.Log.Warn("reading metadata for a peer", "swarm", r.hash.String(), "err", err)
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r.info = info
	return info
}

// takePEX takes addresses that a peer names.
func (d *Door) takePEX(r *room, g *guest, payload []byte) error {
	added, _, err := peerwire.ParsePEX(payload)
	if err != nil {
		return err
	}
	now := time.Now()
	if now.Before(g.nextPEX) { // more often, it would only drown what others find
		return nil
	}
	g.nextPEX = now.Add(pexInterval - pexInterval/4)
	d.Found(r.hash, added)
	return nil
}

// sendPEX tells each peer which others came and went since it was last told. d.mu is held.
func (r *room) sendPEX() {
	now := make(map[netip.AddrPort]struct{})
	for g := range r.guests {
		if g.addr.IsValid() {
			now[g.addr] = struct{}{}
		}
	}
	for g := range r.guests {
		added, dropped := peerwire.PEXNews(g.toldPEX, now, g.addr)
		if len(added)+len(dropped) > 0 && g.conn.SendExtended(peerwire.ExtensionPEX, peerwire.MarshalPEX(added, dropped)) == nil {
			g.toldPEX = now
		}
	}
}
