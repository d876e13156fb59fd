//go:build unix

package fragstore

import (
	"os"
	"syscall"
)

// allocated returns the bytes of the blocks that a file has. POSIX leaves the unit of st_blocks open; everywhere it is
// 512 bytes.
func allocated(fi os.FileInfo) int64 {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fi.Size()
	}
	return int64(st.Blocks) * 512
}
