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
		return openError("the vetoes", err)
	}
	a.rendezvous = discovery.NewRendezvous(discovery.Config{
		Announcer:  a.announcer,
		Dial:       discovery.DialPort(a.port),
		Port:       a.port.Addr().Port(),
		Candidates: a.candidates,
		Lists:      discovery.NewLists(a.listed, a.guard.CheckURL),
		Tell:       a.story.tell,
		Log:        a.log,
	})
	return nil
}

// engineLists lets the background engine pass lists on its own connections.
type engineLists struct{ *discovery.Rendezvous }

func (l engineLists) Ask(p background.ListPeer) ([]byte, bool) {
	return l.Rendezvous.Ask(discovery.Peer(p))
}

func (l engineLists) Handle(p background.ListPeer, payload []byte) ([]byte, error) {
	return l.Rendezvous.Handle(discovery.Peer(p), payload)
}

// engineCandidates hands the candidates that may be joined to the engine.
type engineCandidates struct{ *discovery.Candidates }

func (c engineCandidates) Ready() []background.JoinCandidate {
	ready := c.Candidates.Ready()
	list := make([]background.JoinCandidate, 0, len(ready))
	for _, k := range ready {
		in := k.Introducer()
		list = append(list, background.JoinCandidate{
			Hash: k.Hash, Name: k.Name, Trackers: k.Trackers,
			Health: background.Health{Seeds: k.Seeds, Leechers: k.Leechers, Copies: k.Copies},
			Why: background.Why{
				Rule: k.Rule, Kind: in.Kind, Addr: in.Addr.String(), PeerID: in.PeerID.String(), Client: in.Client,
				ViaHash: in.Via.String(), ViaName: in.ViaName, Heard: in.Heard, Verified: in.Verified,
				IntroKey: in.Key(),
			},
		})
	}
	return list
}

func (c engineCandidates) Joined(h swarm.InfoHash) { c.Candidates.Joined(h) }

// listed is what we tell other agents: the swarms that we are in, as far as
// the owner lets us, and then those that we only heard of.
func (a *Agent) listed() []discovery.Entry {
	p := a.current()
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
				Copies: discovery.Unknown, Seeds: t.Seeds, Leechers: discovery.Unknown,
				TTL: discovery.MaxTTL, Trackers: t.Trackers,
			})
		}
	}
	return append(list, a.candidates.PassOn()...)
}
