package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ebb/platform"
	"ebb/quota/disk/fragstore"
)

// realWorld is a world whose fragments are on a tmpfs of that size, such as "4m", that says itself how full it is.
// Where mounting one is not permitted ok is false; then the tests on a pretended disk have to do.
func realWorld(t testing.TB, size string, limits Limits) (w *world, ok bool) {
	t.Helper()
	w = &world{state: t.TempDir()}
	disk := filepath.Join(w.state, "disk")
	must(t, os.Mkdir(disk, 0o700))
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size="+size); err != nil {
		t.Logf("NOT COVERED HERE: mounting a tmpfs: %v; the other tests have the same on a pretended disk", err)
		return nil, false
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	w.open(t)
	t.Cleanup(func() { must(t, w.store.Close()) })
	if limits.Writes == 0 {
		limits.Writes = unlimited
	}
	w.ledger = w.record(Config{Store: w.store, Fragments: w.statfs, Limits: fixed(limits)})
	return w, true
}

func (w *world) statfs() (platform.FileSystem, error) {
	var st unix.Statfs_t
	err := unix.Statfs(filepath.Join(w.state, "disk"), &st)
	return platform.FileSystem{
		ID: "tmpfs", Free: int64(st.Bavail) * int64(st.Bsize), Total: int64(st.Blocks) * int64(st.Bsize),
		ReadOnly: st.Flags&unix.ST_RDONLY != 0,
	}, err
}

// crowded admits fragments of up to 64 KiB from eight sides at a time, to a disk where they may have a fraction of what
// they want, and returns the most bytes that were allocated at any moment.
func crowded(t testing.TB, w *world) (most int64) {
	stop := make(chan struct{})
	var watcher, workers sync.WaitGroup
	watcher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			fs, err := w.statfs()
			if err != nil {
				t.Error(err)
				return
			}
			most = max(most, fs.Total-fs.Free)
		}
	})
	w.admitFromAllSides(t, &workers)
	workers.Wait()
	close(stop)
	watcher.Wait()
	return most
}

const crowdedLimit = 300 * kib

// Any number of fetches at a time, and what is allocated on the disk never exceeds the limit, not by one piece.
func TestTheDiskNeverHoldsMoreThanTheAllotment(t *testing.T) {
	w, ok := realWorld(t, "4m", Limits{Storage: crowdedLimit})
	if !ok {
		return
	}
	switch most := crowded(t, w); {
	case most > crowdedLimit:
		t.Errorf("%d bytes were on the disk", most)
	case most < crowdedLimit/2:
		t.Errorf("%d bytes at the most: this test shows little", most)
	}
	must(t, w.store.Check())
}

// The bound: the quota is never overshot by more than one piece for each fetch in flight, of which there are eight.
func BenchmarkOvershoot(b *testing.B) {
	var over int64
	for b.Loop() {
		w, ok := realWorld(b, "4m", Limits{Storage: crowdedLimit})
		if !ok {
			return
		}
		over = max(over, crowded(b, w)-crowdedLimit)
	}
	b.ReportMetric(float64(over)/(8*64*kib), "pieces/fetch")
}

// Somebody else fills a disk of 64 MiB as fast as it takes the bytes, while fragments are admitted from all sides.
// Every check brings the background back to what it may use, as long as the disk stays as it was measured.
func TestLimitHoldsWhileSomebodyFillsTheDisk(t *testing.T) {
	w, ok := realWorld(t, "64m", Limits{Storage: 48 * mib, KeepFree: 8 * mib})
	if !ok {
		return
	}
	var others atomic.Int64 // as much as the other one has written
	var writer, fetchers sync.WaitGroup
	checked := make(chan struct{})
	stop := make(chan struct{})
	for fetcher := range uint32(4) {
		fetchers.Go(func() {
			for i := uint32(0); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				err := w.admit(key("a", fetcher<<20+i), 256*kib, float64(i%50))
				if err != nil && !errors.Is(err, ErrNoRoom) && !errors.Is(err, fragstore.ErrAborted) {
					t.Error(err)
					return
				}
			}
		})
	}
	for w.store.Used() < 40*mib { // the background has made itself at home
		runtime.Gosched()
	}
	f, err := os.Create(filepath.Join(w.state, "disk", "somebody else's"))
	must(t, err)
	defer f.Close()
	full := make(chan struct{})
	writer.Go(func() {
		defer close(full)
		block := bytes.Repeat([]byte{1}, 256*kib)
		for others.Load() < 60*mib {
			if _, err := f.Write(block); err != nil {
				t.Errorf("somebody else's write was refused: %v", err)
				return
			}
			others.Add(int64(len(block)))
			if others.Load()%(2*mib) == 0 { // there is a check for each 2 MiB, sooner or later
				<-checked
			}
		}
	})
	for running := true; running; {
		before := others.Load()
		w.ledger.Enforce()
		// What was written during the check it need not have seen; what was admitted after it, it has.
		if used, room := w.store.Used(), 64*mib-8*mib-before; used > max(room, 0) {
			t.Errorf("%d bytes are used where %d may be", used, room)
		}
		select {
		case checked <- struct{}{}:
		case <-full:
			running = false
		}
	}
	writer.Wait()
	w.ledger.Enforce()
	if used := w.store.Used(); used != 0 {
		t.Errorf("%d bytes are used on a disk that has less to keep free", used)
	}
	close(stop)
	fetchers.Wait()
	must(t, w.store.Check())
}

