package agent

import (
	"ebb/agent/background"
	"ebb/agent/discovery"
	"ebb/agent/prefs"
	"ebb/agent/records"
	"ebb/agent/swarm"
)

// openDiscovery builds the part that hears of swarms.
func (a *Agent) openDiscovery(p prefs.Preferences) (err error) {
	a.candidates, err = discovery.NewCandidates(discovery.CandidatesConfig{
		Policy: discovery.PolicyFrom(p.Sources),
		Member: func(h swarm.InfoHash) bool {
			if a.background.Has(h) {
				return true
			}
			_, ok := a.foreground.Torrent(h)
			return ok
		},
		Saver: records.In[discovery.Veto](a.store, records.Vetoes),
	})
	if err != nil {
		return records.OpenError("the vetoes", err)
	}
	a.rendezvous = discovery.NewRendezvous(discovery.Config{
		Announcer:  a.announcer,
		Dial:       discovery.DialPort(a.port),
		Port:       a.port.Addr().Port(),
		Candidates: a.candidates,
		Lists:      discovery.NewLists(a.listed, a.guard.CheckURL),
		Log:        a.log,
	})
	return nil
}

// listed is what we tell other agents: the swarms that we are in, as far as
// the owner lets us, and then those that we only heard of.
func (a *Agent) listed() []discovery.Entry {
	p := a.preferences.Get()
	var list []discovery.Entry
	if p.Sharing.ListBackground {
		for _, s := range a.background.Swarms() {
			r := s.Record
			if r.Pieces == 0 || s.State == background.StatePromoting {
				continue // it may be private, nobody knows yet; or it is on its way to the downloads
			}
			list = append(list, discovery.Entry{
				Hash: s.Hash, Name: r.Name, Length: r.Length, PieceLength: r.PieceSize, Pieces: r.Pieces,
				Fragments: s.Fragments, Copies: r.Health.Copies, Seeds: r.Health.Seeds, Leechers: r.Health.Leechers,
				TTL: discovery.MaxTTL, Trackers: r.Trackers,
			})
		}
	}
	if p.Sharing.ListForeground {
		for _, t := range a.foreground.Torrents() {
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
	return append(list, a.candidates.PassOn()...)
}
