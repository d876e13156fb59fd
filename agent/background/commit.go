package background

import (
	"errors"
	"fmt"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
)

// The end of the fetch path: steps 5 and 6 of fetch.go.

const (
	maxStrikes     = 3  // bad pieces that a peer may have had a part in
	storyFragments = 50 // of one swarm, about as many are told of
)

type commit struct {
	fetch *fetch
	err   error
}

// commit stores a complete piece.
func (l *live) commit(f *fetch) {
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		post(l, l.committed, commit{f, f.writer.Commit()})
	}()
}

func (l *live) handleCommitted(c commit) {
	f := c.fetch
	l.forget(f)
	switch {
	case errors.Is(c.err, fragstore.ErrHash):
		l.blame(f)
		return
	case c.err != nil:
		l.engine.cfg.Log.Warn("storing a fragment", "swarm", l.info.Name, "piece", f.index, "err", c.err)
		l.pause(noRoomPause, waitsFor(c.err))
		return
	}
	for p := range f.senders {
		p.rejects = 0
	}
	l.gain(f.index)
	if l.held.Has(int(f.index)) && !l.wants() {
		l.review() // from now on we only upload
		swarm.Tell(l.engine.cfg.Log, "complete", l.swarm.hash, fmt.Sprintf("holding %d of %d fragments, all that we want: %s", l.held.Count(), l.held.Len(), l.info.Name))
		l.engine.cfg.Announcer.Now(l.swarm.hash)
	}
}

// gain takes note of a new fragment, and tells peers.
func (l *live) gain(index uint32) {
	if !l.engine.cfg.Store.Has(fragstore.Key{Hash: l.swarm.hash, Index: index}) {
		return // reclaimed since, and maybe reported before this
	}
	l.held.Set(int(index))
	l.tally()
	if step := max(l.held.Len()/storyFragments, 1); l.held.Count()%step == 0 {
		swarm.Tell(l.engine.cfg.Log, "stored", l.swarm.hash, fmt.Sprintf("fragment %d of %d stored: %s", l.held.Count(), l.held.Len(), l.info.Name))
	}
	for p := range l.peers {
		p.send(peerwire.Message{Type: peerwire.Have, Index: index})
		if p.amInterested {
			l.showInterest(p)
		}
		l.request(p)
	}
}

// blame deals with a piece that failed its hash. If one peer sent all of it
// the case is clear; if several did, each gets a strike.
func (l *live) blame(f *fetch) {
	for p := range f.senders {
		if p.strikes++; len(f.senders) == 1 || p.strikes >= maxStrikes {
			l.engine.cfg.Log.Debug("peer sent data that fails its hash", "peer", p.conn.RemoteAddr(), "swarm", l.info.Name)
			l.shun(p)
		}
	}
}

// shun bans a peer, and gives up what it had a part in: other peers would only complete its rubbish.
func (l *live) shun(p *peer) {
	l.book.Ban(p.conn.RemoteAddr().Addr())
	p.conn.Close()
	for _, f := range l.fetches {
		if _, sent := f.senders[p]; (sent || f.from == p) && f.got.Count() < f.got.Len() {
			l.giveUp(f)
		}
	}
}
