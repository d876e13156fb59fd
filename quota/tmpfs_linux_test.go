package quota

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// realWorld is a world whose fragments are on a tmpfs of 4 MiB that says itself how full it is. Where mounting one is
// not permitted it reports false; then the tests on a pretended disk have to do.
func realWorld(t *testing.T, limits Limits) (w *world, ok bool) {
	t.Helper()
	w = &world{state: t.TempDir()}
	disk := filepath.Join(w.state, "disk")
	must(t, os.Mkdir(disk, 0o700))
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
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
	w.ledger = NewLedger(w.store, w.statfs, limits, w.hear)
	return w, true
}

func (w *world) statfs() (free, total int64, err error) {
	var st unix.Statfs_t
	err = unix.Statfs(filepath.Join(w.state, "disk"), &st)
	return int64(st.Bavail) * int64(st.Bsize), int64(st.Blocks) * int64(st.Bsize), err
}

func TestTheDiskNeverHoldsMoreThanTheAllotment(t *testing.T) {
	const limit = 300 * kib
	w, ok := realWorld(t, Limits{Storage: limit})
	if !ok {
		return
	}
	stop := make(chan struct{})
	var watcher, workers sync.WaitGroup
	watcher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if free, total, err := w.statfs(); err != nil || total-free > limit {
				t.Errorf("%d bytes are on the disk (%v)", total-free, err)
			}
		}
	})
	w.admitFromAllSides(t, &workers)
	workers.Wait()
	close(stop)
	watcher.Wait()
	must(t, w.store.Check())
}

func TestFragmentsMakeWayForWhoeverFillsTheDisk(t *testing.T) {
	w, ok := realWorld(t, Limits{Storage: 2 * mib, KeepFree: 512 * kib})
	if !ok {
		return
	}
	for i := range uint32(32) {
		must(t, w.admit(key("a", i), 64*kib, float64(i)))
	}
	f, err := os.Create(filepath.Join(w.state, "disk", "somebody else's"))
	must(t, err)
	defer f.Close()
	// Somebody writes 3.9 MiB; a check after each 256 KiB keeps what has to be free, free, as long as there are fragments.
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
	w, ok := realWorld(t, Limits{Storage: 4 * mib})
	if !ok {
		return
	}
	for i := range uint32(48) { // 3 of 4 MiB
		must(t, w.admit(key("a", i), 64*kib, float64(i)))
	}
	must(t, w.ledger.Reserve(hashOf("download"), 2*mib))
	for i := uint32(100); w.admit(key("a", i), 64*kib, 1) == nil; i++ { // the background takes all that it gets
	}
	if err := os.WriteFile(filepath.Join(w.state, "disk", "download"), bytes.Repeat([]byte{1}, 2*mib), 0o600); errors.Is(err, syscall.ENOSPC) {
		t.Error("the promised space was not there")
	} else {
		must(t, err)
	}
	must(t, w.store.Check())
}
