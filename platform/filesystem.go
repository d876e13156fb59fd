package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"

	"github.com/shirou/gopsutil/v3/disk"
)

// FileSystem is what there is to say of the space of a file system just now, in bytes.
type FileSystem struct {
	Free  int64 // for a writer without privileges: what is reserved for root does not count
	Total int64

	// ID is the same for paths that share their free space, which a path's device number does not tell: a btrfs
	// subvolume, a ZFS data set and an overlay each have one of their own. Never empty. It is for comparing paths now,
	// not for keeping: the kernel gives the number of a disk that has gone to the next one that comes.
	ID string

	// ReadOnly says that nothing can be written there: it was mounted so, or the kernel stopped writing after an error,
	// as far as the file system tells. Known on Linux only.
	ReadOnly bool
}

// DiskUsage measures the file system that holds path, or would hold it: a path that does not exist yet counts as its
// nearest parent that does. A relative path starts at the working directory; symbolic links are followed.
//
// It reads the mounts anew each time, so that it is right about those that come and go. That is cheap enough to be done
// every few seconds (some 50 µs, and 3 ms where there are two thousand mounts), and needs no privileges.
func DiskUsage(path string) (FileSystem, error) {
	var d FileSystem
	err := nearest(path, func(at string) error {
		usage, err := disk.Usage(at)
		if err != nil {
			return err
		}
		d = FileSystem{Free: clamped(usage.Free), Total: clamped(usage.Total)}
		d.ID, d.ReadOnly, err = identify(at)
		return err
	})
	if err != nil {
		return FileSystem{}, fmt.Errorf("measuring the disk of %s: %w", path, err)
	}
	return d, nil
}

// nearest calls try with the absolute path and, as long as that does not exist, with the next parent.
func nearest(path string, try func(at string) error) error {
	at, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	for {
		err := try(at)
		parent := filepath.Dir(at)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || parent == at {
			return err
		}
		at = parent
	}
}

// clamped keeps within int64 what a network file system may say of itself.
func clamped(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
