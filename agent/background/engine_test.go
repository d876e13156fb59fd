package background

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"ebb/agent/background/choose"
	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
)

func all(n int) []int {
	pieces := make([]int, n)
	for i := range pieces {
		pieces[i] = i
	}
	return pieces
}

func TestFetchesEveryFragmentOfASwarmFromItsPeers(t *testing.T) {
	c := makeContent(t, 20, false)
	one, two, us := newAgent(t, 1<<30), newAgent(t, 1<<30), newAgent(t, 1<<30)
	one.hold(c, all(12)...)
	two.hold(c, all(20)[8:]...)
	one.join(c, true)
	two.join(c, true)
	us.join(c, true, one, two)
	us.wait("all fragments", func() bool { return us.holds(c, 20) })
}

func TestMetadataComesFromPeersWhenOnlyTheHashIsKnown(t *testing.T) {
	c := makeContent(t, 5, false)
	seed, us := newAgent(t, 1<<30), newAgent(t, 1<<30)
	seed.hold(c, all(5)...)
	seed.join(c, true)
	us.join(c, false, seed)
	us.wait("all fragments", func() bool { return us.holds(c, 5) })
	if s, _ := us.engine.Swarm(c.info.Hash); s.Record.Name != c.info.Name {
		t.Errorf("the swarm is called %q, its metadata says %q", s.Record.Name, c.info.Name)
	}
}

func TestPrivateTorrentIsLeftTheMomentThatItsMetadataShowsIt(t *testing.T) {
	c := makeContent(t, 5, true)
	us := newAgent(t, 1<<30)
	if err := us.engine.Join(Join{Hash: c.info.Hash, Metadata: c.raw}); err != ErrPrivate {
		t.Errorf("joining with metadata: %v, want ErrPrivate", err)
	}
	// A peer that serves the metadata of a private torrent.
	teller := newScripted(t, c)
	us.join(c, false)
	us.find(c, teller.addr())
	us.wait("the swarm to be left", func() bool { return !us.engine.Has(c.info.Hash) })
	us.wait("the candidate to be refused", func() bool {
		us.mu.Lock()
		defer us.mu.Unlock()
		return us.refused[c.info.Hash].Text != ""
	})
	if _, ok := us.store.Swarm(c.info.Hash); ok {
		t.Error("the record of the private torrent is still stored")
	}
	if _, ok := us.store.Metadata(c.info.Hash); ok {
		t.Error("the metadata of the private torrent is stored")
	}
}

func TestSwarmThatTurnsOutTooLargeIsLeft(t *testing.T) {
	c := makeContent(t, 4, false)
	seed, us := newAgent(t, 1<<30), newAgent(t, 1<<30)
	seed.hold(c, all(4)...)
	seed.join(c, true)
	us.mu.Lock()
	us.most = c.info.Length - 1
	us.ready = []swarm.Candidate{{ // as it was listed, it is small
		Hash: c.info.Hash, Length: 1, Health: swarm.Health{Seeds: 1, Leechers: 2, Copies: 1},
		Introducers: []swarm.Introducer{{Kind: swarm.KindPeer, Addr: seed.port.Addr()}},
	}}
	us.mu.Unlock()
	us.wait("the swarm to be refused and left", func() bool {
		us.mu.Lock()
		defer us.mu.Unlock()
		return us.refused[c.info.Hash].Cause == swarm.CauseSize && !us.engine.Has(c.info.Hash)
	})
	if got := us.refused[c.info.Hash].Length; got != c.info.Length {
		t.Errorf("refused for %d bytes, it has %d", got, c.info.Length)
	}
	if _, ok := us.store.Metadata(c.info.Hash); ok || us.store.Count(c.info.Hash) > 0 {
		t.Error("something of it was stored")
	}
}

func TestSwarmWithoutMetadataIsLeftAndNotJoinedAgainSoon(t *testing.T) {
	for _, online := range []bool{true, false} {
		us := newAgent(t, 1<<30)
		h := swarm.InfoHash{7}
		by := netip.MustParseAddrPort("127.0.0.1:1") // where nobody listens
		if err := us.engine.Join(Join{Hash: h, Health: swarm.Health{Leechers: 3}, Why: swarm.Why{Introducer: swarm.Introducer{Kind: swarm.KindPeer, Addr: by}}}); err != nil {
			t.Fatal(err)
		}
		us.mu.Lock()
		found := us.found[h]
		us.mu.Unlock()
		if online {
			found(peersource.Result{Seeds: -1, Leechers: -1})
		} else {
			found(peersource.Result{Err: context.DeadlineExceeded})
		}
		s := us.engine.table.get(h)
		s.mu.Lock()
		s.sought = choose.MaxSeek - joinInterval // as after that time
		s.mu.Unlock()
		us.wait("the swarm to be left", func() bool { return !us.engine.Has(h) })
		us.mu.Lock()
		if r, refused := us.refused[h]; refused != online || online && r.Cause != swarm.CauseSilent {
			t.Errorf("online %v: refusal %v, %v", online, r, refused)
		}
		us.mu.Unlock()
		us.stop()
	}
}

