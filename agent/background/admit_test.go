package background

import (
	"testing"

	"ebb/agent/peerwire"
	"ebb/quota/disk/fragstore"
)

// crammed is a swarm in great need whose agent has a full store, of fragments that are worth nothing.
func crammed(t *testing.T, pieces int) *direct {
	t.Helper()
	worthless := makeContent(t, 40, false)
	us := newAgent(t, 40*pieceSize)
	us.hold(worthless, all(40)...)
	us.store.SetValues(worthless.info.Hash, func(uint32) float64 { return 0 })
	d := us.direct(makeContent(t, pieces, false))
	t.Cleanup(func() {
		if n := us.engine.inFlight.pieces.Load(); n != int64(len(d.fetches)) {
			t.Errorf("%d pieces are taken to be in flight, and %d are", n, len(d.fetches))
		}
	})
	return d
}

// requests are the pieces that have been asked for and not answered, each once.
func (p *peer) requests() (pieces []uint32) {
	for _, f := range p.fetches {
		if f.outstanding() > 0 {
			pieces = append(pieces, f.index)
		}
	}
	return pieces
}

// fragments is how many the store has.
func (d *direct) fragments() int {
	n, _ := d.us.store.Stats()
	return n
}

func reject(index, begin uint32) peerwire.Message {
	return peerwire.Message{Type: peerwire.Reject, Index: index, Begin: begin, Length: peerwire.BlockSize}
}

func TestRejectsCostNoFragmentAndNoFile(t *testing.T) {
	d := crammed(t, 100)
	p, _ := d.seed()
	rejected := 0
	for ; rejected < 100 && len(p.requests()) > 0; rejected++ {
		d.hear(p, reject(p.requests()[0], 0))
	}
	if rejected > maxRejects+1 { // two pieces were asked for at once
		t.Errorf("the peer was asked until it had rejected %d pieces; want %d", rejected, maxRejects)
	}
	if held, files := d.fragments(), len(d.us.store.Incoming()); held != 40 || files != 0 || len(d.fetches) > 0 {
		t.Errorf("%d fragments of 40 are left, %d files are open for %d pieces in flight", held, files, len(d.fetches))
	}
	if p.amInterested {
		t.Error("a peer that rejects everything is told that we are interested")
	}
	q, _ := d.seed()
	if len(q.requests()) == 0 {
		t.Error("nothing is asked of the next peer")
	}
}

func TestPeerWhosePiecesAreGoodMayRejectNowAndThen(t *testing.T) {
	d := crammed(t, 60)
	p, _ := d.seed()
	for range 20 { // a peer whose own fragments are being reclaimed
		d.hear(p, reject(p.requests()[0], 0))
		index := p.requests()[0]
		d.hear(p, d.block(index, 0), d.block(index, peerwire.BlockSize))
		d.settle()
	}
	if len(p.requests()) == 0 {
		t.Error("it is asked no more")
	}
}

func TestPiecesInFlightAreBounded(t *testing.T) {
	d := crammed(t, 200)
	var most int
	for range 10 { // each sends a first block, and then makes the piece an orphan and says that it has it no more
		p, _ := d.seed()
		for range 50 {
			asked := p.requests()
			if len(asked) == 0 {
				break
			}
			d.hear(p, d.block(asked[0], 0), reject(asked[0], peerwire.BlockSize))
			p.rejects = 0 // whatever it does to be asked on
			most = max(most, len(d.fetches), len(d.us.store.Incoming()))
		}
	}
	if most > mostFetches {
		t.Errorf("up to %d pieces were in flight in one swarm; want at most %d", most, mostFetches)
	}
}

func TestOrphansMakeWayForAPieceThatSomebodySends(t *testing.T) {
	d := crammed(t, 200)
	p, _ := d.seed()
	for len(d.fetches) < mostFetches {
		asked := p.requests()
		d.hear(p, d.block(asked[0], 0), reject(asked[0], peerwire.BlockSize))
		p.rejects = 0
	}
	other, _ := d.meet()
	for i := range uint32(200) { // it has none of the orphans
		if d.fetches[i] == nil {
			d.hear(other, peerwire.Message{Type: peerwire.Have, Index: i})
		}
	}
	d.hear(other, peerwire.Message{Type: peerwire.Unchoke})
	if len(other.requests()) == 0 {
		t.Error("a peer that would send is kept waiting by pieces that nobody sends")
	}
}

func TestOrphansStayWhereNobodySendsAnythingElse(t *testing.T) {
	d := crammed(t, 200)
	p, _ := d.seed()
	for len(d.fetches) < mostFetches {
		asked := p.requests()
		d.hear(p, d.block(asked[0], 0), reject(asked[0], peerwire.BlockSize))
		p.rejects = 0
	}
	other, _ := d.meet() // it has nothing
	d.hear(other, peerwire.Message{Type: peerwire.Unchoke})
	other.amInterested = true
	d.request(other)
	if len(d.fetches) != mostFetches {
		t.Errorf("%d pieces are left in flight of %d, for nothing", len(d.fetches), mostFetches)
	}
}

func TestPiecesInFlightAreBoundedOverAllSwarms(t *testing.T) {
	us := newAgent(t, 1<<30)
	var swarms []*direct
	var peers []*peer
	for i := range 12 {
		d := us.direct(makeContent(t, 40+i, false))
		p, _ := d.seed()
		for range 16 {
			d.request(p)
			p.depth = 2 * (len(p.fetches) + 1)
		}
		swarms, peers = append(swarms, d), append(peers, p)
	}
	total := 0
	for _, d := range swarms {
		total += len(d.fetches)
	}
	if total != mostInFlight {
		t.Errorf("%d pieces are in flight over all swarms; want %d", total, mostInFlight)
	}
	swarms[0].handleParted(peers[0])
	swarms[11].goOn(peers[11])
	if len(swarms[11].fetches) == 0 {
		t.Error("a peer that has gone still keeps others waiting")
	}
}

func TestRoomIsAskedForBesideWhatIsExpected(t *testing.T) {
	c := makeContent(t, 8, false)
	us := newAgent(t, 3*pieceSize)
	d := us.direct(c)
	p, _ := d.seed()
	p.depth = maxDepth
	d.request(p)
	if len(d.fetches) != 3 {
		t.Errorf("%d pieces were asked for at once, there is room for 3", len(d.fetches))
	}
	if us.store.Used() != 0 {
		t.Errorf("%d bytes are taken before anything has come", us.store.Used())
	}
	other := us.direct(makeContent(t, 9, false))
	q, _ := other.seed()
	if len(other.fetches) != 0 || len(q.requests()) != 0 {
		t.Error("another swarm asked for what there is no room for")
	}
}

func TestFragmentIsReclaimedWhenTheFirstBlockOfABetterOneComes(t *testing.T) {
	d := crammed(t, 4)
	p, _ := d.seed()
	index := p.requests()[0]
	if held := d.fragments(); held != 40 {
		t.Fatalf("%d fragments of 40 are left before a block has come", held)
	}
	d.hear(p, d.block(index, 0))
	if held := d.fragments(); held != 39 {
		t.Errorf("%d fragments of 40 are left after the first block; want 39", held)
	}
	d.hear(p, d.block(index, peerwire.BlockSize))
	d.settle()
	if !d.us.store.Has(fragstore.Key{Hash: d.content.info.Hash, Index: index}) {
		t.Error("the better fragment was not stored")
	}

}
