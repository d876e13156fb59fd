package background

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
)

func TestExactlyTheRarestPiecesOfADownloadAreKept(t *testing.T) {
	c := makeContent(t, 12, false)
	us := newAgent(t, 4*pieceSize)
	d := us.direct(c)
	for _, lacks := range [][]int{{2, 5, 7, 9, 1}, {2, 5, 7, 9, 3}, {2, 5, 7, 9, 4}} {
		p, _ := d.meet()
		d.hasAllBut(p, lacks...)
	}
	donor := newDownload(t, c)
	d.give(donor)
	want := []uint32{2, 5, 7, 9}
	if held := us.store.Held(c.info.Hash); !slices.Equal(held, want) || !slices.Equal(donor.gave(), want) {
		t.Errorf("fragments %v, and the donor heard of %v; %v are the rarest", held, donor.gave(), want)
	}
	donor.expectEnd(us, true)
	if text := "kept 4 of 12 fragments of your download: " + c.info.Name; !us.toldThat(text) {
		t.Errorf("the owner was told %q, not %q", us.stories, text)
	}
	if !us.holds(c, 4) {
		t.Error("what was kept is not the content")
	}
}

func TestDownloadIsKeptRarestFirstInARunningSwarm(t *testing.T) {
	c := makeContent(t, 10, false)
	one, two, us := newAgent(t, 1<<30), newAgent(t, 1<<30), newAgent(t, 3*pieceSize)
	for _, other := range []*agent{one, two} {
		other.hold(c, 0, 1, 3, 4, 5, 7, 9)
		other.join(c, true)
	}
	donor := newDownload(t, c)
	us.keep(c, donor, one, two)
	donor.expectEnd(us, true)
	if want := []uint32{2, 6, 8}; !slices.Equal(donor.gave(), want) {
		t.Errorf("%v were kept, %v are those that no peer has", donor.gave(), want)
	}
	one.wait("a peer to have what only we had", func() bool { return one.holds(c, 10) })
}

func TestBetterFragmentsOfOtherSwarmsStay(t *testing.T) {
	c, needed := makeContent(t, 6, false), makeContent(t, 3, false)
	us := newAgent(t, 3*pieceSize)
	us.hold(needed, all(3)...)
	us.store.SetValues(needed.info.Hash, func(uint32) float64 { return 1 })
	donor := newDownload(t, c)
	d := us.direct(c)
	p, _ := d.meet()
	d.hasAllBut(p)
	d.give(donor)
	donor.expectEnd(us, true)
	if us.store.Count(needed.info.Hash) != 3 || len(donor.gave()) != 0 {
		t.Errorf("%d of 3 better fragments are left, %v of the download were kept", us.store.Count(needed.info.Hash), donor.gave())
	}
	if text := "kept 0 of 6 fragments of your download: " + c.info.Name; !us.toldThat(text) {
		t.Errorf("the owner was told %q, not %q", us.stories, text)
	}
}

func TestDonorIsTakenFromOnceTheRarestAreKnown(t *testing.T) {
	c := makeContent(t, 6, false)
	t.Run("at once if everything fits", func(t *testing.T) {
		us := newAgent(t, 6*pieceSize)
		donor := newDownload(t, c)
		us.direct(c).give(donor)
		donor.expectEnd(us, true)
		if !us.holds(c, 6) {
			t.Error("not everything was kept")
		}
	})
	t.Run("else when every peer has said what it has", func(t *testing.T) {
		d := newAgent(t, 2*pieceSize).direct(c)
		quick, _ := d.meet()
		slow, _ := d.meet()
		d.hasAllBut(quick, 1, 2, 3)
		donor := newDownload(t, c)
		d.give(donor)
		if d.donation.began {
			t.Fatal("it began before a connected peer had said what it has")
		}
		d.hasAllBut(slow, 3, 4)
		d.book.Dialing = 1
		if d.draw(time.Now()); d.donation.began {
			t.Fatal("it began while another peer was being dialled")
		}
		d.book.Dialing = 0
		d.draw(time.Now())
		d.drain()
		if donor.expectEnd(d.us, true); !slices.Contains(donor.gave(), 3) {
			t.Errorf("%v were kept, 3 is the rarest", donor.gave())
		}
	})
	t.Run("or after half a minute without any peer", func(t *testing.T) {
		d := newAgent(t, 2*pieceSize).direct(c)
		donor := newDownload(t, c)
		d.give(donor)
		now := time.Now()
		if d.draw(now.Add(donorPatience - time.Second)); d.donation.busy {
			t.Fatal("it began although nobody has said which pieces are rare")
		}
		d.draw(now.Add(donorPatience))
		d.drain()
		if donor.expectEnd(d.us, true); len(donor.gave()) != 2 {
			t.Errorf("%v were kept, there was room for 2", donor.gave())
		}
	})
}

