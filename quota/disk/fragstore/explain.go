package fragstore

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// explainDisk adds what to do about the troubles that a disk commonly has.
func explainDisk(err error) error {
	switch {
	case err == nil:
		return nil
	case isFull(err):
		return fmt.Errorf("%w: free some space on that disk", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: mount it for writing, or choose another state directory", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: let the user that runs ebb write there, or choose another state directory", err)
	}
	return err
}

// isFull reports whether an error says that the disk, or the user's quota on it, has no room.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// also adds a second error to a first one, on the same line. Either may be nil.
func also(first, second error) error {
	switch {
	case second == nil:
		return first
	case first == nil:
		return second
	}
	return fmt.Errorf("%w; and %w", first, second)
}

// isErrno reports whether an error comes from a system call.
func isErrno(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno)
}

// unsupported reports whether an error says that a file system does not offer an operation: FAT and some network file
// systems cannot sync directories.
func unsupported(err error) bool {
	return errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL)
}
