package foreground_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"ebb/agent/foreground"
	"ebb/build/lab"
)

func TestAdoptRefusesWhatAddTorrentRefuses(t *testing.T) {
	w := newWorld(t)
	c := w.content("album", 1<<20, 64<<10, lab.InFiles(3))
	s := w.open()
	held := w.shelve(c, all(c)...)
	expect := func(what string, file []byte, want error) {
		t.Helper()
		if _, err := s.Adopt(w.ctx, file, true, held); !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
		if len(held.Indexes()) != 16 {
			t.Errorf("%s: pieces were placed: %v are left", what, held.Indexes())
		}
	}
	expect("garbage", []byte("garbage"), foreground.ErrBadSource)
	for name, info := range badInfos() {
		expect(name, dict{"info": info}.encode(t), foreground.ErrBadSource)
	}
	w.nothingStored()

	w.ledger.setRoom(1)
	few := w.shelve(c, 1, 2)
	if _, err := s.Adopt(w.ctx, c.Torrent, true, few); !errors.Is(err, errNoRoom) || len(few.Indexes()) != 2 || w.has("album") {
		t.Errorf("without room: %v; %v are left; files: %t", err, few.Indexes(), w.has("album"))
	}
	w.ledger.setRoom(1 << 40)

	w.put("album/more/001.bin", 5)
	expect("a file in the way", c.Torrent, foreground.ErrInTheWay)
	if w.has("album/000.bin") {
		t.Error("with a file in the way, others were made")
	}
	w.remove("album/more/001.bin")

	// Added by the owner: then the pieces stay fragments.
	w.add(c)
	expect("a download", c.Torrent, foreground.ErrExists)
	if _, err := s.Adopt(w.ctx, c.Torrent, true, w.shelve(c)); err != nil {
		t.Errorf("a download, without pieces: %v", err)
	}
	if err := s.Remove(c.Hash, true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Adopt(w.ctx, c.Torrent, true, numbers{16}); err == nil || w.has("album") {
		t.Errorf("a piece that does not exist: %v", err)
	}
	w.adopt(c, held)
	w.complete(c)
	// Removed, and added by the owner: it is not the adopted one any more.
	if err := s.Remove(c.Hash, false); err != nil {
		t.Fatal(err)
	}
	w.add(c)
	held = w.shelve(c, all(c)...)
	expect("a download after an adopted one", c.Torrent, foreground.ErrExists)
	w.close()
	expect("a closed session", c.Torrent, foreground.ErrClosed)
}

// numbers are pieces of which there is no more than the index.
type numbers []uint32

func (n numbers) Indexes() []uint32                { return n }
func (numbers) Open(uint32) (io.ReadCloser, error) { return nil, errors.New("there is nothing") }
func (numbers) Placed([]uint32) error              { return errors.New("there is nothing") }

func TestAdoptEndsBetweenBatchesAndGoesOn(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 32<<20, 1<<20)
	s := w.open()
	held := w.shelve(c, all(c)...)
	ctx, cancel := context.WithCancel(w.ctx)
	held.after = func([]uint32) error { cancel(); return nil }
	if _, err := s.Adopt(ctx, c.Torrent, true, held); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if len(held.placed) != 8 || len(held.Indexes()) != 24 {
		t.Errorf("%d were placed, %d are left; of 8 in a batch", len(held.placed), len(held.Indexes()))
	}
	if calls := w.ledger.history(); len(calls) != 0 {
		t.Errorf("the ledger was asked %q", calls)
	}
	// Nobody else can have it meanwhile, and closing does not wait for all of it.
	other := w.content("other", 1<<20, 64<<10)
	if _, err := s.AddTorrent(w.ctx, other.Torrent, false); err != nil {
		t.Fatal(err)
	}
	held.after = func([]uint32) error {
		if _, err := s.AddTorrent(w.ctx, c.Torrent, true); !errors.Is(err, foreground.ErrExists) {
			t.Errorf("adding it meanwhile: %v", err)
		}
		if _, err := s.Adopt(w.ctx, c.Torrent, true, w.shelve(c)); !errors.Is(err, foreground.ErrExists) {
			t.Errorf("adopting it meanwhile: %v", err)
		}
		go func() { _ = w.end() }() // its error is looked at below
		for s.Stop(other.Hash) == nil {
		}
		return nil
	}
	if _, err := s.Adopt(w.ctx, c.Torrent, true, held); !errors.Is(err, foreground.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	held.after = nil
	w.close()
	if len(held.Indexes()) != 16 {
		t.Errorf("%d are left after another batch", len(held.Indexes()))
	}
	w.open()
	w.adopt(c, held)
	w.complete(c)
	if got := w.awaitSeeding(c); got != 0 {
		t.Errorf("%d bytes were downloaded", got)
	}
}
