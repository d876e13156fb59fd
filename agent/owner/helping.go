package owner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ebb/agent/background"
	"ebb/agent/swarm"
	"ebb/webui"
)

// Background lists the swarms that we help.
func (o *Owner) Background(context.Context) ([]webui.BackgroundSwarm, error) {
	swarms := o.cfg.Background.Swarms()
	list := make([]webui.BackgroundSwarm, 0, len(swarms))
	for _, s := range swarms {
		b := backgroundSwarm(s)
		if reports := o.cfg.Announcer.Reports(s.Hash); slices.ContainsFunc(reports, troubled) {
			b.Trouble, _ = trouble(trackers(reports))
		}
		list = append(list, b)
	}
	return list, nil
}

// BackgroundSwarm is one of them.
func (o *Owner) BackgroundSwarm(_ context.Context, h swarm.InfoHash) (webui.BackgroundSwarm, error) {
	s, ok := o.cfg.Background.Swarm(h)
	if !ok {
		return webui.BackgroundSwarm{}, webui.ErrNotFound
	}
	b := backgroundSwarm(s)
	b.Trackers = trackers(o.cfg.Announcer.Reports(h))
	b.Trouble, _ = trouble(b.Trackers)
	return b, nil
}

func backgroundSwarm(s background.Status) webui.BackgroundSwarm {
	r := s.Record
	return webui.BackgroundSwarm{
		Hash: s.Hash, Name: r.Name, State: string(s.State), Why: whySentence(r), Waiting: s.Waiting,
		Length: r.Length, Pieces: r.Pieces, Fragments: s.Fragments, Bytes: s.Bytes,
		Peers: s.Peers, Seeds: r.Health.Seeds, Leechers: r.Health.Leechers,
		UploadRate: s.UploadRate, DownloadRate: s.DownloadRate,
		Downloaded: r.Downloaded, Uploaded: r.Uploaded, Joined: r.Joined,
	}
}

// AddBackground joins a swarm that the owner wants to help.
func (o *Owner) AddBackground(ctx context.Context, s webui.Source) (swarm.InfoHash, error) {
	j, err := o.ownerJoin(ctx, s)
	if err != nil {
		return swarm.InfoHash{}, err
	}
	if _, ok := o.cfg.Foreground.Torrent(j.Hash); ok {
		return swarm.InfoHash{}, fmt.Errorf("%w: this is one of your downloads already", webui.ErrConflict)
	}
	if c, ok := o.cfg.Candidates.Get(j.Hash); ok && c.State == swarm.CandidateVetoed {
		return swarm.InfoHash{}, fmt.Errorf("%w: you have vetoed this swarm", webui.ErrConflict)
	}
	err = o.cfg.Background.Join(j)
	switch {
	case errors.Is(err, background.ErrJoined), errors.Is(err, background.ErrMetadata):
		return swarm.InfoHash{}, fmt.Errorf("%w: %w", webui.ErrConflict, err)
	case errors.Is(err, background.ErrPrivate):
		return swarm.InfoHash{}, &webui.BadRequest{Err: err}
	case err != nil:
		return swarm.InfoHash{}, err
	}
	return j.Hash, nil
}

// ownerJoin reads what the owner gave us as a swarm to join.
func (o *Owner) ownerJoin(ctx context.Context, s webui.Source) (background.Join, error) {
	j := background.Join{
		Health: swarm.UnknownHealth,
		Why:    swarm.Why{Rule: "the owner asked for it", Introducer: swarm.Introducer{Kind: swarm.KindOwner, Heard: time.Now()}},
	}
	g, err := o.read(ctx, s)
	if err != nil {
		return j, err
	}
	j.Hash, j.Trackers = g.hash(), g.trackers()
	if g.torrent != nil {
		j.Name, j.Metadata = g.torrent.Info.Name, g.torrent.Raw
		return j, nil
	}
	j.Name = g.magnet.Name
	for _, p := range g.magnet.Peers {
		j.Peers = append(j.Peers, p.String())
	}
	return j, nil
}

