//go:build !linux

package files

import (
	"os"
	"path/filepath"
	"syscall"
)

// ErrReadOnly is of a file system that cannot be written to.
const ErrReadOnly = syscall.EROFS

// noReadAhead does nothing: it is advice.
func noReadAhead(*os.File) {}

// uncache does nothing: it is advice.
func uncache(*os.File, int64, int64) {}

// rename renames a file from one directory to another.
func rename(source *os.Root, from string, target *os.Root, to string) error {
	return os.Rename(filepath.Join(source.Name(), from), filepath.Join(target.Name(), to))
}

// descriptors returns how many most systems allow a process.
func descriptors() uint64 { return 256 }

// BlockSize returns the unit, in bytes, in which most file systems allocate.
func BlockSize(string) int64 { return 4096 }

// Punch does nothing: the space comes back when the file is deleted.
func Punch(*os.File, int64, int64) error { return nil }
