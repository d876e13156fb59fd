package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"

	"github.com/shirou/gopsutil/v3/disk"
)

// Disk is the space of one file system, in bytes.
type Disk struct {
	Free  int64 // for a writer without privileges: what is reserved for root does not count
	Total int64
}

// DiskUsage measures the file system that holds path, or would hold it: a path that does not exist yet counts as its
// nearest parent that does. A relative path starts at the working directory.
func DiskUsage(path string) (Disk, error) {
	at, err := filepath.Abs(path)
	if err != nil {
		return Disk{}, fmt.Errorf("measuring the disk of %s: %w", path, err)
	}
	for {
		usage, err := disk.Usage(at)
		if err == nil {
			return Disk{Free: clamped(usage.Free), Total: clamped(usage.Total)}, nil
		}
		parent := filepath.Dir(at)
		if !errors.Is(err, fs.ErrNotExist) || parent == at {
			return Disk{}, fmt.Errorf("measuring the disk of %s: %w", path, err)
		}
		at = parent
	}
}

// clamped keeps within int64 what a network file system may say of itself.
func clamped(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
