package background

import (
	"net/netip"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// takeIntroduction reacts to an extension handshake.
func (l *live) takeIntroduction(p *peer, x *peerwire.Extensions) {
	if x.Port != 0 && !p.addr.IsValid() {
		p.addr = netip.AddrPortFrom(p.conn.RemoteAddr().Addr(), x.Port)
		if l.engine.cfg.AllowAddr(p.addr.Addr()) {
			l.book.Met(p.addr)
		}
	}
	if l.meta != nil {
		l.seekMetadata(time.Now())
	}
	if !p.asked {
		if ask, ok := l.engine.cfg.Lists.Ask(l.listPeer(p)); ok {
			p.asked = p.conn.SendExtended(peerwire.ExtensionList, ask) == nil
		}
	}
}

func (l *live) listPeer(p *peer) swarm.Introducer {
	addr := p.addr
	if !addr.IsValid() {
		addr = netip.AddrPortFrom(p.conn.RemoteAddr().Addr(), 0) // it did not say where it listens
	}
	lp := swarm.Introducer{
		Kind: swarm.KindPeer, PeerID: p.conn.PeerID(), Addr: addr, Client: p.conn.Peer().V,
		ViaHash: l.swarm.hash, ViaName: l.swarm.hash.String(),
	}
	if l.info != nil {
		lp.ViaName = l.info.Name
	}
	return lp
}

func (l *live) takeExtended(p *peer, m peerwire.Message) bool {
	switch m.Name {
	case peerwire.ExtensionMetadata:
		return l.takeMetadata(p, m.Payload)
	case peerwire.ExtensionPEX:
		added, _, err := peerwire.ParsePEX(m.Payload)
		if err != nil {
			return false
		}
		if now := time.Now(); !now.Before(p.nextPEX) { // more often, it would only drown what others find
			p.nextPEX = now.Add(pexInterval - pexInterval/4)
			l.handleFound(added)
		}
	case peerwire.ExtensionList:
		reply, err := l.engine.cfg.Lists.Handle(l.listPeer(p), m.Payload)
		if err != nil {
			return false
		}
		if reply != nil {
			return p.conn.SendExtended(peerwire.ExtensionList, reply) == nil
		}
	case peerwire.ExtensionDontHave:
		return l.takeDontHave(p, m.Payload)
	}
	return true
}

// sendPEX tells each peer which others came and went since it was last told
// (BEP 11). Only addresses at which a peer listens are passed on.
func (l *live) sendPEX() {
	now := make(map[netip.AddrPort]struct{})
	for p := range l.peers {
		if p.addr.IsValid() {
			now[p.addr] = struct{}{}
		}
	}
	for p := range l.peers {
		added, dropped := peerwire.PEXNews(p.toldPEX, now, p.addr)
		if len(added)+len(dropped) == 0 {
			continue
		}
		if p.conn.SendExtended(peerwire.ExtensionPEX, peerwire.MarshalPEX(added, dropped)) == nil {
			p.toldPEX = now
		}
	}
}
