package foreground_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ebb/build/lab"
)

// mount mounts something, and unmounts it when the test ends, if it still is there. It reports false where that is not
// permitted.
func mount(t *testing.T, source, target, kind string, flags uintptr, data string) bool {
	t.Helper()
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		t.Logf("NOT COVERED HERE: mounting %s: %v", target, err)
		return false
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
			t.Errorf("unmounting: %v", err)
		}
	})
	return true
}

func TestAdoptGoesOnWhenAFullDiskHasSpaceAgain(t *testing.T) {
	w := newWorld(t)
	if err := os.Mkdir(w.cfg.Directory, 0o755); err != nil {
		t.Fatal(err)
	}
	if !mount(t, "tmpfs", w.cfg.Directory, "tmpfs", 0, "size=48m") {
		return
	}
	c := w.content("album", 40<<20, 1<<20, lab.InFiles(3))
	filler := filepath.Join(w.cfg.Directory, "filler")
	if err := os.WriteFile(filler, make([]byte, 28<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := w.open()
	held := w.shelve(c, all(c)...)
	for range 2 {
		if _, err := s.Adopt(w.ctx, c.Torrent, true, held); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("on a full disk: %v", err)
		}
		if len(held.placed) != 16 || len(held.Indexes()) != 24 { // two batches of 8 MiB
			t.Fatalf("%v are placed, %v are left", held.placed, held.Indexes())
		}
		if calls := w.ledger.history(); len(calls) != 0 {
			t.Errorf("the ledger was asked %q", calls)
		}
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	w.adopt(c, held)
	w.complete(c)
	if got := w.awaitSeeding(c); got != 0 {
		t.Errorf("%d bytes were downloaded", got)
	}
}

func TestFilesThatCannotBeWrittenAreNamed(t *testing.T) {
	w := newWorld(t)
	c := w.content("album", 3<<20, 1<<20, lab.InFiles(3))
	s := w.open()
	w.put("album/002.bin", 1<<20)
	path := filepath.Join(w.cfg.Directory, "album", "002.bin")
	if !mount(t, path, path, "", unix.MS_BIND, "") || !mount(t, "", path, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "") {
		return
	}
	held := w.shelve(c, all(c)...)
	if _, err := s.Adopt(w.ctx, c.Torrent, true, held); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "002.bin") {
		t.Errorf("a file that is read-only: %v", err)
	}
	if len(held.placed) != 0 || w.has("album/000.bin") || w.has("album/more") {
		t.Errorf("placed: %v; files were left", held.placed)
	}
	if err := unix.Unmount(path, 0); err != nil {
		t.Fatal(err)
	}
	w.adopt(c, held)
	w.complete(c)
}

func TestPiecesAreNotPlacedOutsideOfTheDirectory(t *testing.T) {
	w := newWorld(t)
	c := w.content("album", 1<<20, 64<<10, lab.InFiles(2))
	s := w.open()
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, filepath.Join(w.cfg.Directory, "album")); err != nil {
		t.Fatal(err)
	}
	held := w.shelve(c, all(c)...)
	if _, err := s.Adopt(w.ctx, c.Torrent, true, held); err == nil || !strings.Contains(err.Error(), "escapes") {
		t.Errorf("through a link: %v", err)
	}
	if entries, err := os.ReadDir(elsewhere); err != nil || len(entries) != 0 || len(held.placed) != 0 {
		t.Errorf("placed: %v; elsewhere there is %v, %v", held.placed, entries, err)
	}
}
