package foreground_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ebb/agent/foreground"
	"ebb/build/lab"
)

func TestADownloadIsMovedAndGoesOn(t *testing.T) {
	w := newWorld(t)
	c := w.content("album", 4<<20, 64<<10, lab.InFiles(5))
	w.seed(c)
	s := w.open()
	w.add(c)
	w.complete(c)
	there := filepath.Join(t.TempDir(), "films", "new")
	if err := s.Move(c.Hash, there); err != nil {
		t.Fatal(err)
	}
	moved := func() {
		t.Helper()
		picture := w.await(c.Hash, "moved", func(p foreground.Torrent) bool {
			return p.State == foreground.Seeding && p.Directory == there && p.MovingTo == ""
		})
		if err := c.Verify(there); err != nil || !picture.Complete() {
			t.Errorf("%+v, %v", picture, err)
		}
		if left, err := os.ReadDir(w.cfg.Directory); err != nil || len(left) > 0 {
			t.Errorf("where it was is left %v, %v", left, err)
		}
	}
	moved()
	w.close()
	s = w.open()
	moved()

	// A stopped one is moved and stays stopped, and can be removed with its files.
	if err := s.Stop(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.awaitState(c.Hash, foreground.Stopped)
	if err := s.Move(c.Hash, w.cfg.Directory); err != nil {
		t.Fatal(err)
	}
	w.await(c.Hash, "moved back", func(p foreground.Torrent) bool {
		return p.State == foreground.Stopped && p.Directory == w.cfg.Directory && p.MovingTo == ""
	})
	if err := c.Verify(w.cfg.Directory); err != nil {
		t.Error(err)
	}
	if err := s.Remove(c.Hash, true); err != nil || w.has("album") {
		t.Errorf("removed: %v; something is left: %t", err, w.has("album"))
	}
}

func TestAMoveThatCannotBeIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.content("album", 1<<20, 64<<10, lab.InFiles(2))
	w.seed(c)
	s := w.open()
	there := t.TempDir()
	if err := s.Move(c.Hash, there); !errors.Is(err, foreground.ErrUnknown) {
		t.Errorf("of what is no download: %v", err)
	}
	magnet := w.content("magnet.bin", 1<<20, 64<<10)
	if _, err := s.AddURI(w.ctx, magnet.Magnet(), true); err != nil {
		t.Fatal(err)
	}
	if err := s.Move(magnet.Hash, there); !errors.Is(err, foreground.ErrNoContent) {
		t.Errorf("without metadata: %v", err)
	}
	w.add(c)
	w.complete(c)
	for _, directory := range []string{"", "films", "../films"} {
		if err := s.Move(c.Hash, directory); !errors.Is(err, foreground.ErrBadPlace) {
			t.Errorf("to %q: %v", directory, err)
		}
	}
	file := filepath.Join(there, "file")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Mkdir(filepath.Join(there, "album"), 0o755),
		os.WriteFile(filepath.Join(there, "album", "000.bin"), []byte("mine"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.Move(c.Hash, file); !errors.Is(err, foreground.ErrBadPlace) {
		t.Errorf("to a file: %v", err)
	}
	if err := s.Move(c.Hash, there); !errors.Is(err, foreground.ErrInTheWay) {
		t.Errorf("onto something else: %v", err)
	}
	loan, err := s.Lend(c.Hash)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Move(c.Hash, t.TempDir()); !errors.Is(err, foreground.ErrLent) {
		t.Errorf("of what is lent: %v", err)
	}
	if err := loan.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Verify(w.cfg.Directory); err != nil {
		t.Error(err)
	}
}
