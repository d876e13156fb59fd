package fragstore

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// blockSize returns the unit, in bytes, in which the file system that holds dir allocates, within 512 B..128 KiB.
// Network file systems report their transfer size, which may be far more than what a file really takes: hence the
// bound.
func blockSize(dir string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return defaultBlock
	}
	return clampBlock(int64(st.Bsize))
}

// preallocate makes the file system set aside length bytes for f, and reports whether the file system can do that.
func preallocate(f *os.File, length int64) (bool, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var fallocateErr error
	if err := raw.Control(func(fd uintptr) {
		// tmpfs gives up when a signal comes in, and the Go runtime sends itself many.
		for {
			fallocateErr = unix.Fallocate(int(fd), 0, 0, length)
			if fallocateErr != unix.EINTR {
				return
			}
		}
	}); err != nil {
		return false, err
	}
	if errors.Is(fallocateErr, unix.EOPNOTSUPP) || errors.Is(fallocateErr, unix.ENOSYS) || errors.Is(fallocateErr, unix.EINVAL) {
		return false, nil
	}
	return fallocateErr == nil, os.NewSyscallError("fallocate", fallocateErr)
}
