//go:build !linux

package fragstore

import "os"

// blockSize returns the unit, in bytes, in which most file systems allocate.
func blockSize(string) int64 { return defaultBlock }

// preallocate reports false: space cannot be set aside here, and files grow as they are written.
func preallocate(*os.File, int64) (bool, error) { return false, nil }
