package platform

import (
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernel is where Linux tells about mounts and drives, and how it is asked.
type kernel struct {
	Files
	dev   string // where the device nodes are
	stand func(path string) (standing, error)
	ioctl func(fd int, request uint, argument unsafe.Pointer) error
}

var linux = kernel{Files: System, dev: "/dev", stand: stand, ioctl: ioctl}

func identify(path string) (id string, readOnly bool, err error) {
	m, readOnly, err := linux.fileSystem(path)
	return m.space(), readOnly, err
}

// standing is what the kernel says of the place where a path is.
type standing struct {
	mountID  uint64 // 0: it does not tell
	device   string // "major:minor" of st_dev
	readOnly bool   // by the flags of the mount or of the file system: statfs(2) gives both as one
}

// stand asks about a path, and follows symbolic links.
func stand(path string) (standing, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return standing{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	at := standing{readOnly: fs.Flags&unix.ST_RDONLY != 0}

	var x unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE|unix.STATX_MNT_ID, &x); err == nil {
		if x.Mask&unix.STATX_MNT_ID != 0 { // since Linux 5.8
			at.mountID = x.Mnt_id
		}
		at.device = deviceNumber(x.Dev_major, x.Dev_minor)
		return at, nil
	}
	// Before Linux 4.11, and in containers that forbid what is newer than they are, there is no statx.
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return standing{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	dev := uint64(s.Dev)
	at.device = deviceNumber(unix.Major(dev), unix.Minor(dev))
	return at, nil
}

// deviceNumber writes a device number as the kernel does in mountinfo and in sysfs.
func deviceNumber(major, minor uint32) string { return fmt.Sprintf("%d:%d", major, minor) }

func ioctl(fd int, request uint, argument unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(argument)); errno != 0 {
		return errno
	}
	return nil
}

// maxStack bounds the file systems that stand on one another. The kernel allows two (FILESYSTEM_MAX_STACK_DEPTH).
const maxStack = 8

// fileSystem returns the mount of the file system that a path's bytes end up in: below an overlay that is the one of
// its upper directory, if it can be seen from here; in a container it cannot, and the overlay stands for itself.
func (k kernel) fileSystem(path string) (m mount, readOnly bool, err error) {
	for depth := 0; ; depth++ {
		at, err := k.stand(path)
		if err != nil {
			if depth == 0 {
				return mount{}, false, err
			}
			return m, readOnly, nil
		}
		m = k.mountAt(path, at)
		readOnly = readOnly || at.readOnly || m.stopped()
		below := m.below()
		if below == "" || depth == maxStack {
			return m, readOnly, nil
		}
		path = below
	}
}

// mountAt finds the mount that a path is on. If there is none, which happens in a chroot or without procfs, all that is
// known of it is the device number.
func (k kernel) mountAt(path string, at standing) mount {
	if at.mountID == 0 {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
	}
	// A mount can be missed while others come and go, as the file is read in parts: look twice.
	for range 2 {
		file, err := os.Open(filepath.Join(k.Proc, "self", "mountinfo"))
		if err != nil {
			break
		}
		m, ok := findMount(file, at.mountID, path)
		file.Close()
		if ok {
			return m
		}
	}
	return mount{device: at.device}
}