func TestFragmentsMakeWayForWhoeverFillsTheDisk(t *testing.T) {
	w, ok := realWorld(t, "4m", Limits{Storage: 2 * mib, KeepFree: 512 * kib})
	if !ok {
		return
	}
	for i := range uint32(32) {
		must(t, w.admit(key("a", i), 64*kib, float64(i)))
	}
	f, err := os.Create(filepath.Join(w.state, "disk", "somebody else's"))
	must(t, err)
	defer f.Close()
	// Somebody writes 3.9 MiB; a check after each 256 KiB keeps what has to be free, free, as long as there are
	// fragments.
	for range 15 {
		if _, err := f.Write(bytes.Repeat([]byte{1}, 256*kib)); err != nil {
			t.Fatal("somebody else's write was refused: ", err)
		}
		w.ledger.Enforce()
		if u := w.ledger.Usage(); u.Used > u.Limit || u.Used > 0 && u.DiskFree < 512*kib {
			t.Fatalf("Usage = %+v", u)
		}
	}
	if used := w.store.Used(); used != 0 {
		t.Errorf("%d bytes are used on a disk that has less to keep free", used)
	}
	if err := w.admit(key("a", 0), 64*kib, 1); !errors.Is(err, ErrNoRoom) {
		t.Errorf("Admit: %v", err)
	}
	must(t, w.store.Check())
}

func TestReservedSpaceIsReallyThere(t *testing.T) {
	w, ok := realWorld(t, "4m", Limits{Storage: 4 * mib})
	if !ok {
		return
	}
	for i := range uint32(48) { // 3 of 4 MiB
		must(t, w.admit(key("a", i), 64*kib, float64(i)))
	}
	must(t, w.ledger.Reserve(hashOf("download"), remains(2*mib)))
	for i := uint32(100); w.admit(key("a", i), 64*kib, 1) == nil; i++ { // the background takes all that it gets
	}
	if err := os.WriteFile(filepath.Join(w.state, "disk", "download"), bytes.Repeat([]byte{1}, 2*mib), 0o600); errors.Is(err, syscall.ENOSPC) {
		t.Error("the promised space was not there")
	} else {
		must(t, err)
	}
	must(t, w.store.Check())
}

func TestReadOnlyRemountAndBack(t *testing.T) {
	w, ok := realWorld(t, "4m", Limits{Storage: 2 * mib})
	if !ok {
		return
	}
	for i := range uint32(16) {
		must(t, w.admit(key("a", i), 64*kib, float64(i)))
	}
	remount := func(flags uintptr) {
		t.Helper()
		must(t, unix.Mount("", filepath.Join(w.state, "disk"), "", unix.MS_REMOUNT|flags, ""))
	}
	remount(unix.MS_RDONLY)
	if u := w.ledger.Usage(); !u.ReadOnly {
		t.Errorf("Usage = %+v", u)
	}
	if err := w.admit(key("a", 20), 64*kib, 100); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Admit: %v", err)
	}
	setLimits(w.ledger, Limits{Storage: 256 * kib, Writes: unlimited})
	for range 5 {
		if freed := w.ledger.Enforce(); freed != 0 {
			t.Errorf("freed %d of a read-only disk", freed)
		}
	}
	if err := w.ledger.Reserve(hashOf("x"), remains(7*mib/2)); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Reserve: %v", err)
	}
	remount(0)
	w.ledger.Enforce()
	expectHeld(t, w, 13, 14, 15)
	must(t, w.ledger.Reserve(hashOf("x"), remains(7*mib/2)))
	must(t, w.store.Check())
}
