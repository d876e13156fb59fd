package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"ebb/agent/background"
	"ebb/agent/discovery"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
	"ebb/webui"
)

// Background lists the swarms that we help.
func (a *Agent) Background(context.Context) ([]webui.BackgroundSwarm, error) {
	swarms := a.background.Swarms()
	list := make([]webui.BackgroundSwarm, 0, len(swarms))
	for _, s := range swarms {
		list = append(list, backgroundSwarm(s))
	}
	return list, nil
}

// BackgroundSwarm is one of them.
func (a *Agent) BackgroundSwarm(_ context.Context, h swarm.InfoHash) (webui.BackgroundSwarm, error) {
	s, ok := a.background.Swarm(h)
	if !ok {
		return webui.BackgroundSwarm{}, webui.ErrNotFound
	}
	return backgroundSwarm(s), nil
}

func backgroundSwarm(s background.Status) webui.BackgroundSwarm {
	r := s.Record
	return webui.BackgroundSwarm{
		Hash: s.Hash, Name: r.Name, State: string(s.State), Why: whySentence(r), Waiting: s.Waiting,
		Length: r.Length, Pieces: r.Pieces, Fragments: s.Fragments, Bytes: s.Bytes,
		Peers: s.Peers, Seeders: r.Health.Seeds, Leechers: r.Health.Leechers,
		UploadRate: s.UploadRate, DownloadRate: s.DownloadRate,
		Downloaded: r.Downloaded, Uploaded: r.Uploaded, Joined: r.Joined,
	}
}

// AddBackground joins a swarm that the owner wants to help.
func (a *Agent) AddBackground(ctx context.Context, s webui.Source) (swarm.InfoHash, error) {
	j, err := a.ownerJoin(ctx, s)
	if err != nil {
		return swarm.InfoHash{}, err
	}
	if _, ok := a.foreground.Torrent(j.Hash); ok {
		return swarm.InfoHash{}, fmt.Errorf("%w: this is one of your downloads already", webui.ErrConflict)
	}
	if c, ok := a.candidates.Get(j.Hash); ok && c.State == discovery.StateVetoed {
		return swarm.InfoHash{}, fmt.Errorf("%w: you have vetoed this swarm", webui.ErrConflict)
	}
	err = a.background.Join(j)
	switch {
	case errors.Is(err, background.ErrJoined), errors.Is(err, background.ErrMetadata):
		return swarm.InfoHash{}, fmt.Errorf("%w: %w", webui.ErrConflict, err)
	case errors.Is(err, background.ErrPrivate):
		return swarm.InfoHash{}, &webui.BadRequest{Err: err}
	case err != nil:
		return swarm.InfoHash{}, err
	}
	a.candidates.Joined(j.Hash)
	return j.Hash, nil
}

// ownerJoin reads what the owner gave us as a swarm to join.
func (a *Agent) ownerJoin(ctx context.Context, s webui.Source) (background.Join, error) {
	j := background.Join{
		Health: background.Health{Seeds: -1, Leechers: -1, Copies: -1},
		Why:    background.Why{Kind: discovery.KindOwner, Rule: "the owner asked for it", Heard: time.Now()},
	}
	file := s.File
	if file == nil {
		if strings.HasPrefix(s.URI, "magnet:") {
			m, err := peerwire.ParseMagnet(s.URI)
			if err != nil {
				return j, &webui.BadRequest{Err: err}
			}
			j.Hash, j.Name, j.Trackers = m.Hash, m.Name, m.Trackers
			for _, p := range m.Peers {
				j.Peers = append(j.Peers, p.String())
			}
			return j, nil
		}
		var err error
		if file, err = a.foreground.Fetch(ctx, s.URI); err != nil {
			return j, &webui.BadRequest{Err: err}
		}
	}
	t, err := peerwire.ParseTorrent(file)
	if err != nil {
		return j, &webui.BadRequest{Err: err}
	}
	j.Hash, j.Name, j.Trackers, j.Metadata = t.Info.Hash, t.Info.Name, t.Trackers, t.Raw
	return j, nil
}

// LeaveBackground leaves a swarm and deletes what is held of it.
func (a *Agent) LeaveBackground(_ context.Context, h swarm.InfoHash) error {
	if !a.background.Has(h) {
		return webui.ErrNotFound
	}
	return a.leave(h)
}

// Veto leaves a swarm, deletes what is held of it, and keeps it away for good.
func (a *Agent) Veto(_ context.Context, h swarm.InfoHash) error {
	if err := a.candidates.Veto(h, a.nameOf(h), time.Now()); err != nil {
		return err
	}
	if err := a.leave(h); err != nil {
		return err
	}
	a.story.tell("vetoed", h, "vetoed: "+a.nameOf(h))
	return nil
}

