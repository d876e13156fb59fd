package background

import (
	"testing"
	"time"

	"ebb/agent/peerwire"
	"ebb/quota/disk"
)

func TestFullStoreDoesNotFetchWhatItReclaimed(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 2*32<<10)
	d := us.direct(c)
	p, _ := d.seed()
	if len(d.fetches) != 2 {
		t.Fatalf("%d pieces are being fetched, there is room for 2", len(d.fetches))
	}
	for index := range d.fetches {
		d.hear(p, d.block(index, 0), d.block(index, 16<<10))
	}
	d.settle()
	d.revalue()
	d.pausedUntil = time.Time{}
	d.request(p)
	if n := us.store.Count(c.info.Hash); n != 2 {
		t.Errorf("%d fragments are left of 2, each worth as much as what replaces it", n)
	}
}

func TestPeerThatWasIdleIsGivenTimeToAnswer(t *testing.T) {
	c := makeContent(t, 4, false)
	d := newAgent(t, 1<<30).direct(c)
	p, _ := d.meet()
	d.hear(p, peerwire.Message{Type: peerwire.Unchoke})
	p.lastBlock = time.Now().Add(-2 * blockPatience) // nothing was asked of it for long
	d.hear(p, peerwire.Message{Type: peerwire.Have, Index: 1})
	d.request(p)
	if p.pending == 0 {
		t.Fatal("nothing was requested")
	}
	p.tick(time.Now())
	if p.pending == 0 {
		t.Error("the peer was given up on at the first tick after the request")
	}
}

func TestPeerThatDawdledIsTriedAgain(t *testing.T) {
	c := makeContent(t, 4, false)
	now := time.Now()
	stalled := func() (*direct, *peer) {
		d := newAgent(t, 1<<30).direct(c)
		p, _ := d.seed()
		late := now.Add(blockPatience + time.Second)
		p.tick(late)
		d.request(p)
		if p.pending != 0 {
			t.Fatal("a peer that leaves requests unanswered is sent more")
		}
		return d, p
	}
	t.Run("when a block comes after all", func(t *testing.T) {
		d, p := stalled()
		d.hear(p, d.block(0, 0))
		if p.pending == 0 {
			t.Error("nothing is requested of a peer that sends again")
		}
	})
	t.Run("after a while", func(t *testing.T) {
		d, p := stalled()
		p.tick(now.Add(blockPatience + snubPause + 2*time.Second))
		d.request(p)
		if p.pending == 0 {
			t.Error("nothing is ever requested of it again")
		}
	})
}

func TestRequestsOutstandingAreCountedWhenTheDiskRefusesABlock(t *testing.T) {
	c := makeContent(t, 4, false)
	for name, refuse := range map[string]func(*direct, *peer, *fetch){
		"the first": func(d *direct, _ *peer, _ *fetch) {
			d.us.engine.cfg.Ledger = &strictLedger{Ledger: d.us.ledger, refuse: disk.ErrNoRoom}
		},
		"a later one": func(d *direct, p *peer, f *fetch) {
			d.hear(p, d.block(f.index, 16<<10))
			f.writer.Abort() // as the ledger does when space is wanted
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newAgent(t, 1<<30).direct(c)
			p, _ := d.seed()
			p.depth = 0 // nothing is asked for besides
			for index, f := range d.fetches {
				refuse(d, p, f)
				d.hear(p, d.block(index, 0))
			}
			if len(d.fetches) > 0 || p.pending != 0 || len(p.fetches) > 0 {
				t.Errorf("%d requests are taken to be outstanding for %d pieces", p.pending, len(d.fetches))
			}
			if n := &d.us.engine.inFlight; n.pieces.Load() != 0 || n.expected.Load() != 0 {
				t.Errorf("%d pieces and %d expected bytes are taken to be in flight", n.pieces.Load(), n.expected.Load())
			}
		})
	}
}

func TestOnlyThoseWhoSentBlocksAreBlamedForABadPiece(t *testing.T) {
	c := makeContent(t, 1, false)
	d := newAgent(t, 1<<30).direct(c)
	honest, _ := d.seed() // is asked first, and chokes before it has sent anything
	d.hear(honest, peerwire.Message{Type: peerwire.Choke})
	liar, _ := d.seed()
	for _, begin := range []uint32{0, 16 << 10} {
		m := d.block(0, begin)
		m.Block = append([]byte{^m.Block[0]}, m.Block[1:]...)
		d.hear(liar, m)
	}
	d.settle()
	if honest.strikes != 0 || liar.strikes != 1 {
		t.Errorf("%d strikes for the honest peer, %d for the liar", honest.strikes, liar.strikes)
	}
	if !d.book.Banned(liar.conn.RemoteAddr().Addr()) {
		t.Error("the only sender of a bad piece is not banned")
	}
}

