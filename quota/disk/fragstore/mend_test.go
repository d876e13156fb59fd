package fragstore

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestMendOfASoundStoreDoesNothing(t *testing.T) {
	s := open(t, stopped(t))
	w, err := s.Create(key("a", 9), 100, [20]byte{})
	must(t, err)
	defer w.Abort()
	before, err := s.index.txid()
	must(t, err)
	if mended, err := s.Mend(); mended != nil || err != nil {
		t.Errorf("Mend = %q, %v", mended, err)
	}
	if after, err := s.index.txid(); err != nil || after != before {
		t.Errorf("the index went from transaction %d to %d (%v)", before, after, err)
	}
	if _, err := w.WriteAt(make([]byte, 100), 0); err != nil {
		t.Errorf("the incoming fragment: %v", err)
	}
}

func TestMendLeavesEverythingElseAlone(t *testing.T) {
	state, outside := stopped(t), t.TempDir()
	var logged bytes.Buffer
	fragments := filepath.Join(state, "fragments")
	s, err := Open(fragments, filepath.Join(state, "fragments.db"), Options{Log: slog.New(slog.NewTextHandler(&logged, nil))})
	must(t, err)
	defer func() { must(t, s.Close()) }()
	precious := filepath.Join(outside, "0")
	must(t, os.WriteFile(precious, []byte("precious"), 0o600))

	// Links with our names, to the outside: a swarm's directory, its parent, a fragment, an incoming fragment; and the
	// directory of a swarm that is held, moved away and replaced by a link.
	links := []string{
		filepath.Join(fragments, swarmDir(hashOf("linked"))),
		filepath.Join(fragments, "00"),
		fileOf(state, key("a", 77)),
		filepath.Join(fragments, incomingPath(key("a", 78))),
		filepath.Dir(fileOf(state, key("b", 0))),
	}
	must(t, os.Rename(links[4], filepath.Join(outside, "b")))
	for i, link := range links {
		must(t, os.MkdirAll(filepath.Dir(link), 0o700))
		to := outside
		if i == 2 || i == 3 {
			to = precious
		}
		must(t, os.Symlink(to, link))
	}
	foreign := []string{filepath.Join(fragments, "holiday.jpg"), fileOf(state, key("a", 0)) + ".part"}
	for _, path := range foreign {
		must(t, os.WriteFile(path, []byte("mine"), 0o600))
	}
	pipe := fileOf(state, key("a", 79))
	must(t, syscall.Mkfifo(pipe, 0o600))

	mended, err := s.Mend()
	must(t, err)
	if len(mended) != 1 || !strings.Contains(mended[0], "1 fragments") {
		t.Errorf("mended: %q", mended)
	}
	must(t, s.Check())
	if s.Has(key("b", 0)) || s.Count(hashOf("a")) != 3 {
		t.Errorf("held: b/0 %v, %d of a", s.Has(key("b", 0)), s.Count(hashOf("a")))
	}
	if _, err := s.DeleteSwarm(hashOf("a")); err != nil {
		t.Error(err)
	}
	for _, path := range slices.Concat(links, foreign, []string{precious, pipe, filepath.Join(outside, "b", "0")}) {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(logged.String(), "is not ours, and is left alone"); n != foreignReported {
		t.Errorf("%d foreign files are reported", n)
	}
}

func TestMendSaysWhatItCannotMend(t *testing.T) {
	state := stopped(t)
	s := reopen(t, state)
	stray := fileOf(state, key("a", 9))
	must(t, os.WriteFile(stray, make([]byte, 10000), 0o600))
	whole := s.root
	s.root = faultyDirectory{whole, &faultyDisk{fault: fault{at: opRemove, err: syscall.EPERM}, lasting: true}}
	_, err := s.Mend()
	oneLine(t, err, "not permitted", "mending")
	if used, disk := s.Used(), onDisk(t, filepath.Join(state, "fragments")); used < disk {
		t.Errorf("Used = %d, the files take %d", used, disk)
	}
	if err := s.Check(); err == nil {
		t.Error("Check is content")
	}
	s.root = whole
	mended, err := s.Mend()
	if err != nil || len(mended) != 1 || s.Used() != 4*s.Charge(50000) {
		t.Errorf("Mend = %q, %v; Used = %d", mended, err, s.Used())
	}
	must(t, s.Check())
	must(t, s.Close())
}

func TestFragmentWhoseBlocksHaveChangedIsHashedAgain(t *testing.T) {
	state := stopped(t)
	s := open(t, state)
	used := s.Used()
	must(t, os.Truncate(fileOf(state, key("a", 0)), 0)) // its place is taken by a hole of the same length
	must(t, os.Truncate(fileOf(state, key("a", 0)), 50000))
	oneLine(t, s.Check(), "occupies", "counted")
	mended, err := s.Mend()
	if err != nil || len(mended) != 1 {
		t.Errorf("Mend = %q, %v", mended, err)
	}
	if s.Used() >= used {
		t.Errorf("Used went from %d to %d", used, s.Used())
	}
	must(t, s.Check())
	if _, err := read(s, key("a", 0), 50000); !errors.Is(err, ErrDamaged) {
		t.Errorf("reading it: %v", err)
	}
	must(t, s.Check())
}

// Check and Mend find nothing wrong with a store that is in full use.
func TestCheckAndMendWhileTheStoreIsInUse(t *testing.T) {
	state := memoryDir(t)
	s := open(t, state)
	for index := range uint32(6) {
		must(t, put(s, key("u", index), 5000))
	}
	crash := reopenUnverified(t, state, s)
	s = crash
	var stop atomic.Bool
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				k := key(string(rune('a'+worker%2)), uint32(i%5))
				switch rand.IntN(8) {
				case 0, 1, 2, 3:
					if err := put(s, k, 7000); err != nil && !errors.Is(err, ErrHeld) && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrAborted) {
						t.Errorf("put: %v", err)
					}
				case 4:
					if _, err := s.Delete(k); err != nil {
						t.Errorf("Delete: %v", err)
					}
				case 5:
					if _, err := s.DeleteSwarm(k.Hash); err != nil {
						t.Errorf("DeleteSwarm: %v", err)
					}
				case 6:
					s.Served(k, 1)
					s.settle()
				case 7:
					if _, err := read(s, key("u", uint32(i%6)), 5000); err != nil {
						t.Errorf("read: %v", err)
					}
				}
			}
		})
	}
	for range 100 {
		if err := s.Check(); err != nil {
			t.Error(err)
			break
		}
		if mended, err := s.Mend(); mended != nil || err != nil {
			t.Errorf("Mend = %q, %v", mended, err)
			break
		}
	}
	stop.Store(true)
	workers.Wait()
	must(t, s.Check())
}

// reopenUnverified has a store crash, and opens it again.
func reopenUnverified(t *testing.T, state string, s *Store) *Store {
	must(t, s.Sync())
	crash(t, s)
	return open(t, state)
}
