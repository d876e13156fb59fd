package fragstore

import (
	"crypto/sha1"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"ebb/agent/swarm"

	"go.uber.org/goleak"
)

var quiet = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(act(role, os.Getenv(stateVariable)))
	}
	goleak.VerifyTestMain(m)
}

// failer is what *testing.T and *rapid.T have in common here.
type failer interface {
	Helper()
	Fatal(args ...any)
}

func must(tb failer, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// reopen opens the store of a state directory, as ebb lays it out.
func reopen(tb failer, state string) *Store {
	tb.Helper()
	s, err := Open(filepath.Join(state, "fragments"), filepath.Join(state, "fragments.db"), Options{Log: quiet})
	must(tb, err)
	return s
}

// open is reopen for the whole test.
func open(tb testing.TB, state string) *Store {
	tb.Helper()
	s := reopen(tb, state)
	tb.Cleanup(func() { must(tb, s.Close()) })
	return s
}

// crash lets go of a store as if its process had died: nothing is flushed, nothing is marked.
func crash(tb failer, s *Store) {
	tb.Helper()
	close(s.index.stop)
	<-s.index.done
	must(tb, s.index.db.Close())
	s.mu.Lock()
	s.closed = true
	for _, w := range s.writers {
		w.file.Close()
	}
	s.mu.Unlock()
	s.idle.close()
	s.ahead.close()
	must(tb, s.root.Close())
	must(tb, s.home.Close())
}

// valueOf is what the index keeps of a fragment that was verified in that epoch, and never served.
func valueOf(length, epoch uint32) []byte {
	return fragmentValue(&entry{length: length, stored: 1, state: verified}, epoch)
}

func hashOf(name string) swarm.InfoHash { return sha1.Sum([]byte(name)) }

func key(swarm string, index uint32) Key { return Key{hashOf(swarm), index} }

// content is what a fragment of that key holds in all tests.
func content(k Key, length int64) []byte {
	p := make([]byte, length)
	seed := [32]byte{31: byte(k.Index)}
	copy(seed[:], k.Hash[:])
	_, _ = rand.NewChaCha8(seed).Read(p) // never fails
	return p
}

func sumOf(k Key, length int64) [20]byte { return sha1.Sum(content(k, length)) }

// put stores a fragment the way a download does: in blocks of 16 KiB.
func put(s *Store, k Key, length int64) error {
	w, err := s.Create(k, length, sumOf(k, length))
	if err != nil {
		return err
	}
	p := content(k, length)
	for off := 0; off < len(p); off += 16 << 10 {
		if _, err := w.WriteAt(p[off:min(off+16<<10, len(p))], int64(off)); err != nil {
			w.Abort()
			return err
		}
	}
	return w.Commit()
}

// read returns the content that the store serves for a fragment.
func read(s *Store, k Key, length int64) ([]byte, error) {
	r, err := s.Open(k, sumOf(k, length))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// onDisk adds up what du would say about the files below dir.
func onDisk(tb failer, dir string) (total int64) {
	tb.Helper()
	must(tb, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		total += allocated(fi)
		return nil
	}))
	return total
}
