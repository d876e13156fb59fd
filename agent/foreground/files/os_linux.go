package files

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// BlockSize returns the unit, in bytes, in which the file system of a directory gives space back. Network file systems
// report their transfer size, which may be far more: hence the bound.
func BlockSize(dir string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 4096
	}
	return min(max(int64(st.Bsize), 512), 128<<10)
}

// Punch gives the space of a stretch of a file back; reading it then gives zeros. Where the file system cannot do that,
// nothing happens.
func Punch(f *os.File, off, length int64) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var punchErr error
	err = raw.Control(func(fd uintptr) {
		for { // tmpfs gives up when a signal comes in
			punchErr = unix.Fallocate(int(fd), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, length)
			if punchErr != unix.EINTR {
				return
			}
		}
	})
	if errors.Is(punchErr, unix.EOPNOTSUPP) || errors.Is(punchErr, unix.ENOSYS) {
		return err
	}
	return errors.Join(err, os.NewSyscallError("fallocate", punchErr))
}

// ErrReadOnly is of a file system that cannot be written to.
const ErrReadOnly = unix.EROFS

// noReadAhead keeps the kernel from reading what nobody has asked for: peers ask for blocks here and there.
func noReadAhead(f *os.File) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	// It is advice.
	_ = raw.Control(func(fd uintptr) { _ = unix.Fadvise(int(fd), 0, 0, unix.FADV_RANDOM) })
}

// descriptors returns how many the process may have.
func descriptors() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return limit.Cur
}
