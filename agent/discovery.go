package agent

import (
	"time"

	"ebb/agent/discovery"
	"ebb/agent/discovery/feeds"
	"ebb/agent/discovery/rendezvous"
	"ebb/agent/prefs"
	"ebb/agent/records"
	"ebb/agent/sharing"
	"ebb/agent/swarm"
)

// openDiscovery builds the part that hears of swarms: the table of candidates, the sources, and who proves what they
// say.
func (a *Agent) openDiscovery() (err error) {
	a.candidates, err = discovery.NewCandidates(discovery.CandidatesConfig{
		Sources: func() prefs.Sources { return a.preferences.Get().Sources },
		Feeds:   a.feeds,
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
	a.lists = discovery.NewLists(a.candidates, func() []discovery.Entry { return a.sharing().Listed() }, a.guard.CheckURL)
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
		Sources: map[string]discovery.Source{"rendezvous": a.rendezvous, "feeds": feeds.New(feeds.Config{
			Feeds: a.feeds, Candidates: a.candidates, Client: a.guard.Client(), CheckURL: a.guard.CheckURL,
			Asked: records.In[time.Time](a.store, records.Feeds), UserAgent: "ebb/" + Version, Log: a.log,
		})},
		Proofs: map[swarm.Kind]discovery.Proof{
			swarm.KindPeer: discovery.Handshake{Dialer: dialer},
			swarm.KindFeed: feeds.Proof{Finder: a.announcer, Dialer: dialer, Port: a.port.Addr().Port()},
		},
		Log: a.log,
	})
	return nil
}

func (a *Agent) feeds() []prefs.Feed { return a.preferences.Get().Feeds }

// sharing is what other agents may learn of this one.
func (a *Agent) sharing() sharing.Sharing {
	return sharing.Sharing{
		Preferences: a.preferences, Foreground: a.foreground, Background: a.background, Candidates: a.candidates, Rendezvous: a.rendezvous,
	}
}
