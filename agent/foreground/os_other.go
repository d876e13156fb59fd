//go:build !linux

package foreground

import (
	"os"
	"syscall"
)

// errReadOnly is of a file system that cannot be written to.
const errReadOnly = syscall.EROFS

// noReadAhead does nothing: it is advice.
func noReadAhead(*os.File) {}

// descriptors returns how many most systems allow a process.
func descriptors() uint64 { return 256 }

// blockSize returns the unit, in bytes, in which most file systems allocate.
func blockSize(string) int64 { return 4096 }

// punch does nothing: the space comes back when the file is deleted.
func punch(*os.File, int64, int64) error { return nil }