func TestNothingIsFetchedBeyondTheAllotment(t *testing.T) {
	c := makeContent(t, 20, false)
	const room = 5 * 32 << 10
	seed, us := newAgent(t, 1<<30), newAgent(t, room)
	seed.hold(c, all(20)...)
	seed.join(c, true)
	us.join(c, true, seed)
	us.wait("as many fragments as there is room for", func() bool { return us.store.Count(c.info.Hash) >= 4 })
	if used := us.store.Used(); used > room {
		t.Errorf("%d bytes used of %d allotted", used, room)
	}
}

func TestReclaimedFragmentsAreNoLongerServed(t *testing.T) {
	c := makeContent(t, 8, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(8)...)
	us.join(c, true)
	p := newScripted(t, c).dial(us)
	p.unchoked()
	if got := p.fetch(3, 0, 16<<10); len(got) != 16<<10 {
		t.Fatalf("block of a held fragment: %d bytes", len(got))
	}
	us.setLimits(allotted(0))
	us.enforce()
	us.wait("the fragments to go", func() bool { return us.store.Count(c.info.Hash) == 0 })
	us.wait("the swarm to know", func() bool { s, _ := us.engine.Swarm(c.info.Hash); return s.Fragments == 0 })
	if got := p.fetch(3, 0, 16<<10); got != nil {
		t.Error("a reclaimed fragment was served")
	}
}

func TestPeerWhoseBlocksFailTheirHashIsShunned(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	us.join(c, true)
	liar := newScripted(t, c)
	liar.corrupt = true
	us.find(c, liar.addr())
	us.wait("the liar to be let go", func() bool { return liar.ended() })
	if n := us.store.Count(c.info.Hash); n != 0 {
		t.Errorf("%d fragments stored from a peer that sends rubbish", n)
	}
	us.wait("its rubbish to leave the disk", func() bool { return us.store.Used() == 0 })
}

func TestFragmentsAreServedAfterARestart(t *testing.T) {
	c := makeContent(t, 6, false)
	seed, us := newAgent(t, 1<<30), newAgent(t, 1<<30)
	seed.hold(c, all(6)...)
	seed.join(c, true)
	seed.restart(1 << 30)
	us.join(c, true, seed)
	us.wait("all fragments", func() bool { return us.holds(c, 6) })
}

func TestRestartGoesOnFetchingFromThePeersThatItKnows(t *testing.T) {
	c := makeContent(t, 6, false)
	seed, us := newAgent(t, 1<<30), newAgent(t, 1<<30)
	us.join(c, true, seed) // which is not in the swarm yet
	us.stop()
	seed.hold(c, all(6)...)
	seed.join(c, true)
	us.start(1 << 30)
	us.wait("all fragments", func() bool { return us.holds(c, 6) })
}

func TestDamagedFragmentIsNotServedButFetchedAnew(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(4)...)
	us.join(c, true)
	us.stop()
	us.damage(c, 2)
	us.start(1 << 30)
	p := newScripted(t, c).dial(us)
	p.unchoked()
	if got := p.fetch(2, 0, 16<<10); got != nil {
		t.Error("a damaged fragment was served")
	}
	us.wait("the damaged fragment to be dropped", func() bool {
		return !us.store.Has(fragstore.Key{Hash: c.info.Hash, Index: 2})
	})
}

func TestVerifiedCandidateIsJoined(t *testing.T) {
	c := makeContent(t, 4, false)
	seed, us := newAgent(t, 1<<30), newAgent(t, 1<<30)
	seed.hold(c, all(4)...)
	seed.join(c, true)
	us.mu.Lock()
	us.ready = []swarm.Candidate{{
		Hash: c.info.Hash, Name: "listed name", Health: swarm.Health{Seeds: 1, Leechers: 2, Copies: 1},
		Introducers: []swarm.Introducer{{Kind: swarm.KindPeer, Addr: seed.port.Addr()}},
	}}
	us.mu.Unlock()
	us.wait("all fragments", func() bool { return us.holds(c, 4) })
}

func TestIntroducerMayNotFillTheWholeStore(t *testing.T) {
	c := makeContent(t, 20, false)
	const room = 20 * 32 << 10
	seed, us := newAgent(t, 1<<30), newAgent(t, room)
	seed.hold(c, all(20)...)
	seed.join(c, true)
	err := us.engine.Join(Join{
		Hash: c.info.Hash, Metadata: c.raw, Peers: []string{seed.port.Addr().String()},
		Health: swarm.Health{Seeds: 1, Leechers: 1}, Why: swarm.Why{Introducer: swarm.Introducer{Kind: swarm.KindPeer, Addr: seed.port.Addr()}},
	})
	if err != nil {
		t.Fatal(err)
	}
	us.wait("the introducer's share to be full", func() bool { return us.store.Count(c.info.Hash) >= 15 })
	if n := us.store.Count(c.info.Hash); n > 16 {
		t.Errorf("%d fragments of one introducer where 16 are its share", n)
	}
}

