//go:build linux

package fragstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a tmpfs of the given size. Where that is not permitted ok is false, and the log says what covers
// the case instead: a limit on the length of files needs no permission (TestRefusedWritesLoseNothing).
func smallDisk(t *testing.T, size string) (dir string, ok bool) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Logf("NOT COVERED HERE: mounting a tmpfs: %v; only TestRefusedWritesLoseNothing covers what a full disk does", err)
		return "", false
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return dir, true
}

// fill takes what room is left on a disk, and returns how to give it back.
func fill(t *testing.T, disk string) (empty func()) {
	t.Helper()
	path := filepath.Join(disk, "somebody else's")
	f, err := os.Create(path)
	must(t, err)
	page := bytes.Repeat([]byte{1}, 4096)
	for err == nil {
		_, err = f.Write(page)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	must(t, f.Close())
	return func() { must(t, os.Remove(path)) }
}

func oneLine(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	t.Log(err)
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

func verifyAll(t *testing.T, s *Store, keys []Key, length int64) {
	t.Helper()
	for _, k := range keys {
		if got, err := read(s, k, length); err != nil || !bytes.Equal(got, content(k, length)) {
			t.Errorf("fragment %s: %v", k, err)
		}
	}
	must(t, s.Check())
}

func TestFullDiskIsAClearErrorAndLosesNothing(t *testing.T) {
	for _, preallocate := range []bool{true, false} {
		disk, ok := smallDisk(t, "1m")
		if !ok {
			return
		}
		const length = 100 << 10
		s := reopen(t, disk)
		if !preallocate {
			doNotPreallocate(s)
		}
		var held []Key
		var err error
		for index := uint32(0); err == nil && index < 20; index++ {
			if err = put(s, key("a", index), length); err == nil {
				held = append(held, key("a", index))
			}
		}
		if !errors.Is(err, syscall.ENOSPC) || len(held) < 3 {
			t.Errorf("after %d fragments: %v", len(held), err)
		}
		oneLine(t, err, "no space left", "free some space")
		if got, want := s.Used(), int64(len(held))*s.Charge(length); got != want {
			t.Errorf("Used = %d, want %d", got, want)
		}
		verifyAll(t, s, held, length)

		empty := fill(t, disk)
		crash(t, s)
		s = reopen(t, disk) // it opens on a disk without a free byte
		verifyAllButIndex(t, s, held, length)
		if _, err := s.Delete(held[0]); err != nil {
			t.Errorf("making room on a full disk: %v", err)
		}
		must(t, put(s, held[0], length)) // which somebody can use at once
		empty()
		verifyAll(t, s, held, length)
		if _, err := s.Delete(held[0]); err != nil { // a clean stop needs a little room for its mark
			t.Error(err)
		}
		must(t, s.Close())
		s = reopen(t, disk)
		verifyAll(t, s, held[1:], length)
		must(t, s.Close())
	}
}

// verifyAllButIndex is for a disk on which the index cannot be brought up to date.
func verifyAllButIndex(t *testing.T, s *Store, keys []Key, length int64) {
	t.Helper()
	for _, k := range keys {
		if got, err := read(s, k, length); err != nil || !bytes.Equal(got, content(k, length)) {
			t.Errorf("fragment %s: %v", k, err)
		}
	}
}

func TestFullDiskUnderTheIndexIsReportedAndMadeUpFor(t *testing.T) {
	disk, ok := smallDisk(t, "1m")
	if !ok {
		return
	}
	dir, index := filepath.Join(t.TempDir(), "fragments"), filepath.Join(disk, "fragments.db")
	s, err := Open(dir, index, Options{Log: quiet})
	must(t, err)
	empty := fill(t, disk)
	oneLine(t, s.PutMetadata(hashOf("a"), make([]byte, 500<<10)), "no space left", "free some space")
	if _, ok := s.Metadata(hashOf("a")); ok {
		t.Error("metadata that could not be kept is there")
	}
	for i := range 200 { // more than the index file has room for
		must(t, put(s, key("a", uint32(i)), 1))
		must(t, s.PutSwarm(plantedHash(i), make([]byte, 1000)))
	}
	oneLine(t, s.Sync(), "no space left")
	if got, ok := s.Swarm(plantedHash(3)); !ok || len(got) != 1000 {
		t.Errorf("a record that waits: %d bytes, %v", len(got), ok)
	}
	empty()
	must(t, s.Sync())
	must(t, s.Check())
	must(t, s.Close())
	s, err = Open(dir, index, Options{Log: quiet})
	must(t, err)
	must(t, s.Check())
	if fragments, _ := s.Stats(); fragments != 200 {
		t.Errorf("%d fragments", fragments)
	}
	must(t, s.Close())
}

func TestStopOnAFullDiskIsUncleanAndLosesNoIndexedFragment(t *testing.T) {
	disk, ok := smallDisk(t, "1m")
	if !ok {
		return
	}
	s := reopen(t, disk)
	held := []Key{key("a", 0), key("a", 1)}
	for _, k := range held {
		must(t, put(s, k, 50000))
	}
	must(t, s.Sync())
	for i := range 1000 {
		must(t, s.PutSwarm(plantedHash(i), make([]byte, 1000)))
	}
	empty := fill(t, disk)
	oneLine(t, s.Close(), "no space left", "verified again")
	empty()
	flip(t, fileOf(disk, held[0]))
	s = reopen(t, disk)
	if _, err := read(s, held[0], 50000); !errors.Is(err, ErrDamaged) {
		t.Errorf("after a stop that could not be marked clean: %v", err)
	}
	verifyAll(t, s, held[1:], 50000)
	must(t, s.Close())
}

// A limit on the length of files makes the kernel refuse writes, as a disk does, without a disk of our own. It holds
// for a whole process and whatever else that writes, so a child has it.
func TestRefusedWritesLoseNothing(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	state := t.TempDir()
	s := reopen(t, state)
	held := []Key{key("a", 0), key("a", 1)}
	for _, k := range held {
		must(t, put(s, k, 50000))
	}
	used := s.Used()
	must(t, s.Close())
	cmd, _, out := child(ctx, t, refused, state)
	for out.Scan() {
		t.Error(out.Text())
	}
	must(t, cmd.Wait())
	s = open(t, state)
	if s.Has(key("a", 2)) || s.Used() != used {
		t.Errorf("held: %v, used: %d of %d", s.Has(key("a", 2)), s.Used(), used)
	}
	verifyAll(t, s, held, 50000)
}

// refuse is a process that may not make files as long as the fragment that it is to store.
func refuse(s *Store) error {
	signal.Ignore(unix.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}); err != nil {
		return err
	}
	used := s.Used()
	for _, preallocate := range []bool{true, false} {
		if !preallocate {
			doNotPreallocate(s)
		}
		if err := put(s, key("a", 2), 2<<20); !errors.Is(err, syscall.EFBIG) {
			return fmt.Errorf("a refused write, preallocated %v: %w", preallocate, err)
		}
		if s.Has(key("a", 2)) || s.Used() != used {
			return fmt.Errorf("held: %v, used: %d of %d", s.Has(key("a", 2)), s.Used(), used)
		}
	}
	return nil
}

func TestReadOnlyDiskIsAClearError(t *testing.T) {
	disk, ok := smallDisk(t, "1m")
	if !ok {
		return
	}
	s := reopen(t, disk)
	must(t, put(s, key("a", 0), 50000))
	must(t, s.Close())
	must(t, unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	_, err := Open(filepath.Join(disk, "fragments"), filepath.Join(disk, "fragments.db"), Options{Log: quiet})
	oneLine(t, err, disk, "read-only", "mount it for writing")
	// The index elsewhere, so that the fragments directory is what cannot be written.
	_, err = Open(filepath.Join(disk, "fragments"), filepath.Join(t.TempDir(), "fragments.db"), Options{Log: quiet})
	oneLine(t, err, filepath.Join(disk, "fragments"), "read-only", "mount it for writing")
	must(t, unix.Mount("", disk, "", unix.MS_REMOUNT, "size=1m"))
	s = reopen(t, disk)
	verifyAll(t, s, []Key{key("a", 0)}, 50000)
	must(t, s.Close())
}

func TestDiskThatTurnsReadOnlyIsAClearError(t *testing.T) {
	disk, ok := smallDisk(t, "1m")
	if !ok {
		return
	}
	dir, index := filepath.Join(disk, "fragments"), filepath.Join(t.TempDir(), "fragments.db")
	s, err := Open(dir, index, Options{Log: quiet})
	must(t, err)
	must(t, put(s, key("a", 0), 50000))
	must(t, unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	oneLine(t, put(s, key("a", 1), 50000), "read-only")
	_, err = s.Delete(key("a", 0))
	oneLine(t, err, "read-only")
	verifyAll(t, s, []Key{key("a", 0)}, 50000)
	must(t, unix.Mount("", disk, "", unix.MS_REMOUNT, "size=1m"))
	must(t, put(s, key("a", 1), 50000))
	verifyAll(t, s, []Key{key("a", 0), key("a", 1)}, 50000)
	must(t, s.Close())
}

// unprivileged runs fn as a user who may only do what file permissions say. For root that is a thread with another
// file system user; everybody else is unprivileged already.
func unprivileged(t *testing.T, fn func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		fn()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Setfsuid(65534); err != nil {
			t.Error(err)
			return
		}
		fn()
	}()
	<-done
}

func TestUnwritableDirectoryIsAClearError(t *testing.T) {
	parent := t.TempDir()
	must(t, os.Chmod(filepath.Dir(parent), 0o755))
	must(t, os.Chmod(parent, 0o555))
	defer func() { must(t, os.Chmod(parent, 0o755)) }()
	unprivileged(t, func() {
		_, err := Open(filepath.Join(parent, "fragments"), filepath.Join(parent, "fragments.db"), Options{Log: quiet})
		oneLine(t, err, parent, "permission denied", "let the user that runs ebb write there")
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v is not fs.ErrPermission", err)
		}
	})
}

func TestUnwritableFragmentsDirectoryIsAClearError(t *testing.T) {
	state := t.TempDir()
	must(t, os.Chmod(filepath.Dir(state), 0o755))
	must(t, os.Chmod(state, 0o777))
	dir := filepath.Join(state, "fragments")
	must(t, os.MkdirAll(filepath.Join(dir, incomingDir), 0o755))
	must(t, os.Chmod(filepath.Join(dir, incomingDir), 0o555))
	unprivileged(t, func() {
		_, err := Open(dir, filepath.Join(state, "fragments.db"), Options{Log: quiet})
		oneLine(t, err, dir, "permission denied", "let the user that runs ebb write there")
	})
}
