package fragstore

import "os"

const (
	defaultBlock = 4096
	largestBlock = 128 << 10 // ZFS's default record, the largest in common use
)

// occupied returns what a file counts for: its blocks, and never less than its length, because some
// file systems compress, and some (ZFS, btrfs) allocate long after they were asked to write.
func occupied(fi os.FileInfo) int64 {
	return max(allocated(fi), fi.Size())
}

func roundUp(n, unit int64) int64 {
	return (n + unit - 1) / unit * unit
}

func clampBlock(size int64) int64 {
	if size < 512 {
		return defaultBlock
	}
	return min(size, largestBlock)
}
