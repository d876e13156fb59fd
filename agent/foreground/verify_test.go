package foreground_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ebb/agent/foreground"
	"ebb/build/lab"
)

// damage overwrites a byte of a file, behind ebb's back.
func damage(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	b[0] ^= 0xff
	_, writeErr := f.WriteAt(b[:], at)
	if err := errors.Join(err, writeErr, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyFindsDamageAndMendsIt(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	w.seed(c)
	s := w.open()
	w.add(c)
	w.complete(c)
	path := filepath.Join(w.cfg.Directory, "film.bin")
	damage(t, path, 3*64<<10)
	if err := s.Verify(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.await(c.Hash, "complete again", func(p foreground.Torrent) bool {
		return p.State == foreground.Seeding && c.Verify(w.cfg.Directory) == nil
	})
	if picture, _ := s.Torrent(c.Hash); picture.Downloaded > 2*64<<10 {
		t.Errorf("%d bytes were downloaded to mend one piece", picture.Downloaded)
	}
}

func TestVerifyTakesWhatOthersPutThere(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10, lab.Trackers()) // and nobody has it
	s := w.open()
	w.add(c)
	w.awaitState(c.Hash, foreground.Downloading)
	whole, err := os.ReadFile(filepath.Join(c.Dir, "film.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.cfg.Directory, "film.bin"), whole, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.complete(c)
}

func TestAStoppedDownloadIsVerifiedWhenItIsStarted(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	w.seed(c)
	s := w.open()
	w.add(c)
	w.complete(c)
	if err := s.Stop(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.awaitState(c.Hash, foreground.Stopped)
	damage(t, filepath.Join(w.cfg.Directory, "film.bin"), 0)
	if err := s.Verify(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.close()
	s = w.open()
	if picture := w.awaitState(c.Hash, foreground.Stopped); picture.Complete() {
		t.Errorf("after a restart it is taken for complete: %+v", picture)
	}
	if err := s.Start(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.await(c.Hash, "complete again", func(p foreground.Torrent) bool {
		return p.State == foreground.Seeding && c.Verify(w.cfg.Directory) == nil
	})
}

func TestWhatCannotBeVerifiedIsSaid(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10, lab.Trackers())
	s := w.open()
	if err := s.Verify(c.Hash); !errors.Is(err, foreground.ErrUnknown) {
		t.Errorf("what is not there: %v", err)
	}
	if _, err := s.AddURI(w.ctx, c.Magnet(), true); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(c.Hash); !errors.Is(err, foreground.ErrNoContent) {
		t.Errorf("without metadata: %v", err)
	}
}
