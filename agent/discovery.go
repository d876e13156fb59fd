package agent

import (
	"ebb/agent/background"
	"ebb/agent/discovery"
	"ebb/agent/discovery/rendezvous"
	"ebb/agent/prefs"
	"ebb/agent/records"
	"ebb/agent/swarm"
)

// openDiscovery builds the part that hears of swarms: the table of candidates, the sources, and who proves what they
// say.
func (a *Agent) openDiscovery() (err error) {
	a.candidates, err = discovery.NewCandidates(discovery.CandidatesConfig{
		Sources: func() prefs.Sources { return a.preferences.Get().Sources },
		Member: func(h swarm.InfoHash) bool {
			if a.background.Has(h) {
				return true
			}
			_, ok := a.foreground.Torrent(h)
			return ok
		},
		Vetoes:   records.In[discovery.Veto](a.store, records.Vetoes),
		Refusals: records.In[discovery.Refusal](a.store, records.Refusals),
		Log:      a.log,
	})
	if err != nil {
		return records.OpenError("the vetoes", err)
	}
	dialer := discovery.DialPort(a.port)
	a.lists = discovery.NewLists(a.candidates, a.listed, a.guard.CheckURL)
	a.rendezvous = rendezvous.New(rendezvous.Config{
		Announcer:  a.announcer,
		Dialer:     dialer,
		Port:       a.port.Addr().Port(),
		Candidates: a.candidates,
		Lists:      a.lists,
		Log:        a.log,
	})
	a.prover = discovery.NewProver(discovery.ProverConfig{
		Candidates: a.candidates,
		Sources:    map[string]discovery.Source{"rendezvous": a.rendezvous},
		Proofs:     map[swarm.Kind]discovery.Proof{swarm.KindPeer: discovery.Handshake{Dialer: dialer}},
		Log:        a.log,
	})
	return nil
}

// listed is what we tell other agents: the swarms that we are in, as far as the owner lets us, and then those that we
// only heard of.
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
