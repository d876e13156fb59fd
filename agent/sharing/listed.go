package sharing

import (
	"ebb/agent/background"
	"ebb/agent/discovery"
	"ebb/agent/swarm"
)

// Listed is what we tell other agents: the swarms that we are in, as far as the owner lets us, and then those that we
// only heard of.
func (s Sharing) Listed() []discovery.Entry {
	p := s.Preferences.Get()
	var list []discovery.Entry
	if p.Sharing.ListBackground {
		for _, helped := range s.Background.Swarms() {
			r := helped.Record
			if r.Pieces == 0 || helped.State == background.StatePromoting {
				continue // it may be private, nobody knows yet; or it is on its way to the downloads
			}
			list = append(list, discovery.Entry{
				Hash: helped.Hash, Name: r.Name, Length: r.Length, PieceLength: r.PieceSize, Pieces: r.Pieces,
				Fragments: helped.Fragments, Copies: r.Health.Copies, Seeds: r.Health.Seeds, Leechers: r.Health.Leechers,
				TTL: discovery.MaxTTL, Trackers: r.Trackers,
			})
		}
	}
	if p.Sharing.ListForeground {
		for _, t := range s.Foreground.Torrents() {
			if !meetable(t) {
				continue
			}
			list = append(list, discovery.Entry{
				Hash: t.Hash, Name: t.Name, Length: t.Length, PieceLength: t.PieceLength, Pieces: t.Pieces,
				Copies: swarm.Unknown, Seeds: t.Seeds, Leechers: swarm.Unknown,
				TTL: discovery.MaxTTL, Trackers: t.Trackers,
			})
		}
	}
	return append(list, s.Candidates.PassOn()...)
}