// Why tells how a swarm came to be known, and what became of it.
func (a *Agent) Why(_ context.Context, h swarm.InfoHash) (webui.Why, error) {
	if s, ok := a.background.Swarm(h); ok {
		r := s.Record
		return webui.Why{
			Hash: h, Name: r.Name, State: string(discovery.StateJoined), Rule: r.Why.Rule, Joined: r.Joined,
			Introducer: introducerOf(r.Why), Sentence: whySentence(r),
		}, nil
	}
	c, ok := a.candidates.Get(h)
	if !ok {
		return webui.Why{}, webui.ErrNotFound
	}
	w := webui.Why{Hash: h, Name: c.Name, State: string(c.State), Rule: c.Rule, Sentence: candidateSentence(c)}
	if len(c.Introducers) > 0 {
		in := webIntroducer(c.Introducer())
		w.Introducer = &in
	}
	return w, nil
}

// Candidates lists the swarms that are known and not joined.
func (a *Agent) Candidates(context.Context) ([]webui.Candidate, error) {
	candidates := a.candidates.List()
	list := make([]webui.Candidate, 0, len(candidates))
	for _, c := range candidates {
		w := webui.Candidate{
			Hash: c.Hash, Name: c.Name, State: string(c.State), Why: candidateSentence(c), Rule: c.Rule,
			Length: c.Length, Pieces: c.Pieces, Seeders: c.Seeds, Leechers: c.Leechers,
			Introducers: []webui.Introducer{}, Heard: c.Heard, Verified: c.Verified,
		}
		for _, in := range c.Introducers {
			w.Introducers = append(w.Introducers, webIntroducer(in))
		}
		list = append(list, w)
	}
	return list, nil
}

// Approve is the owner's yes to a candidate.
func (a *Agent) Approve(_ context.Context, h swarm.InfoHash) error {
	c, ok := a.candidates.Get(h)
	switch {
	case !ok:
		return webui.ErrNotFound
	case c.State != discovery.StateWaiting:
		return fmt.Errorf("%w: this swarm does not wait for your yes; it is %s", webui.ErrConflict, c.State)
	}
	return a.candidates.Approve(h)
}

func webIntroducer(in discovery.Introducer) webui.Introducer {
	return webui.Introducer{
		Kind: in.Kind, Addr: in.Addr, PeerID: in.PeerID.String(), Client: in.Client,
		ViaHash: in.Via, ViaName: in.ViaName, Heard: in.Heard, Verified: in.Verified,
	}
}

// introducerOf is whoever named a joined swarm, as its record has it.
func introducerOf(w background.Why) *webui.Introducer {
	addr, _ := netip.ParseAddrPort(w.Addr)
	var via swarm.InfoHash
	via.UnmarshalText([]byte(w.ViaHash))
	return &webui.Introducer{
		Kind: w.Kind, Addr: addr, PeerID: w.PeerID, Client: w.Client,
		ViaHash: via, ViaName: w.ViaName, Heard: w.Heard, Verified: w.Verified,
	}
}

// whySentence says how we came to help a swarm.
func whySentence(r background.Record) string {
	w := r.Why
	if w.Kind == discovery.KindOwner {
		return fmt.Sprintf("joined at %s because you asked for it", clock(r.Joined))
	}
	return fmt.Sprintf("joined at %s because %s (%s), whom we met in %s, named it and then shook hands with us in it; allowed by %s",
		clock(r.Joined), cmp.Or(w.Client, "a peer"), w.Addr, cmp.Or(w.ViaName, w.ViaHash), w.Rule)
}

// candidateSentence says why a candidate is not joined, or not yet.
func candidateSentence(c discovery.Candidate) string {
	var s string
	switch c.State {
	case discovery.StateHeard:
		s = "named to us, but nobody has shaken hands with us in it yet"
	case discovery.StateVerified, discovery.StateApproved:
		s = "will be joined when there is room and time for it"
	case discovery.StateWaiting:
		s = "waits for your yes"
	case discovery.StateVetoed:
		s = "you have vetoed it"
	default:
		s = "refused: " + c.Rule
	}
	if c.Reason != "" {
		s += " (" + c.Reason + ")"
	}
	return s
}

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// nameOf is what people call a swarm; its hash, if we never heard a name.
func (a *Agent) nameOf(h swarm.InfoHash) string {
	if s, ok := a.background.Swarm(h); ok {
		return s.Record.Name
	}
	if c, ok := a.candidates.Get(h); ok && c.Name != "" {
		return c.Name
	}
	return h.String()
}

func countBySwarm(keys []fragstore.Key) map[swarm.InfoHash]int {
	n := make(map[swarm.InfoHash]int)
	for _, k := range keys {
		n[k.Hash]++
	}
	return n
}
