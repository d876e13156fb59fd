//go:build !linux

package files

import (
	"os"
	"syscall"
)

// ErrReadOnly is of a file system that cannot be written to.
const ErrReadOnly = syscall.EROFS

// noReadAhead does nothing: it is advice.
func noReadAhead(*os.File) {}

// descriptors returns how many most systems allow a process.
func descriptors() uint64 { return 256 }

// BlockSize returns the unit, in bytes, in which most file systems allocate.
func BlockSize(string) int64 { return 4096 }

// Punch does nothing: the space comes back when the file is deleted.
func Punch(*os.File, int64, int64) error { return nil }