// LeaveBackground leaves a swarm and deletes what is held of it.
func (o *Owner) LeaveBackground(_ context.Context, h swarm.InfoHash) error {
	if !o.cfg.Background.Has(h) {
		return webui.ErrNotFound
	}
	return o.leave(h)
}

// Veto leaves a swarm, deletes what is held of it, and keeps it away for good.
func (o *Owner) Veto(_ context.Context, h swarm.InfoHash) error {
	if err := o.cfg.Candidates.Veto(h, o.nameOf(h), time.Now()); err != nil {
		return err
	}
	if err := o.leave(h); err != nil {
		return err
	}
	swarm.Tell(o.cfg.Log, "vetoed", h, "vetoed: "+o.nameOf(h))
	return nil
}

// Why tells how a swarm came to be known, and what became of it.
func (o *Owner) Why(_ context.Context, h swarm.InfoHash) (webui.Why, error) {
	if s, ok := o.cfg.Background.Swarm(h); ok {
		r := s.Record
		return webui.Why{
			Hash: h, Name: r.Name, State: swarm.CandidateJoined, Rule: r.Why.Rule, Joined: r.Joined,
			Introducer: &r.Why.Introducer, Sentence: whySentence(r),
		}, nil
	}
	c, ok := o.cfg.Candidates.Get(h)
	if !ok {
		return webui.Why{}, webui.ErrNotFound
	}
	w := webui.Why{Hash: h, Name: c.Name, State: c.State, Rule: c.Rule, Sentence: candidateSentence(c)}
	if len(c.Introducers) > 0 {
		w.Introducer = &c.Introducers[0]
	}
	return w, nil
}

// Candidates lists the swarms that are known and not joined.
func (o *Owner) Candidates(context.Context) ([]webui.Candidate, error) {
	candidates := o.cfg.Candidates.List()
	list := make([]webui.Candidate, 0, len(candidates))
	for _, c := range candidates {
		list = append(list, webui.Candidate{Candidate: c, Why: candidateSentence(c)})
	}
	return list, nil
}

// Approve is the owner's yes to a candidate.
func (o *Owner) Approve(_ context.Context, h swarm.InfoHash) error {
	c, ok := o.cfg.Candidates.Get(h)
	switch {
	case !ok:
		return webui.ErrNotFound
	case c.State != swarm.CandidateWaiting:
		return fmt.Errorf("%w: this swarm does not wait for your yes; it is %s", webui.ErrConflict, c.State)
	}
	return o.cfg.Candidates.Approve(h)
}

// whySentence says how we came to help a swarm.
func whySentence(r background.Record) string {
	w := r.Why
	if w.ByOwner() {
		return fmt.Sprintf("joined at %s because you asked for it", clock(r.Joined))
	}
	return fmt.Sprintf("joined at %s because %s, whom we met in %s, named it and then shook hands with us in it; allowed by %s",
		clock(r.Joined), w.Introducer, cmp.Or(w.ViaName, w.ViaHash.String()), w.Rule)
}

// candidateSentence says why a candidate is not joined, or not yet.
func candidateSentence(c swarm.Candidate) string {
	var s string
	switch c.State {
	case swarm.CandidateHeard:
		s = "named to us, but nobody has shaken hands with us in it yet"
	case swarm.CandidateVerified, swarm.CandidateApproved:
		s = "will be joined when there is room and time for it"
	case swarm.CandidateWaiting:
		s = "waits for your yes"
	case swarm.CandidateVetoed:
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
func (o *Owner) nameOf(h swarm.InfoHash) string {
	if s, ok := o.cfg.Background.Swarm(h); ok {
		return s.Record.Name
	}
	if c, ok := o.cfg.Candidates.Get(h); ok && c.Name != "" {
		return c.Name
	}
	return h.String()
}