func TestOffMeansThatNoSwarmIsDialled(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	us.join(c, true)
	us.stop()
	seed := newScripted(t, c)
	us.mu.Lock()
	found := us.found[c.info.Hash]
	us.mu.Unlock()
	found(peersource.Result{Peers: []netip.AddrPort{seed.addr()}})
	if us.engine.Running() {
		t.Error("the engine runs")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := seed.port.Dial(ctx, us.port.Addr(), c.info.Hash); err == nil {
		t.Error("the stopped agent shook hands")
	}
	if seed.met() {
		t.Error("the stopped agent dialled")
	}
}

func TestMalformedMessagesEndTheConnection(t *testing.T) {
	c := makeContent(t, 3, false)
	for name, m := range map[string]peerwire.Message{
		"request beyond the torrent":  {Type: peerwire.Request, Index: 3, Length: 16 << 10},
		"request beyond the piece":    {Type: peerwire.Request, Index: 0, Begin: 32<<10 - 1, Length: 16 << 10},
		"request of nothing":          {Type: peerwire.Request, Index: 0},
		"have beyond the torrent":     {Type: peerwire.Have, Index: 3},
		"bitfield of another length":  {Type: peerwire.HaveBitfield, Bitfield: make([]byte, 9)},
		"bitfield with spare bits on": {Type: peerwire.HaveBitfield, Bitfield: []byte{0xff}},
	} {
		t.Run(name, func(t *testing.T) {
			us := newAgent(t, 1<<30)
			us.hold(c, all(3)...)
			us.join(c, true)
			p := newScripted(t, c).dial(us)
			p.unchoked()
			if err := p.conn.Send(m); err != nil {
				t.Fatal(err)
			}
			p.expectEnd()
		})
	}
}

func TestMetadataIsNoMoreThanTheIndexCanHold(t *testing.T) {
	var all table
	const lent = 1 << 50
	all.learned(fragstore.MostMetadata - 100)
	if !all.fitsMetadata(100, lent) || all.fitsMetadata(101, lent) {
		t.Errorf("beside all but 100 bytes, 100 fit: %v, 101 fit: %v", all.fitsMetadata(100, lent), all.fitsMetadata(101, lent))
	}
}

func TestMetadataMayNotFillTheDisk(t *testing.T) {
	us := newAgent(t, 10<<20)
	// Only the metadata exists: 60,000 piece hashes are more than a MiB.
	info := metainfo.Info{Name: "huge", PieceLength: 32 << 10, Length: 60_000 * 32 << 10, Pieces: make([]byte, 60_000*20)}
	raw, err := bencode.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	h := swarm.HashInfo(raw)
	if err := us.engine.Join(Join{Hash: h, Metadata: raw}); err != ErrMetadata {
		t.Errorf("joining with %d bytes of metadata for 10 MiB lent: %v, want ErrMetadata", len(raw), err)
	}
	if _, ok := us.store.Metadata(h); ok {
		t.Error("the metadata was stored")
	}
}

func TestSwarmsThatCannotGoOnDoNotKeepOthersFromBeingJoined(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 1<<30)
	for n := range choose.MaxFetching {
		// Live, for its peers wait for the piece that nobody has.
		s := newMembership(swarm.InfoHash{byte(n + 1)}, Record{Health: swarm.Health{Leechers: 3}, Joined: time.Now()}, swarm.UnknownHealth)
		s.life = lifeLive
		us.engine.table.enter(s)
	}
	us.mu.Lock()
	us.ready = []swarm.Candidate{{Hash: c.info.Hash, Health: swarm.Health{Seeds: 1, Leechers: 2, Copies: 1}, Introducers: []swarm.Introducer{{Kind: swarm.KindPeer}}}}
	us.mu.Unlock()
	us.wait("the candidate to be joined", func() bool { return us.engine.Has(c.info.Hash) })
}

func TestSwarmThatWasLeftMayBeJoinedAgain(t *testing.T) {
	c := makeContent(t, 4, false)
	seed, us := newAgent(t, 1<<30), newAgent(t, 1<<30)
	seed.hold(c, all(4)...)
	seed.join(c, true)
	for range 5 {
		us.join(c, true, seed)
		us.wait("all fragments", func() bool { return us.holds(c, 4) })
		if err := us.engine.Leave(c.info.Hash); err != nil {
			t.Fatal(err)
		}
		if err := us.engine.Leave(c.info.Hash); err != ErrUnknown {
			t.Errorf("leaving it twice: %v, want ErrUnknown", err)
		}
		if n := us.store.Count(c.info.Hash); n != 0 || us.store.Used() != 0 {
			t.Errorf("%d fragments, %d bytes are left", n, us.store.Used())
		}
	}
}
