package background

import (
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// download is a donor: a download of a content, some pieces of which may be
// wrong or missing. It checks that it is used as a donor may be.
type download struct {
	t       testing.TB
	content content
	wrong   map[uint32]bool
	missing map[uint32]bool
	reads   chan uint32   // if not nil, is told which piece is read,
	goOn    chan struct{} // and then waits for this

	mu     sync.Mutex
	stored []uint32
	closed []bool
}

func newDownload(t testing.TB, c content) *download {
	d := &download{t: t, content: c, wrong: make(map[uint32]bool), missing: make(map[uint32]bool)}
	t.Cleanup(func() {
		if n := len(d.ends()); n > 1 {
			t.Errorf("the donor was closed %d times", n)
		}
	})
	return d
}

func (d *download) ReadPieceAt(p []byte, index uint32, off int64) (int, error) {
	if d.reads != nil {
		d.reads <- index
		<-d.goOn
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.closed) > 0 {
		d.t.Error("the donor was read after it had been closed")
	}
	if d.missing[index] {
		return 0, errors.New("no such piece")
	}
	piece := d.content.piece(int(index))
	n := copy(p, piece[off:])
	if d.wrong[index] {
		p[n-1] ^= 1
	}
	if off+int64(n) == int64(len(piece)) {
		return n, io.EOF
	}
	return n, nil
}

func (d *download) Stored(index uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.closed) > 0 {
		d.t.Error("a piece was stored after the donor had been closed")
	}
	d.stored = append(d.stored, index)
}

func (d *download) Close(done bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = append(d.closed, done)
}

func (d *download) ends() []bool { d.mu.Lock(); defer d.mu.Unlock(); return slices.Clone(d.closed) }
func (d *download) gave() []uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(slices.Values(d.stored))
}

// expectEnd waits for the donor to be closed, and checks how.
func (d *download) expectEnd(us *agent, done bool) {
	d.t.Helper()
	us.wait("the donor to be closed", func() bool { return len(d.ends()) > 0 })
	if ends := d.ends(); !slices.Equal(ends, []bool{done}) {
		d.t.Errorf("the donor was closed %v, want once with %v", ends, done)
	}
}

// keep joins c and gives it what was downloaded of it.
func (a *agent) keep(c content, d Donor, peers ...*agent) {
	a.t.Helper()
	j := Join{Hash: c.info.Hash, Metadata: c.raw, Health: swarm.UnknownHealth, Why: swarm.Why{Introducer: swarm.Introducer{Kind: swarm.KindOwner}}, Donor: d}
	for _, p := range peers {
		j.Peers = append(j.Peers, p.port.Addr().String())
	}
	if err := a.engine.Join(j); err != nil {
		a.t.Fatal(err)
	}
}

// toldThat reports whether the story has this sentence.
func (a *agent) toldThat(text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.stories, text)
}

// give hands a donor to the swarm, and takes from it until it is closed.
func (d *direct) give(donor *download) {
	d.t.Helper()
	d.handleGiven(donor)
	d.drain()
}

func (d *direct) drain() {
	d.t.Helper()
	for d.donation != nil && d.donation.busy {
		select {
		case r := <-d.donated:
			d.handleDonated(r)
		case <-time.After(deadline):
			d.t.Fatalf("waited %v for a piece of the donor's", deadline)
		}
	}
}

// has makes a peer say which pieces it has: all but some.
func (d *direct) hasAllBut(p *peer, but ...int) {
	d.t.Helper()
	has := peerwire.NewBitfield(d.info.NumPieces())
	has.SetAll()
	for _, i := range but {
		has.Clear(i)
	}
	d.hear(p, peerwire.Message{Type: peerwire.HaveBitfield, Bitfield: has.Bytes()})
}

const pieceSize = 32 << 10 // of makeContent
