package foreground_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ebb/agent/foreground"
	"ebb/build/lab"
)

// adopt adopts c, which must work.
func (w *world) adopt(c *lab.Content, pieces foreground.Pieces) {
	w.Helper()
	h, err := w.session.Adopt(w.ctx, c.Torrent, true, pieces)
	if err != nil {
		w.Fatal(err)
	}
	if h != c.Hash {
		w.Fatalf("adopted %s, not %s", h.String(), c.Hash.String())
	}
}

// awaitSeeding waits until the download is complete, and returns how many bytes of it were downloaded.
func (w *world) awaitSeeding(c *lab.Content) int64 {
	w.Helper()
	return w.awaitState(c.Hash, foreground.Seeding).Downloaded
}

func TestAdoptedPiecesAreNotDownloadedAgain(t *testing.T) {
	for _, files := range []int{1, 5, 300} { // the last: several files in each piece
		t.Run(fmt.Sprint(files), func(t *testing.T) {
			w := newWorld(t)
			var options []lab.ContentOption
			if files > 1 {
				options = append(options, lab.InFiles(files))
			}
			c := w.content("album", 3<<20+1234, 64<<10, options...)
			seed := w.seed(c)
			w.open()
			var held []uint32
			var covered int64
			for _, index := range all(c) {
				if rand.IntN(2) == 0 {
					held = append(held, index)
					covered += min(64<<10, c.Size()-int64(index)*64<<10)
				}
			}
			before := seed.Uploaded()
			s := w.shelve(c, held...)
			w.adopt(c, s)
			w.complete(c)
			if got, want := w.awaitSeeding(c), c.Size()-covered; got != want || seed.Uploaded()-before != want {
				t.Errorf("%d bytes were downloaded, %d sent, not %d", got, seed.Uploaded()-before, want)
			}
			if !slices.Equal(s.placed, held) {
				t.Errorf("placed were %v, not %v", s.placed, held)
			}
			calls := w.ledger.history()
			if calls[0] != fmt.Sprint("reserve ", c.Size()-covered) || calls[len(calls)-1] != "release" || len(calls) != 2 {
				t.Errorf("the ledger was asked %q", calls)
			}
			// As rain makes them.
			for path, mode := range map[string]os.FileMode{".": os.ModeDir | 0o755, "album": 0} {
				fi, err := os.Stat(filepath.Join(w.cfg.Directory, path))
				if err != nil {
					t.Fatal(err)
				}
				if mode == 0 && files == 1 {
					mode = 0o644
				} else if mode == 0 {
					mode = os.ModeDir | 0o755
				}
				if fi.Mode() != mode {
					t.Errorf("%s has the mode %v, not %v", path, fi.Mode(), mode)
				}
			}
		})
	}
}

func TestWhatIsWhollyHeldIsCompleteWithoutASwarm(t *testing.T) {
	w := newWorld(t)
	c := w.content("album", 20<<20+77, 1<<20, lab.InFiles(7)) // more than two batches
	s := w.open()
	held := w.shelve(c, all(c)...)
	w.adopt(c, held)
	if got := w.awaitSeeding(c); got != 0 {
		t.Errorf("%d bytes were downloaded", got)
	}
	w.complete(c)
	w.nothingAsked()
	if len(held.Indexes()) != 0 {
		t.Errorf("not placed: %v", held.Indexes())
	}
	if list := s.Torrents(); len(list) != 1 || s.RainTorrents() != 1 {
		t.Errorf("the downloads are %+v, and rain has %d", list, s.RainTorrents())
	}
	if told := w.told(); !slices.Equal(told, []string{"added: album: added", "complete: album: complete"}) {
		t.Errorf("the story is %q", told)
	}
}

