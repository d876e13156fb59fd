//go:build unix

package platform

import (
	"os"
	"syscall"
)

// blockUnit is what st_blocks counts in, whatever the file system's block size: 512 bytes on every Unix that Go knows.
const blockUnit = 512

// Allocated returns the bytes of disk blocks that a file occupies, which differs from its length for sparse and for
// short files. File systems that allocate late (ZFS, btrfs) show a file's blocks only once it is synced. If fi does not
// come from the operating system, it is the length.
func Allocated(fi os.FileInfo) int64 {
	if stat, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int64(stat.Blocks) * blockUnit
	}
	return fi.Size()
}
