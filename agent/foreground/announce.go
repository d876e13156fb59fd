package foreground

import (
	"context"
	"net/netip"
	"time"

	"ebb/agent/foreground/door"
	"ebb/agent/peersource"
	"ebb/agent/swarm"
)

// Announcer announces torrents and finds their peers; satisfied by *peersource.Announcer.
type Announcer interface {
	Add(peersource.Torrent)
	Remove(swarm.InfoHash)
}

// announceInterval is how soon a torrent that is new, or runs again, is announced.
const announceInterval = 2 * time.Second

// Announce keeps the owner's torrents announced, and at the door, until ctx ends. allow says whom
// rain may dial. To the trackers of torrents whose metadata is known rain announces them itself.
func (s *Session) Announce(ctx context.Context, to Announcer, allow func(netip.Addr) bool) {
	tick := time.NewTicker(announceInterval)
	defer tick.Stop()
	announced := make(map[swarm.InfoHash]*door.Seek) // by hash: what looked for its metadata then
	for {
		s.announce(to, allow, announced)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// announce brings the announcer and the door up to date.
func (s *Session) announce(to Announcer, allow func(netip.Addr) bool, announced map[swarm.InfoHash]*door.Seek) {
	running := make(map[swarm.InfoHash]bool)
	for _, t := range s.Torrents() {
		if t.Private || !t.Running() || t.seek == nil && t.Port == 0 {
			continue
		}
		running[t.Hash] = true
		if t.State == Downloading && t.Peers == 0 {
			s.introduce(t, t.link.peers, allow)
		}
		if seek, there := announced[t.Hash]; there && seek == t.seek {
			continue
		}
		announced[t.Hash] = t.seek
		to.Remove(t.Hash)
		if t.seek != nil {
			s.cfg.Door.Put(door.Swarm{Hash: t.Hash, Seek: t.seek})
			s.cfg.Door.Found(t.Hash, t.link.peers)
			to.Add(s.seeking(t))
			continue
		}
		s.cfg.Door.Remove(t.Hash)
		to.Add(s.sharing(t, allow))
	}
	for h := range announced {
		if !running[h] {
			to.Remove(h)
			s.cfg.Door.Remove(h)
			delete(announced, h)
		}
	}
}

// seeking announces a magnet whose metadata is not known yet. It may turn out private, so nobody in the DHT is told.
func (s *Session) seeking(t Torrent) peersource.Torrent {
	return peersource.Torrent{
		Hash: t.Hash, Trackers: t.Trackers, Port: s.cfg.PeerPort, DHT: true, Owner: true, Onlooker: true,
		Found: func(r peersource.Result) { s.cfg.Door.Found(t.Hash, r.Peers) },
	}
}

// sharing looks up the peers of a public torrent in the DHT.
func (s *Session) sharing(t Torrent, allow func(netip.Addr) bool) peersource.Torrent {
	return peersource.Torrent{
		Hash: t.Hash, Port: t.Port, DHT: true, Owner: true,
		Left: func() int64 {
			t, _ := s.Torrent(t.Hash)
			return t.Length - t.Completed
		},
		Found: func(r peersource.Result) { s.introduce(t, r.Peers, allow) },
	}
}

// introduce names peers to rain.
func (s *Session) introduce(t Torrent, peers []netip.AddrPort, allow func(netip.Addr) bool) {
	for _, addr := range peers {
		if allow(addr.Addr()) {
			s.AddPeer(t.Hash, addr)
		}
	}
}