func TestPieceThatTheDonorLacksIsSkippedAndFetchedFromPeers(t *testing.T) {
	c := makeContent(t, 6, false)
	us := newAgent(t, 1<<30)
	d := us.direct(c)
	donor := newDownload(t, c)
	donor.wrong[1], donor.missing[4] = true, true
	p, _ := d.meet()
	d.handleGiven(donor)
	d.hear(p, peerwire.Message{Type: peerwire.HaveAll}, peerwire.Message{Type: peerwire.Unchoke})
	for d.donation != nil {
		for index := range d.fetches {
			if !donor.wrong[index] && !donor.missing[index] || d.donates(int(index)) {
				t.Fatalf("piece %d is fetched from a peer although the donor may have it", index)
			}
		}
		select {
		case r := <-d.donated:
			if d.handleDonated(r); r.err != nil && d.donation != nil && !p.amInterested {
				t.Errorf("piece %d, which the donor lacks, is not wanted from the peer that has it", r.index)
			}
		case <-time.After(deadline):
			t.Fatalf("waited %v for a piece of the donor's", deadline)
		}
	}
	donor.expectEnd(us, true)
	if want := []uint32{0, 2, 3, 5}; !slices.Equal(donor.gave(), want) || !us.holds(c, 4) {
		t.Errorf("%v were kept, %v were right", donor.gave(), want)
	}
	if len(d.fetches) != 2 || d.fetches[1] == nil || d.fetches[4] == nil {
		t.Errorf("%d pieces are fetched from the peer, want 1 and 4", len(d.fetches))
	}
	if p.strikes != 0 {
		t.Error("the peer was blamed for the donor's bytes")
	}
}

func TestEngineThatStopsHalfWayGoesOnWhenTheDonorIsGivenAgain(t *testing.T) {
	c := makeContent(t, 9, false)
	us := newAgent(t, 1<<30)
	donor := newDownload(t, c)
	donor.reads, donor.goOn = make(chan uint32), make(chan struct{})
	us.keep(c, donor)
	for range 3 {
		<-donor.reads
		donor.goOn <- struct{}{}
	}
	<-donor.reads // the fourth is being read
	if err := us.engine.Give(c.info.Hash, newDownload(t, c)); err != ErrGiven {
		t.Errorf("giving a second donor: %v, want ErrGiven", err)
	}
	if s, _ := us.engine.Swarm(c.info.Hash); s.State != StateKeeping {
		t.Errorf("the swarm is %s, want %s", s.State, StateKeeping)
	}
	var stopped sync.WaitGroup
	stopped.Go(us.stop)
	us.wait("the engine to begin to stop", func() bool { return !us.engine.Running() })
	close(donor.goOn)
	stopped.Wait()
	donor.expectEnd(us, false)

	us.start(1 << 30)
	if held := us.store.Held(c.info.Hash); !slices.Equal(held, donor.gave()) || len(held) < 3 {
		t.Errorf("the donor heard of %v, the fragments are %v", donor.gave(), held)
	}
	if n := len(us.store.Incoming()); n != 0 {
		t.Errorf("%d pieces were left half received", n)
	}
	again := newDownload(t, c)
	if err := us.engine.Give(c.info.Hash, again); err != nil {
		t.Fatal(err)
	}
	again.expectEnd(us, true)
	if !us.holds(c, 9) || len(donor.gave())+len(again.gave()) != 9 {
		t.Errorf("%v were kept at first and then %v", donor.gave(), again.gave())
	}
	if text := "kept 9 of 9 fragments of your download: " + c.info.Name; !us.toldThat(text) {
		t.Errorf("the owner was told %q, not %q", us.stories, text)
	}
}

