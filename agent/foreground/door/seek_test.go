package door

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

const (
	kib   = 1 << 10
	limit = 4 << 20
)

// searching is a Seek with what it looks for, and a clock.
type searching struct {
	*Seek
	t     *testing.T
	info  []byte
	path  string
	now   time.Time
	peers []*stranger
}

// stranger is a peer that says that it has the metadata, and answers when it is told to.
type stranger struct {
	giver
	has      []byte
	requests []int
}

func newSearching(t *testing.T, size int) *searching {
	t.Helper()
	info := make([]byte, size)
	rand.Read(info)
	s := &searching{t: t, info: info, path: filepath.Join(t.TempDir(), "part"), now: time.Now()}
	s.open()
	return s
}

func (s *searching) open() {
	s.Seek = NewSeek(swarm.HashInfo(s.info), s.path, limit)
	s.t.Cleanup(func() { s.Close() })
}

// meet has a peer come that has this.
func (s *searching) meet(has []byte) *stranger {
	p := &stranger{has: has}
	p.size = int64(len(has))
	p.send = func(request []byte) error {
		m, err := peerwire.ParseMetadataMessage(request)
		if err != nil || m.Kind != peerwire.MetadataRequest {
			s.t.Errorf("request %q: %v", request, err)
		}
		p.requests = append(p.requests, m.Piece)
		return nil
	}
	s.peers = append(s.peers, p)
	s.offer(&p.giver, s.now)
	return p
}

