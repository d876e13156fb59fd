package files

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ebb/agent/swarm"
)

// openNow returns how many descriptors the process has of files below the directory that are called file….
func openNow(t *testing.T, dir string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join("/proc/self/fd", entry.Name()))
		if err == nil && strings.HasPrefix(target, dir) && strings.HasPrefix(filepath.Base(target), "file") {
			n++
		}
	}
	return n
}

// holding returns a store with one download, whose hash is zero, and its files of as many bytes each.
func holding(dir string, length int64, paths ...string) *Store {
	p := Place{Directory: dir}
	for _, path := range paths {
		p.Files = append(p.Files, File{path, length})
	}
	return &Store{pool: newPool(minPooled), places: map[swarm.InfoHash]Place{{}: p}}
}

func TestNoMoreFilesAreOpenThanThePoolAllows(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for n := range 10 * minPooled {
		paths = append(paths, fmt.Sprintf("show/dir%d/file%d", n%3, n))
	}
	d := holding(dir, 4096, paths...)
	d.pool = newPool(minPooled)
	var files []*Pooled
	for n := range paths {
		f, exists, err := d.OpenFile(swarm.InfoHash{}, n)
		if err != nil || exists {
			t.Fatal(exists, err)
		}
		files = append(files, f)
	}
	if n := openNow(t, dir); n != 0 {
		t.Errorf("%d files are open before anybody reads", n)
	}
	var all sync.WaitGroup
	for n, f := range files {
		all.Go(func() {
			for round := range 20 {
				want := bytes.Repeat([]byte{byte(n)}, 100)
				if _, err := f.WriteAt(want, int64(round*100)); err != nil {
					t.Error(err)
				}
				got := make([]byte, 100)
				if _, err := f.ReadAt(got, int64(round*100)); err != nil || !bytes.Equal(got, want) {
					t.Errorf("file %d has %v, %v", n, got[0], err)
				}
				d.pool.mu.Lock() // or a file that is closed while we count is counted again under another descriptor
				open := openNow(t, dir)
				d.pool.mu.Unlock()
				if open > minPooled {
					t.Errorf("%d files are open", open)
				}
			}
		})
	}
	all.Wait()
	for _, f := range files {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := f.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("reading what is closed: %v", err)
		}
	}
	if n := openNow(t, dir); n != 0 || d.pool.open != 0 || d.pool.idle.Len() != 0 {
		t.Errorf("%d files stay open, the pool counts %d", n, d.pool.open)
	}
}

func TestPoolFollowsTheAllowedDescriptors(t *testing.T) {
	for descriptors, want := range map[uint64]int{0: 8, 64: 8, 256: 32, 1024: 64, 1 << 63: 64} {
		if got := poolLimit(descriptors); got != want {
			t.Errorf("of %d descriptors files get %d, not %d", descriptors, got, want)
		}
	}
}

func TestAFileThatIsGoneIsNotMadeAgainByWriting(t *testing.T) {
	dir := t.TempDir()
	f, _, err := holding(dir, 10, "film.bin").OpenFile(swarm.InfoHash{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "film.bin")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("writing to it: %v", err)
	}
}

func TestNothingIsMadeWhereADiskIsMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "usb", "downloads")
	if _, _, err := holding(dir, 10, "show/film.bin").OpenFile(swarm.InfoHash{}, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
	if exists(t, filepath.Dir(dir)) {
		t.Error("its directory was made")
	}
}

func TestFilesStayInsideOfTheDirectory(t *testing.T) {
	outside := t.TempDir()
	dir := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link/film.bin", "../film.bin", "a/../../film.bin", "/film.bin"} {
		if _, _, err := holding(dir, 10, name).OpenFile(swarm.InfoHash{}, 0); err == nil {
			t.Errorf("%s was made", name)
		}
	}
	// A link that takes the place of a directory meanwhile.
	f, _, err := holding(dir, 4, "show/film.bin").OpenFile(swarm.InfoHash{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "film.bin"), []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "show")), os.Symlink(outside, filepath.Join(dir, "show"))); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("ours"), 0); err == nil {
		t.Error("it was written through a link")
	}
	if got, err := os.ReadFile(filepath.Join(outside, "film.bin")); err != nil || string(got) != "mine" {
		t.Errorf("outside there is %q, %v", got, err)
	}
}