func TestSwarmThatGoesWhileItTakesFromADonorLetsItGo(t *testing.T) {
	for _, way := range []struct {
		name string
		done bool
		goes func(*agent, content) error
		left bool
	}{
		{"left", true, func(us *agent, c content) error { return us.engine.Leave(c.info.Hash) }, false},
		{"released", false, func(us *agent, c content) error { _, err := us.engine.Release(c.info.Hash); return err }, true},
	} {
		t.Run(way.name, func(t *testing.T) {
			c := makeContent(t, 9, false)
			us := newAgent(t, 1<<30)
			donor := newDownload(t, c)
			donor.reads, donor.goOn = make(chan uint32), make(chan struct{})
			us.keep(c, donor)
			<-donor.reads
			donor.goOn <- struct{}{}
			<-donor.reads
			gone := make(chan error)
			go func() { gone <- way.goes(us, c) }()
			us.wait("it to begin to go", func() bool {
				return !us.member(c).serving()
			})
			select {
			case err := <-gone:
				t.Fatalf("it has gone (%v) while the donor was being read", err)
			default:
			}
			close(donor.goOn)
			if err := <-gone; err != nil {
				t.Fatal(err)
			}
			if ends := donor.ends(); !slices.Equal(ends, []bool{way.done}) { // by the time that it has gone
				t.Errorf("the donor was closed %v, want once with %v", ends, way.done)
			}
			want := 0
			if way.left {
				want = len(donor.gave())
			}
			if n := us.store.Count(c.info.Hash); n != want || len(us.store.Incoming()) != 0 {
				t.Errorf("%d fragments are left, want %d; %d are being received", n, want, len(us.store.Incoming()))
			}
			us.mu.Lock()
			defer us.mu.Unlock()
			if slices.Contains(us.told, "kept") {
				t.Error("the owner was told that something was kept")
			}
		})
	}
}

func TestRefusedMetadataLetsTheDonorGo(t *testing.T) {
	c := makeContent(t, 3, true)
	us := newAgent(t, 1<<30)
	us.join(c, false)
	donor := newDownload(t, c)
	if err := us.engine.Give(c.info.Hash, donor); err != nil { // its metadata was lost
		t.Fatal(err)
	}
	if err := us.engine.Give(c.info.Hash, newDownload(t, c)); err != ErrGiven {
		t.Errorf("giving a second donor: %v, want ErrGiven", err)
	}
	us.find(c, newScripted(t, c).addr())
	donor.expectEnd(us, true)
	us.wait("the swarm to be left", func() bool { return !us.engine.Has(c.info.Hash) })
	if len(donor.gave()) > 0 || us.store.Used() > 0 {
		t.Errorf("%v of a private torrent were kept", donor.gave())
	}
}

