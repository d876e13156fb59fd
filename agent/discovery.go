package agent

import (
	"encoding/json"
	"fmt"

	"ebb/agent/background"
	"ebb/agent/discovery"
	"ebb/agent/discovery/rendezvous"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
)

// openDiscovery builds the part that hears of swarms: the table of candidates, the sources, and who proves what they say.
func (a *Agent) openDiscovery() (err error) {
	a.candidates, err = discovery.NewCandidates(discovery.CandidatesConfig{
		Sources: func() prefs.Sources { return a.current().Sources },
		Member: func(h swarm.InfoHash) bool {
			if a.background.Has(h) {
				return true
			}
			_, ok := a.foreground.Torrent(h)
			return ok
		},
		Saver: vetoes{a.store},
		Log:   a.log,
	})
	if err != nil {
		return openError("the vetoes", err)
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

// vetoes keeps the owner's vetoes beside the records of the swarms.
type vetoes struct{ store *fragstore.Store }

const vetoBucket = "vetoes"

// Vetoes loads them all.
func (v vetoes) Vetoes() ([]discovery.Veto, error) {
	var list []discovery.Veto
	for _, key := range v.store.MetaKeys(vetoBucket) {
		value, _ := v.store.Meta(vetoBucket, key)
		var veto discovery.Veto
		if err := json.Unmarshal(value, &veto); err != nil {
			return nil, fmt.Errorf("the veto of %s is damaged: %w", key, err)
		}
		list = append(list, veto)
	}
	return list, nil
}

// PutVeto saves one.
func (v vetoes) PutVeto(veto discovery.Veto) error {
	b, err := json.Marshal(veto)
	if err != nil {
		return fmt.Errorf("encoding a veto: %w", err)
	}
	return v.store.PutMeta(vetoBucket, veto.Hash.String(), b)
}

// DeleteVeto forgets one.
func (v vetoes) DeleteVeto(h swarm.InfoHash) error { return v.store.DeleteMeta(vetoBucket, h.String()) }

// listed is what we tell other agents: the swarms that we are in, as far as the owner lets us, and then those that we
// only heard of.
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
				Copies: swarm.Unknown, Seeds: t.Seeds, Leechers: swarm.Unknown,
				TTL: discovery.MaxTTL, Trackers: t.Trackers,
			})
		}
	}
	return append(list, a.candidates.PassOn()...)
}
