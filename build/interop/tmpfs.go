//go:build linux

package interop

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// MountDisk makes dir a disk of its own with the given size in bytes, in memory: one that can be filled without harm.
// The caller unmounts it. It needs root.
func MountDisk(dir string, size int64) (unmount func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := unix.Mount("ebb-interop", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, fmt.Sprintf("size=%d,mode=0755", size)); err != nil {
		return nil, fmt.Errorf("mounting a disk of %d bytes on %s (needs root): %w", size, dir, err)
	}
	return func() error {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmounting %s: %w", dir, err)
		}
		return nil
	}, nil
}