// answer has a peer answer so many of its requests, and returns the first error.
func (s *searching) answer(p *stranger, most int) error {
	for ; most > 0 && len(p.requests) > 0; most-- {
		piece := p.requests[0]
		p.requests = p.requests[1:]
		m, err := peerwire.ParseMetadataMessage(peerwire.MetadataReply(p.has, piece))
		if err == nil {
			err = s.take(&p.giver, m, s.now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// all has a peer answer everything.
func (s *searching) all(p *stranger) error {
	for len(p.requests) > 0 {
		if err := s.answer(p, 1); err != nil {
			return err
		}
	}
	return nil
}

func (s *searching) pass(d time.Duration) {
	for end := s.now.Add(d); s.now.Before(end); {
		s.now = s.now.Add(time.Second)
		s.tick(s.now)
	}
}

// found checks that all of it is there.
func (s *searching) found() {
	s.t.Helper()
	select {
	case <-s.Done():
	default:
		s.t.Fatalf("not found: %+v", s.Progress())
	}
	if info, err := s.Info(); err != nil || !bytes.Equal(info, s.info) {
		s.t.Errorf("it is another: %v", err)
	}
}

// forged is the metadata with a wrong byte.
func (s *searching) forged() []byte {
	f := bytes.Clone(s.info)
	f[len(f)/2] ^= 1
	return f
}

func TestMetadataComesFromSeveralPeersAtOnce(t *testing.T) {
	s := newSearching(t, 600*kib)
	one, two, three := s.meet(s.info), s.meet(s.info), s.meet(s.info)
	for range 5 {
		for _, p := range []*stranger{one, two, three} {
			if err := s.answer(p, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	if p := s.Progress(); p.Have != 15 || p.Pieces != 38 || p.Peers != 3 {
		t.Errorf("progress %+v, want 15 of 38 pieces from 3 peers", p)
	}
	for _, p := range []*stranger{one, two, three} {
		if err := s.all(p); err != nil {
			t.Fatal(err)
		}
	}
	s.found()
}

func TestMetadataIsTakenUpAfterARestart(t *testing.T) {
	s := newSearching(t, 200*kib)
	p := s.meet(s.info)
	if err := s.answer(p, 6); err != nil {
		t.Fatal(err)
	}
	// As after a kill: nobody has closed anything.
	again := &searching{t: t, info: s.info, path: s.path, now: s.now}
	again.open()
	if got := again.Progress(); got.Have != 6 || got.Pieces != 13 {
		t.Errorf("after a restart: %+v, want 6 of 13 pieces", got)
	}
	if err := again.all(again.meet(s.info)); err != nil {
		t.Fatal(err)
	}
	again.found()
	whole := &searching{t: t, info: s.info, path: s.path, now: s.now}
	whole.open()
	whole.found()
}

func TestDamagedFileOfMetadataIsBegunAnew(t *testing.T) {
	s := newSearching(t, 50*kib)
	if err := os.WriteFile(s.path, s.forged(), 0o600); err != nil {
		t.Fatal(err)
	}
	s.open()
	if err := s.all(s.meet(s.info)); err != nil {
		t.Fatal(err)
	}
	s.found()
}

func TestOneThatLiesIsFoundOutAmongOthers(t *testing.T) {
	s := newSearching(t, 400*kib)
	liar := s.meet(s.forged())
	honest := s.meet(s.info)
	lied := false
	for range 200 {
		for _, p := range []*stranger{liar, honest} {
			switch err := s.answer(p, 1); {
			case err == nil:
			case p == liar && errors.Is(err, errLied):
				lied = true
				s.leave(&liar.giver, s.now)
				liar.requests = nil
			default:
				t.Fatal(err)
			}
		}
		select {
		case <-s.Done():
		default:
			continue
		}
		break
	}
	s.found()
	t.Logf("the liar was found out: %t", lied)
}

func TestPeersThatDoNotDeliverHoldNothingUp(t *testing.T) {
	s := newSearching(t, 200*kib)
	silent := s.meet(s.info)
	other := s.meet(s.info)
	if err := s.all(other); err != nil {
		t.Fatal(err)
	}
	s.pass(giverPatience + time.Second)
	if len(other.requests) == 0 {
		t.Fatal("nobody else is asked for what a silent peer was")
	}
	if err := s.all(other); err != nil {
		t.Fatal(err)
	}
	s.found()
	s.leave(&silent.giver, s.now)
}

func TestPeerThatRejectsIsLeftAloneForAWhile(t *testing.T) {
	s := newSearching(t, 20*kib)
	p := s.meet(s.info)
	if err := s.take(&p.giver, peerwire.MetadataMessage{Kind: peerwire.MetadataReject, Piece: 0}, s.now); err != nil {
		t.Fatal(err)
	}
	p.requests = nil
	if s.pass(giverRest - 2*time.Second); len(p.requests) > 0 {
		t.Error("it is asked again at once")
	}
	if s.pass(4 * time.Second); len(p.requests) == 0 {
		t.Fatal("it is never asked again")
	}
	if err := s.all(p); err != nil {
		t.Fatal(err)
	}
	s.found()
}

func TestFalseLengthIsGivenUp(t *testing.T) {
	t.Run("when more peers tell of another", func(t *testing.T) {
		s := newSearching(t, 100*kib)
		s.meet(make([]byte, 3<<20))
		s.meet(s.info)
		p := s.meet(s.info)
		if len(p.requests) == 0 && len(s.peers[1].requests) == 0 {
			t.Fatal("two peers are not believed before one")
		}
	})
	t.Run("when nothing comes", func(t *testing.T) {
		s := newSearching(t, 100*kib)
		s.meet(make([]byte, 3<<20))
		p := s.meet(s.info)
		s.pass(seekPatience + time.Second)
		if err := s.all(p); err != nil {
			t.Fatal(err)
		}
		s.found()
	})
}

func TestMetadataBeyondTheBoundIsSaid(t *testing.T) {
	s := newSearching(t, 10)
	large := &giver{size: 41 << 20, send: func([]byte) error { t.Error("it is asked for"); return nil }}
	s.offer(large, s.now)
	if p := s.Progress(); p.TooLarge != 41<<20 || p.Limit != limit || p.Pieces != 0 {
		t.Errorf("progress %+v", p)
	}
	// It may be a lie: whoever tells of less is asked.
	if err := s.all(s.meet(s.info)); err != nil {
		t.Fatal(err)
	}
	s.found()
	if p := s.Progress(); p.TooLarge != 0 {
		t.Errorf("found, and yet %+v", p)
	}
}

func TestWhatWasNotAskedForIsIgnored(t *testing.T) {
	s := newSearching(t, 40*kib)
	p := s.meet(s.info)
	for _, m := range []peerwire.MetadataMessage{
		{Kind: peerwire.MetadataData, Piece: 7, TotalSize: p.size, Data: make([]byte, 16*kib)},
		{Kind: peerwire.MetadataRequest}, {Kind: 9, Piece: 1 << 30},
	} {
		if err := s.take(&p.giver, m, s.now); err != nil {
			t.Errorf("%+v: %v", m.Kind, err)
		}
	}
	m := peerwire.MetadataMessage{Kind: peerwire.MetadataData, Piece: 0, TotalSize: p.size + 1, Data: make([]byte, 16*kib)}
	if err := s.take(&p.giver, m, s.now); !errors.Is(err, peerwire.ErrProtocol) {
		t.Errorf("a piece of another length: %v", err)
	}
	p.requests = append(p.requests, 0)
	s.leave(&p.giver, s.now)
	if err := s.all(s.meet(s.info)); err != nil {
		t.Fatal(err)
	}
	s.found()
}
