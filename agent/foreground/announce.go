package foreground

import (
	"context"
	"net/netip"
	"time"

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

// Announce looks up peers of the owner's public torrents on the DHT and hands those that allow lets through to rain, until
// ctx ends. To their trackers rain announces them itself.
func (s *Session) Announce(ctx context.Context, to Announcer, allow func(netip.Addr) bool) {
	tick := time.NewTicker(announceInterval)
	defer tick.Stop()
	announced := make(map[swarm.InfoHash]bool) // by hash: whether its metadata was known
	for {
		s.announce(to, allow, announced)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// announce brings the announcer up to date. A magnet whose metadata is not known yet may turn out private, so until then
// nothing is said and others are only listened to.
func (s *Session) announce(to Announcer, allow func(netip.Addr) bool, announced map[swarm.InfoHash]bool) {
	running := make(map[swarm.InfoHash]bool)
	for _, t := range s.Torrents() {
		if t.Private || t.Port == 0 || !t.Running() {
			continue
		}
		running[t.Hash] = true
		known, there := announced[t.Hash]
		if there && known == t.MetadataKnown {
			continue
		}
		announced[t.Hash] = t.MetadataKnown
		h := t.Hash
		to.Remove(h)
		to.Add(peersource.Torrent{
			Hash: h, Port: t.Port, DHT: true, Owner: true, Onlooker: !t.MetadataKnown,
			Left: func() int64 {
				t, _ := s.Torrent(h)
				return t.Length - t.Completed
			},
			Found: func(r peersource.Result) {
				for _, addr := range r.Peers {
					if allow(addr.Addr()) {
						s.AddPeer(h, addr)
					}
				}
			},
		})
	}
	for h := range announced {
		if !running[h] {
			to.Remove(h)
			delete(announced, h)
		}
	}
}
