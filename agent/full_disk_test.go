package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ebb/agent"
)

// TestFullDiskIsExplained starts an agent on a disk without a free byte, and again when some are free.
func TestFullDiskIsExplained(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=2m"); err != nil {
		t.Logf("NOT COVERED HERE: mounting a tmpfs: %v; the fragment store's tests cover what a full disk does to it", err)
		return
	}
	t.Cleanup(func() { must(t, unix.Unmount(disk, 0)) })
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	o := config(t, onLoopback)
	o.StateDir = filepath.Join(disk, "state")
	expectError(t, o, "the disk is full", "free some space")
	must(t, os.Remove(filler))
	a := get[*agent.Agent](t)(agent.New(o))
	must(t, a.Run(cancelled()))
}

// fill writes to a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f := get[*os.File](t)(os.Create(path))
	defer f.Close()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			return
		}
	}
}
