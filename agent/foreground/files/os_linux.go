package files

import (
	"errors"
	"os"
	"path/filepath"

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

// uncache takes what is on the disk already out of the page cache, which is the household's. A length of 0 means all
// from off on.
func uncache(f *os.File, off, length int64) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	// It is advice.
	_ = raw.Control(func(fd uintptr) { _ = unix.Fadvise(int(fd), off, length, unix.FADV_DONTNEED) })
}

// rename renames a file from one directory to another, in which there is none of its name. It follows no links out of
// either. The error is EXDEV if they are on different file systems.
func rename(source *os.Root, from string, target *os.Root, to string) error {
	in, err := source.Open(filepath.Dir(from))
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := target.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer out.Close()
	err = unix.Renameat2(int(in.Fd()), filepath.Base(from), int(out.Fd()), filepath.Base(to), unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // FAT on old kernels, network shares
		err = unix.Renameat(int(in.Fd()), filepath.Base(from), int(out.Fd()), filepath.Base(to))
	}
	return os.NewSyscallError("renameat", err)
}

// descriptors returns how many the process may have.
func descriptors() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return limit.Cur
}