func TestAdoptedWithoutStartWaitsForTheOwner(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	s := w.open()
	if _, err := s.Adopt(w.ctx, c.Torrent, false, w.shelve(c, all(c)[:8]...)); err != nil {
		t.Fatal(err)
	}
	w.awaitState(c.Hash, foreground.Stopped)
	if calls := w.ledger.history(); !slices.Equal(calls, []string{"reserve 524288", "release"}) {
		t.Errorf("the ledger was asked %q", calls)
	}
	w.close()
	w.seed(c)
	s = w.open()
	w.awaitState(c.Hash, foreground.Stopped)
	if err := s.Start(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.complete(c)
	if got := w.awaitSeeding(c); got != 512<<10 {
		t.Errorf("%d bytes were downloaded", got)
	}
}

func TestPromiseOfAnAdoptedDownloadShrinks(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 16<<20, 1<<20)
	w.open()
	s := w.shelve(c, all(c)[4:]...)
	var during []int64
	s.after = func([]uint32) error {
		remaining, _ := w.ledger.remaining(c.Hash)
		during = append(during, remaining)
		return nil
	}
	w.adopt(c, s)
	w.awaitState(c.Hash, foreground.Downloading)
	if remaining, ok := w.ledger.remaining(c.Hash); !ok || remaining != 4<<20 {
		t.Errorf("after placing %d bytes remain (%t), not 4 MiB", remaining, ok)
	}
	for _, remaining := range during { // one batch is in the files, and on the shelf
		if remaining > 4<<20 {
			t.Errorf("while placing %d bytes remain", remaining)
		}
	}
	w.seed(c)
	w.complete(c)
	if remaining, ok := w.ledger.remaining(c.Hash); ok {
		t.Errorf("when complete %d bytes are promised", remaining)
	}
}

func TestPiecesOnAnotherDiskFreeNothingHere(t *testing.T) {
	w := newWorld(t)
	w.cfg.FragmentsApart = func() bool { return true }
	c := w.content("film.bin", 1<<20, 64<<10)
	w.open()
	w.adopt(c, w.shelve(c, all(c)...))
	w.complete(c)
	if calls := w.ledger.history(); !slices.Equal(calls, []string{"reserve 1048576", "release"}) {
		t.Errorf("the ledger was asked %q", calls)
	}
}

func TestUnreadablePiecesAreDownloaded(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	w.seed(c)
	w.open()
	s := w.shelve(c, all(c)...)
	bad := []uint32{2, 5, 7}
	s.broken[2] = func() (io.ReadCloser, error) { return nil, errors.New("it is gone") }
	s.broken[5] = func() (io.ReadCloser, error) {
		f, err := os.Open(s.path(5))
		return struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(f, 1000), failing{}), f}, err
	}
	s.broken[7] = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("short")), nil }
	w.adopt(c, s)
	w.complete(c)
	if got := w.awaitSeeding(c); got != 3*64<<10 {
		t.Errorf("%d bytes were downloaded, not those of three pieces", got)
	}
	if left := s.Indexes(); !slices.Equal(left, bad) {
		t.Errorf("not placed are %v, not %v", left, bad)
	}
	// As after a kill before the agent forgets the swarm.
	w.close()
	w.open()
	w.adopt(c, s)
	if left := s.Indexes(); !slices.Equal(left, bad) {
		t.Errorf("adopted again, %v are left", left)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("a bad sector") }

func TestErrorOfPlacedLeavesThePieces(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	s := w.open()
	held := w.shelve(c, all(c)...)
	odd := errors.New("odd")
	held.after = func([]uint32) error { return odd }
	if _, err := s.Adopt(w.ctx, c.Torrent, true, held); !errors.Is(err, odd) || len(held.Indexes()) != 16 || s.RainTorrents() != 0 {
		t.Errorf("%v; %d are left", err, len(held.Indexes()))
	}
	held.after = nil
	w.adopt(c, held)
	w.complete(c)
}

func TestWhatTheOwnerHasRemovedWithoutDataIsAdopted(t *testing.T) {
	w := newWorld(t)
	c := w.content("album", 2<<20, 64<<10, lab.InFiles(3))
	seed := w.seed(c)
	s := w.open()
	w.add(c)
	w.complete(c)
	if err := s.Remove(c.Hash, false); err != nil {
		t.Fatal(err)
	}
	if err := seed.Stop(); err != nil {
		t.Fatal(err)
	}
	// One piece of what is there was damaged, and is held.
	path := filepath.Join(w.cfg.Directory, "album", "000.bin")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(make([]byte, 100), 70<<10)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	before := len(w.ledger.history())
	w.adopt(c, w.shelve(c, 1, 7))
	w.complete(c)
	if got := w.awaitSeeding(c); got != 0 {
		t.Errorf("%d bytes were downloaded again", got)
	}
	if calls := w.ledger.history()[before:]; slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "reserve") }) {
		t.Errorf("for what is on disk the ledger was asked %q", calls)
	}
}

func TestWhatAKilledAdoptHasLeftInRainIsForgotten(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	if err := w.open().LeaveProbe(c.Torrent, c.Hash); err != nil {
		t.Fatal(err)
	}
	w.close()
	s := w.open()
	if list := s.Torrents(); len(list) != 0 {
		t.Errorf("there are downloads: %+v", list)
	}
	w.nothingStored()
	w.adopt(c, w.shelve(c, all(c)...))
	w.complete(c)
}
