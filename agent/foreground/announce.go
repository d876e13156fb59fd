package foreground

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"time"

	"ebb/agent/foreground/door"
	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// Announcer announces torrents and finds their peers; satisfied by *peersource.Announcer.
type Announcer interface {
	Add(peersource.Torrent)
	RemoveOwners(swarm.InfoHash)
}

// announceInterval is how soon a torrent that is new, or runs again, is announced and at the door.
const announceInterval = 2 * time.Second

// Announce keeps the owner's torrents announced, and at the door, until ctx ends. Those that are private are announced to
// their trackers alone.
func (s *Session) Announce(ctx context.Context, to Announcer) {
	tick := time.NewTicker(announceInterval)
	defer tick.Stop()
	announced := make(map[swarm.InfoHash]announcement)
	for {
		s.announce(to, announced)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// announcement is what the announcer was told of a torrent.
type announcement struct {
	onlooker, private bool
	trackers          []string
}

func (a announcement) equal(o announcement) bool {
	return a.onlooker == o.onlooker && a.private == o.private && slices.Equal(a.trackers, o.trackers)
}

// announce brings the announcer and the door up to date.
func (s *Session) announce(to Announcer, announced map[swarm.InfoHash]announcement) {
	running := make(map[swarm.InfoHash]bool)
	for _, t := range s.Torrents() {
		if !t.Running() {
			continue
		}
		running[t.Hash] = true
		s.cfg.Door.Put(s.atDoor(t))
		a := announcement{t.seek != nil, t.Private, t.Trackers}
		if was, there := announced[t.Hash]; !there || !was.equal(a) {
			announced[t.Hash] = a
			s.cfg.Door.Found(t.Hash, t.link.peers)
			to.Add(s.announced(t))
		}
	}
	for h := range announced {
		if !running[h] {
			to.RemoveOwners(h)
			s.cfg.Door.Remove(h)
			delete(announced, h)
		}
	}
}

// atDoor is a torrent as the door is to know it. While rain looks at its files, it takes no peers.
func (s *Session) atDoor(t Torrent) door.Swarm {
	d := door.Swarm{Hash: t.Hash, Name: t.Name, Private: t.Private, Seek: t.seek}
	if t.seek != nil {
		return d
	}
	d.Pieces, d.PieceLength, d.Length = t.Pieces, t.PieceLength, t.Length
	d.InfoLength, d.Info, d.Complete = t.infoLength, func() ([]byte, error) { return s.info(t.Hash) }, t.Complete()
	if host, err := netip.ParseAddr(s.cfg.Host); err == nil && (t.State == Downloading || t.State == Seeding) {
		d.Engine = netip.AddrPortFrom(host, t.Port)
	}
	return d
}

// info reads the info dictionary of a download, for peers that ask for it.
func (s *Session) info(h swarm.InfoHash) ([]byte, error) {
	t := s.rain.GetTorrent(h.String())
	if t == nil {
		return nil, ErrUnknown
	}
	raw, err := t.Torrent()
	if err != nil {
		return nil, err
	}
	parsed, err := peerwire.ParseTorrent(raw)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(parsed.Raw), nil
}

// announced is a torrent as the announcer is to know it. A magnet may turn out private, so nobody in the DHT is told of
// it.
func (s *Session) announced(t Torrent) peersource.Torrent {
	h := t.Hash
	return peersource.Torrent{
		Hash: h, Tiers: t.link.tiers, Port: s.cfg.PeerPort, DHT: !t.Private, Owner: true, Onlooker: t.seek != nil,
		Left: func() int64 {
			t, ok := s.Torrent(h)
			if !ok || !t.MetadataKnown || t.Length == 0 {
				return -1
			}
			return t.Length - t.Completed
		},
		Transferred: func() (up, down int64) {
			if d, err := s.find(h); err == nil {
				up, down = d.up.Load(), d.down.Load()
			}
			return up, down
		},
		Found: func(r peersource.Result) {
			if d, err := s.find(h); err == nil && r.Seeds >= 0 {
				d.seeds.Store(int64(r.Seeds))
			}
			s.cfg.Door.Found(h, r.Peers)
		},
	}
}