func TestDonorThatIsNotTakenIsNotClosed(t *testing.T) {
	c, private := makeContent(t, 3, false), makeContent(t, 4, true)
	us := newAgent(t, 1<<30)
	us.join(c, true)
	us.release(c)
	h := c.info.Hash
	for what, give := range map[string]func(*download) error{
		"to an unknown swarm": func(d *download) error { return us.engine.Give(private.info.Hash, d) },
		"to a released swarm": func(d *download) error { return us.engine.Give(h, d) },
		"to a joined swarm":   func(d *download) error { return us.engine.Join(Join{Hash: h, Metadata: c.raw, Donor: d}) },
		"without metadata":    func(d *download) error { return us.engine.Join(Join{Hash: swarm.InfoHash{7}, Donor: d}) },
		"to a private torrent": func(d *download) error {
			return us.engine.Join(Join{Hash: private.info.Hash, Metadata: private.raw, Donor: d})
		},
	} {
		donor := newDownload(t, c)
		if err := give(donor); err == nil || len(donor.ends()) > 0 {
			t.Errorf("given %s: error %v, and the donor was closed %v", what, err, donor.ends())
		}
	}
}

func TestDonorIsClosedAtOnceWhileTheEngineDoesNotRun(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	off, err := New(us.engine.cfg) // another one on the same parts, which is not run
	if err != nil {
		t.Fatal(err)
	}
	first, second := newDownload(t, c), newDownload(t, c)
	if err := off.Join(Join{Hash: c.info.Hash, Metadata: c.raw, Donor: first}); err != nil {
		t.Fatal(err)
	}
	first.expectEnd(us, false)
	if err := off.Give(c.info.Hash, second); err != nil {
		t.Fatal(err)
	}
	second.expectEnd(us, false)
}

func TestSwarmWithADonorDoesNotFallAsleep(t *testing.T) {
	c := makeContent(t, 6, false)
	d := newAgent(t, 2*pieceSize).direct(c)
	donor := newDownload(t, c)
	d.give(donor) // waits for peers
	d.lastUseful = time.Now().Add(-2 * dormantAfter)
	if d.goDormant(false) {
		t.Fatal("it fell asleep")
	}
	d.draw(time.Now().Add(donorPatience))
	d.drain()
	donor.expectEnd(d.us, true)
	d.lastUseful = time.Now().Add(-2 * dormantAfter)
	if !d.goDormant(false) {
		t.Error("it never falls asleep again")
	}
}

func TestDownloadIsKeptWhateverTheWriteBudget(t *testing.T) {
	c := makeContent(t, 5, false)
	us := newAgent(t, 1<<30)
	us.setLimits(disk.Limits{Storage: 1 << 30, Writes: 0})
	donor := newDownload(t, c)
	us.keep(c, donor)
	donor.expectEnd(us, true)
	if !us.holds(c, 5) {
		t.Error("not all of it was kept")
	}
}

// failingLedger refuses with an error of the disk's, as often as it is told to.
type failingLedger struct {
	Ledger
	times int
}

func (f *failingLedger) AdmitAsked(k fragstore.Key, length int64, sum [20]byte, value float64) (*fragstore.Writer, disk.Reclaimed, error) {
	if f.times--; f.times >= 0 {
		return nil, disk.Reclaimed{}, fmt.Errorf("admitting: %w", context.DeadlineExceeded)
	}
	return f.Ledger.AdmitAsked(k, length, sum, value)
}

func TestDiskThatDoesNotAnswerOnlyDelaysWhatIsKept(t *testing.T) {
	c := makeContent(t, 5, false)
	us := newAgent(t, 1<<30)
	d := us.direct(c)
	us.engine.cfg.Ledger = &failingLedger{us.engine.cfg.Ledger, 1}
	donor := newDownload(t, c)
	d.give(donor)
	if now := time.Now(); len(donor.ends()) > 0 || d.donation == nil {
		t.Fatal("the donor was let go because the disk did not answer")
	} else if d.draw(now.Add(noRoomPause - time.Second)); d.donation.busy {
		t.Error("the disk was asked again at once")
	}
	d.donation.retry = time.Now()
	d.draw(time.Now())
	d.drain()
	donor.expectEnd(us, true)
	if !us.holds(c, 5) {
		t.Error("not all of it was kept")
	}
}