func TestFragmentReclaimedWhileItsCommitIsReportedIsNotHeld(t *testing.T) {
	c := makeContent(t, 1, false)
	us := newAgent(t, 1<<30)
	d := us.direct(c)
	p, _ := d.seed()
	d.hear(p, d.block(0, 0), d.block(0, 16<<10))
	stored := <-d.committed
	if _, err := us.store.Delete(stored.fetch.writer.Key()); err != nil {
		t.Fatal(err)
	}
	d.handleLost([]uint32{0})
	d.handleCommitted(stored)
	if d.held.Has(0) {
		t.Error("a fragment that is gone is thought to be held, and offered to peers")
	}
}

func TestFragmentTakenForSpaceIsNotFetchedAgainAtOnce(t *testing.T) {
	c := makeContent(t, 8, false)
	us := newAgent(t, 4*32<<10)
	us.hold(c, 0, 1, 2, 3)
	d := us.direct(c)
	d.enter()
	p, _ := d.meet()
	d.hear(p, peerwire.Message{Type: peerwire.HaveAll})
	us.setLimits(allotted(2 * 32 << 10)) // somebody else fills the disk …
	us.enforce()
	us.setLimits(allotted(4 * 32 << 10)) // … and stops for a moment
	<-d.reclaimed
	d.handleReclaimed()
	d.hear(p, peerwire.Message{Type: peerwire.Unchoke})
	if len(d.fetches) > 0 {
		t.Error("what was just reclaimed is fetched again while the disk is filling up")
	}
	d.pausedUntil = time.Time{}
	if d.request(p); len(d.fetches) == 0 {
		t.Error("nothing is ever fetched again")
	}
}

func TestMakingRoomForABetterFragmentDoesNotPauseTheSwarm(t *testing.T) {
	c := makeContent(t, 6, false)
	us := newAgent(t, 2*32<<10)
	us.hold(c, 0, 1)
	d := us.direct(c)
	d.enter()
	us.store.SetValues(c.info.Hash, func(uint32) float64 { return 0 })
	p, _ := d.meet()
	d.hear(p, peerwire.Message{Type: peerwire.Have, Index: 4}, peerwire.Message{Type: peerwire.Unchoke})
	d.request(p)
	if d.fetches[4] == nil {
		t.Fatal("no room would be made for a rarer fragment")
	}
	d.hear(p, d.block(4, 0))
	<-d.reclaimed
	d.handleReclaimed()
	d.hear(p, peerwire.Message{Type: peerwire.Have, Index: 5})
	if d.request(p); d.fetches[5] == nil {
		t.Error("no room would be made for the next rarer fragment")
	}
}

func TestSlowPeersDoNotKeepAQuickOneIdle(t *testing.T) {
	c := makeContent(t, 60, false)
	d := newAgent(t, 1<<30).direct(c)
	for range maxFetches {
		d.seed() // and sends nothing
	}
	if len(d.fetches) < maxFetches {
		t.Fatalf("%d pieces in flight, want the slow peers to have %d", len(d.fetches), maxFetches)
	}
	if quick, _ := d.seed(); len(quick.fetches) != 1 {
		t.Errorf("a further peer has %d pieces to send, want one", len(quick.fetches))
	}
}

func TestFragmentThatCouldNotBeReclaimedIsTakenForHeldAgain(t *testing.T) {
	c := makeContent(t, 3, false)
	for _, donor := range []*download{nil, newDownload(t, c)} {
		us := newAgent(t, 1<<30)
		d := us.direct(c)
		us.hold(c, 0, 1, 2) // the swarm does not know
		if donor != nil {
			d.give(donor)
			donor.expectEnd(us, true)
		} else {
			d.seed()
		}
		if n := d.held.Count(); n != 3 || len(d.fetches) > 0 {
			t.Errorf("%d of 3 fragments are taken for held, %d pieces are fetched", n, len(d.fetches))
		}
	}
}
