package fragstore

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// ioClass returns the I/O priority class of the calling thread.
func ioClass(t *testing.T) uintptr {
	priority, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, 0, 0)
	if errno != 0 {
		t.Errorf("ioprio_get: %v", errno)
	}
	return priority >> ioprioClassShift
}

// classes is a disk that notes in which class its files are read and synced.
type classes struct {
	osDirectory
	t *testing.T

	mu           sync.Mutex
	reads, syncs map[uintptr]int
}

func (c *classes) OpenFile(name string, flag int, mode os.FileMode) (file, error) {
	f, err := c.Root.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err
	}
	return classFile{osFile{f}, c}, nil
}

type classFile struct {
	osFile
	c *classes
}

func (f classFile) note(in map[uintptr]int) {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	in[ioClass(f.c.t)]++
}

func (f classFile) ReadAt(p []byte, off int64) (int, error) {
	f.note(f.c.reads)
	return f.osFile.ReadAt(p, off)
}

func (f classFile) Sync() error {
	f.note(f.c.syncs)
	return f.osFile.Sync()
}

func TestHashingAndSyncingAreIdleIO(t *testing.T) {
	state := stopped(t)
	crash(t, reopen(t, state))
	s := open(t, state)
	c := &classes{osDirectory: s.root.(osDirectory), t: t, reads: make(map[uintptr]int), syncs: make(map[uintptr]int)}
	s.root = c

	r, err := s.Open(key("a", 0), sumOf(key("a", 0), 50000)) // verifies it
	must(t, err)
	r.Close()
	w, err := s.Create(key("a", 9), 50000, sumOf(key("a", 9), 50000))
	must(t, err)
	for _, half := range []int64{25000, 0} { // not in order: it has to be read again
		_, err = w.WriteAt(content(key("a", 9), 50000)[half:half+25000], half)
		must(t, err)
	}
	must(t, w.Commit())
	if n := c.reads[ioprioClassIdle]; n < 2 || len(c.reads) != 1 {
		t.Errorf("reads by class: %v", c.reads)
	}
	if n := c.syncs[ioprioClassIdle]; n != 1 || len(c.syncs) != 1 {
		t.Errorf("syncs by class: %v", c.syncs)
	}
	s.ahead.run(func() {
		if class := ioClass(t); class != ioprioClassIdle {
			t.Errorf("reading ahead has class %d", class)
		}
	})
}

func TestNobodyInheritsIdlePriority(t *testing.T) {
	var d idle
	d.most = 2
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { d.run(func() { runtime.Gosched() }) })
	}
	group.Wait()
	if d.threads > 2 {
		t.Errorf("%d threads", d.threads)
	}
	d.close()
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if class := ioClass(t); class == ioprioClassIdle {
				t.Error("a goroutine of somebody else runs at idle I/O priority")
			}
		})
	}
	wait.Wait()
	ran := false
	d.run(func() { ran = true })
	if !ran {
		t.Error("after close, functions do not run any more")
	}
	d.close()
}

// A long piece of work must not keep a block from being read ahead.
func TestReadingAheadDoesNotWaitForSyncs(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, put(s, key("a", 0), 100000))
	r, err := s.Open(key("a", 0), sumOf(key("a", 0), 100000))
	must(t, err)
	defer r.Close()
	uncache(r.File(), 0, 0)
	hold := make(chan struct{})
	var group sync.WaitGroup
	for range 2 * idleThreads {
		group.Go(func() { s.idle.run(func() { <-hold }) })
	}
	r.Prefetch(0, 100000)
	close(hold)
	group.Wait()
}

// onRealDisk returns a directory whose files can leave the page cache.
func onRealDisk(t *testing.T) (dir string, ok bool) {
	dir = t.TempDir()
	path := filepath.Join(dir, "probe")
	must(t, os.WriteFile(path, make([]byte, 64<<10), 0o600))
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	must(t, f.Sync())
	if !cached(f, 0, 64<<10) {
		t.Log("NOT COVERED HERE: the kernel does not tell what is in its page cache")
		return "", false
	}
	if uncache(f, 0, 64<<10); cached(f, 0, 64<<10) {
		t.Log("NOT COVERED HERE: files of this file system never leave the page cache")
		return "", false
	}
	return dir, true
}

func TestColdFragmentsLeaveThePageCacheAndComeBackWhenWanted(t *testing.T) {
	dir, ok := onRealDisk(t)
	if !ok {
		return
	}
	page := int64(os.Getpagesize())
	length := 4*16<<10 + 100
	s := open(t, dir)
	k := key("a", 0)
	must(t, put(s, k, int64(length)))
	r, err := s.Open(k, sumOf(k, int64(length)))
	must(t, err)
	defer r.Close()
	whole := content(k, int64(length))
	in := func(off, n int64) bool { return cached(r.File(), off, n) }
	serve := func(off, n int64) {
		t.Helper()
		got := make([]byte, n)
		if _, err := r.ReadAt(got, off); err != nil || !bytes.Equal(got, whole[off:off+n]) {
			t.Errorf("block at %d: %v", off, err)
		}
		r.Served(off, n)
	}
	uncache(r.File(), 0, int64(length))
	r.Prefetch(16<<10, 16<<10)
	for deadline := time.Now().Add(10 * time.Second); !in(16<<10, 16<<10); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("what was read ahead is not in the page cache")
		}
	}
	serve(0, 16<<10+100)
	if in(0, page) || in(12<<10, page) {
		t.Error("a block of a cold fragment stays in the page cache")
	}
	if !in(16<<10, page) {
		t.Error("a page of which only a part was sent has left the page cache")
	}
	serve(16<<10+100, int64(length)-(16<<10+100))
	if in(int64(length)-100, 100) || in(16<<10, page) {
		t.Error("the end of a cold fragment stays in the page cache")
	}
	serve(0, 16<<10)
	if !in(0, 16<<10) {
		t.Error("a fragment that is served again and again has left the page cache")
	}
	for _, odd := range [][2]int64{{-1, 5}, {0, 0}, {0, -1}, {int64(length), 1}, {5, 1 << 62}} {
		r.Prefetch(odd[0], odd[1])
		r.Served(odd[0], odd[1])
	}
}

func TestReaderStillReadsAheadWhenTheStoreIsClosed(t *testing.T) {
	s := reopen(t, t.TempDir())
	must(t, put(s, key("a", 0), 100000))
	r, err := s.Open(key("a", 0), sumOf(key("a", 0), 100000))
	must(t, err)
	defer r.Close()
	must(t, s.Close())
	uncache(r.File(), 0, 0)
	r.Prefetch(0, 100000)
	r.Served(0, 100000)
}

func TestWarmthIsForgottenAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w warmth
		k := key("a", 0)
		for i, want := range []bool{true, true, false, false} {
			if got := w.cold(k, 50, 100); got != want {
				t.Errorf("after %d blocks: cold is %v", i+1, got)
			}
		}
		<-time.After(warmthSpan + time.Second)
		if w.cold(k, 1, 100) {
			t.Error("after five minutes it counts as cold")
		}
		<-time.After(2 * warmthSpan)
		if !w.cold(k, 100, 100) {
			t.Error("after a quarter of an hour it counts as warm")
		}
		for i := range 3 * warmthKeys {
			w.cold(Key{plantedHash(i), 0}, 1, 100)
		}
		if len(w.present) != warmthKeys {
			t.Errorf("%d fragments are remembered", len(w.present))
		}
		if w.cold(k, 100, 100) {
			t.Error("one that was known is forgotten because others came")
		}
	})
}
