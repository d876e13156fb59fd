package fragstore

import (
	"crypto/sha1"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

func TestBlocksMayComeInAnyOrderAndTwice(t *testing.T) {
	const block, length = 1000, 10 * 1000
	k := key("a", 0)
	whole := content(k, length)
	wrong := make([]byte, block)
	for name, order := range map[string][]int{
		"in order":              {0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		"backwards":             {9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
		"a gap filled late":     {0, 1, 3, 4, 5, 6, 7, 8, 9, 2},
		"one twice":             {0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9},
		"the first again, last": {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0},
		"shuffled":              rand.New(rand.NewPCG(1, 2)).Perm(10),
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			w, err := s.Create(k, length, sumOf(k, length))
			must(t, err)
			for _, i := range order {
				_, err := w.WriteAt(whole[i*block:(i+1)*block], int64(i*block))
				must(t, err)
			}
			must(t, w.Commit())
			must(t, s.Check())
		})
		t.Run(name+", then one overwritten with something else", func(t *testing.T) {
			s := open(t, t.TempDir())
			w, err := s.Create(k, length, sumOf(k, length))
			must(t, err)
			for _, i := range order {
				_, err := w.WriteAt(whole[i*block:(i+1)*block], int64(i*block))
				must(t, err)
			}
			_, err = w.WriteAt(wrong, 4*block)
			must(t, err)
			if err := w.Commit(); !errors.Is(err, ErrHash) {
				t.Errorf("Commit: %v", err)
			}
		})
	}
}

func TestWrongHashLeavesNothing(t *testing.T) {
	state := t.TempDir()
	s := open(t, state)
	k := key("a", 0)
	w, err := s.Create(k, 100, sumOf(key("b", 0), 100))
	must(t, err)
	_, err = w.WriteAt(content(k, 100), 0)
	must(t, err)
	if err := w.Commit(); !errors.Is(err, ErrHash) {
		t.Errorf("Commit: %v", err)
	}
	if err := w.Commit(); !errors.Is(err, ErrHash) {
		t.Errorf("the second Commit: %v", err)
	}
	if s.Has(k) || s.Used() != 0 || onDisk(t, filepath.Join(state, "fragments")) != 0 {
		t.Errorf("held: %v, used: %d", s.Has(k), s.Used())
	}
	must(t, put(s, k, 100))
}

func TestIncompleteFragmentIsRefused(t *testing.T) {
	s := open(t, t.TempDir())
	for _, preallocated := range []bool{true, false} {
		if !preallocated {
			doNotPreallocate(s)
		}
		w, err := s.Create(key("a", 0), 40000, sumOf(key("a", 0), 40000))
		must(t, err)
		_, err = w.WriteAt(content(key("a", 0), 40000)[:30000], 0)
		must(t, err)
		if err := w.Commit(); !errors.Is(err, ErrHash) {
			t.Errorf("Commit of 30000 of 40000 bytes, preallocated %v: %v", preallocated, err)
		}
	}
}

// withoutPreallocation is a disk that cannot set space aside.
type withoutPreallocation struct{ osDirectory }

func (d withoutPreallocation) OpenFile(name string, flag int, mode os.FileMode) (file, error) {
	f, err := d.Root.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	return growingFile{osFile{f}}, nil
}

type growingFile struct{ osFile }

func (growingFile) preallocate(int64) (bool, error) { return false, nil }

// doNotPreallocate makes a store's files grow as they are written.
func doNotPreallocate(s *Store) { s.root = withoutPreallocation{s.root.(osDirectory)} }

func TestIncomingFragmentCountsInFullFromTheStart(t *testing.T) {
	s := open(t, t.TempDir())
	w, err := s.Create(key("a", 0), 100000, [20]byte{})
	must(t, err)
	if want := s.Charge(100000); s.Used() != want || want < 100000 || want%s.block != 0 || w.Charge() != want {
		t.Errorf("Used = %d, Charge = %d, of the Writer %d", s.Used(), want, w.Charge())
	}
	if charged, _ := s.InFlight(); charged != w.Charge() {
		t.Errorf("InFlight = %d", charged)
	}
	if got := s.Incoming(); len(got) != 1 || got[0] != w || got[0].Key() != key("a", 0) {
		t.Errorf("Incoming = %v", got)
	}
	w.Abort()
	w.Abort()
	if s.Used() != 0 || len(s.Incoming()) != 0 {
		t.Errorf("after Abort: Used = %d, Incoming = %v", s.Used(), s.Incoming())
	}
	must(t, s.Check())
}

func TestSpaceNotSetAsideIsReportedAsUnwritten(t *testing.T) {
	s := open(t, t.TempDir())
	doNotPreallocate(s)
	length := 4 * s.block
	w, err := s.Create(key("a", 0), length, sumOf(key("a", 0), length))
	must(t, err)
	defer w.Abort()
	p := content(key("a", 0), length)
	for i, want := range []int64{3 * s.block, 2 * s.block} {
		_, err := w.WriteAt(p[int64(i)*s.block:int64(i+1)*s.block], int64(i)*s.block)
		must(t, err)
		if charged, unwritten := s.InFlight(); charged != length || unwritten != want {
			t.Errorf("InFlight = %d, %d, want %d, %d", charged, unwritten, length, want)
		}
	}
}

func TestBlocksOutsideTheFragmentAreRefused(t *testing.T) {
	s := open(t, t.TempDir())
	w, err := s.Create(key("a", 0), 100, [20]byte{})
	must(t, err)
	defer w.Abort()
	for _, block := range []struct{ length, off int64 }{{101, 0}, {1, 100}, {50, 51}, {1, -1}, {1, math.MaxInt64}, {1, math.MinInt64}} {
		if _, err := w.WriteAt(make([]byte, block.length), block.off); err == nil {
			t.Errorf("a block of %d bytes at %d was written", block.length, block.off)
		}
	}
}

func TestLengthsOutsideTheBoundsAreRefused(t *testing.T) {
	s := open(t, t.TempDir())
	for _, length := range []int64{0, -1, MaxLength + 1, math.MaxInt64} {
		if _, err := s.Create(key("a", 0), length, [20]byte{}); err == nil {
			t.Errorf("a fragment of %d bytes was begun", length)
		}
	}
	if s.Used() != 0 {
		t.Errorf("Used = %d", s.Used())
	}
}

func TestAFragmentIsReceivedOnceAtATime(t *testing.T) {
	s := open(t, t.TempDir())
	k := key("a", 0)
	w, err := s.Create(k, 100, sumOf(k, 100))
	must(t, err)
	if _, err := s.Create(k, 100, sumOf(k, 100)); !errors.Is(err, ErrBusy) {
		t.Errorf("Create while it is received: %v", err)
	}
	_, err = w.WriteAt(content(k, 100), 0)
	must(t, err)
	must(t, w.Commit())
	if _, err := s.Create(k, 100, sumOf(k, 100)); !errors.Is(err, ErrHeld) {
		t.Errorf("Create while it is held: %v", err)
	}
	if _, err := w.WriteAt([]byte{1}, 0); err == nil {
		t.Error("a complete fragment was written to")
	}
	w.Abort()
	if !s.Has(k) {
		t.Error("Abort after Commit deleted the fragment")
	}
}

// A piece in flight must not cost its length in memory, whatever order its blocks come in.
func TestReceivingTakesNoMemoryForThePiece(t *testing.T) {
	s := open(t, t.TempDir())
	const length, block = 16 << 20, 16 << 10
	zeros := make([]byte, block)
	sum := sha1.Sum(make([]byte, length))
	receive := func() {
		w, err := s.Create(key("a", 0), length, sum)
		must(t, err)
		for off := int64(length - block); off >= 0; off -= block {
			_, err := w.WriteAt(zeros, off)
			must(t, err)
		}
		must(t, w.Commit())
		_, err = s.Delete(key("a", 0))
		must(t, err)
	}
	receive() // fills the pool of buffers
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	receive()
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 512<<10 {
		t.Errorf("receiving a piece of 16 MiB allocated %d bytes", allocated)
	}
}

// Deleting a swarm's last fragment removes the directory into which another is just being moved.
func TestDirectoriesMayComeAndGoWhileFragmentsAreStored(t *testing.T) {
	s := open(t, memoryDir(t)) // the faster the disk, the closer they meet
	var workers sync.WaitGroup
	for index := range uint32(6) {
		workers.Go(func() {
			for range 300 {
				if err := put(s, key("a", index), 100); err != nil {
					t.Error(err)
				}
				if _, err := s.Delete(key("a", index)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	must(t, s.Check())
}

func TestSomethingInTheWayOfADirectoryIsAnError(t *testing.T) {
	state := t.TempDir()
	s := open(t, state)
	dir := filepath.Join(state, "fragments", swarmDir(hashOf("a")))
	must(t, os.MkdirAll(filepath.Dir(dir), 0o700))
	for name, block := range map[string]func() error{
		"file":          func() error { return os.WriteFile(dir, nil, 0o600) },
		"dangling link": func() error { return os.Symlink("nowhere", dir) },
	} {
		must(t, block())
		if err := put(s, key("a", 0), 100); err == nil {
			t.Errorf("%s: no error", name)
		}
		if s.Used() != 0 {
			t.Errorf("%s: Used = %d", name, s.Used())
		}
		must(t, os.Remove(dir))
	}
	must(t, put(s, key("a", 0), 100))
}
