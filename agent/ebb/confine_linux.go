package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// confine keeps this process, for good, from what an agent never does: opening files besides its own and the system's,
// having rights that it does not use, and gaining new ones. It does as much of that as the kernel can, and returns what
// it could not. What is open already stays open. writable are directories, which should exist.
//
// A kernel's threads are confined one by one, and Go's are many: each call is made in all of them.
func confine(writable []string) error {
	var problems []error
	if err := dropCapabilities(); err != nil {
		problems = append(problems, fmt.Errorf("dropping capabilities: %w", err))
	}
	if err := everyThread(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return errors.Join(append(problems, fmt.Errorf("refusing new privileges: %w", err))...)
	}
	if err := confineFiles(writable); err != nil {
		problems = append(problems, fmt.Errorf("confining files with Landlock: %w", err))
	}
	return errors.Join(problems...)
}

// allThreads makes a system call in all threads; a test does it in one. A binary with C in it cannot: ebb's has none.
var allThreads = syscall.AllThreadsSyscall6

// everyThread makes a system call in every thread. The directive is for arguments that are addresses.
//
//go:uintptrescapes
func everyThread(trap, a, b, c uintptr) error {
	if _, _, errno := allThreads(trap, a, b, c, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// kept are the capabilities that an agent of root's needs: to work with files of others as root does, to open ports below
// 1024 when the page is moved there, to ask drives whether they sleep, and to send pings where its group may not.
const kept = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_CHOWN | 1<<unix.CAP_NET_BIND_SERVICE |
	1<<unix.CAP_SYS_RAWIO | 1<<unix.CAP_NET_RAW

// dropCapabilities gives up all others, and the possibility to get them back. Without any it has nothing to do.
func dropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var now [2]unix.CapUserData // bits 0 to 31, and 32 to 63
	if err := unix.Capget(&header, &now[0]); err != nil {
		return err
	}
	if now[0].Permitted == 0 && now[1].Permitted == 0 {
		return nil
	}
	for bit := uintptr(0); bit <= unix.CAP_LAST_CAP; bit++ {
		if kept&(1<<bit) == 0 {
			// Fails without CAP_SETPCAP, or for one that the kernel does not know: what follows is what counts.
			_ = everyThread(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, bit, 0)
		}
	}
	for i, mask := range []uint64{kept & 0xffffffff, kept >> 32} {
		now[i].Effective &= uint32(mask)
		now[i].Permitted &= uint32(mask)
		now[i].Inheritable = 0
	}
	return everyThread(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&now[0])), 0)
}

// What Landlock lets a process do below a directory. Those of ABI 2 are the least that is of use: before, nothing can be
// renamed from one directory into another.
const (
	mayRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	mayWrite = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_REFER
	mayNever = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK
	// of ABI 3
	mayTruncate = unix.LANDLOCK_ACCESS_FS_TRUNCATE

	landlockABI = 2
)

// system is what an agent reads besides its own: what the device says of itself, names, zones, authorities, and drives.
// /tmp/resolv.conf is where OpenWrt's /etc/resolv.conf leads to; /run is where systemd's does.
var system = []string{
	"/proc", "/sys", "/dev", "/etc", "/usr", "/run", "/var/run", "/lib", "/rom/etc", "/rom/usr",
	"/tmp/resolv.conf", "/tmp/resolv.conf.d", "/tmp/resolv.conf.auto", "/tmp/TZ", "/tmp/localtime",
}

// confineFiles lets the process read what the system says, read and write below directories, and nothing else.
func confineFiles(writable []string) error {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errno != 0:
		return fmt.Errorf("the kernel has none, or it is switched off: %w", errno)
	case abi < landlockABI:
		return fmt.Errorf("the kernel has version %d of it, and 2 is the least", abi)
	}
	write := uint64(mayRead | mayWrite)
	if abi >= 3 {
		write |= mayTruncate
	}
	rules := unix.LandlockRulesetAttr{Handled_access_fs: write | mayNever}
	// The size is that of the field: kernels of ABI 2 know no others.
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&rules)), unsafe.Sizeof(rules.Handled_access_fs), 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(ruleset))
	for _, path := range writable {
		if err := allow(int(ruleset), anchor(path), write); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	for _, path := range system {
		if err := allow(int(ruleset), path, mayRead); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return everyThread(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0)
}

// allow adds a rule to a ruleset. Of a file, only what can be done to one is allowed.
func allow(ruleset int, path string, access uint64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		access &= unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | mayTruncate
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// anchor is where a rule for a directory is tied to: a rule belongs to what is mounted now, and a disk that is unplugged
// and comes back is mounted anew. So it is the directory that the disk is mounted in, such as /mnt, unless that is the
// root. A directory on the root's own disk is its own anchor. Where one does not exist, a disk may be missing that is
// mounted later, at the nearest that exists.
func anchor(path string) string {
	there := nearest(path)
	real, err := filepath.EvalSymlinks(there)
	if err != nil {
		return there
	}
	mount := real
	if there == path {
		mount = mountPoint(real)
	}
	if above := filepath.Dir(mount); mount != "" && above != "/" {
		return above
	}
	return real
}

// mountPoint is the directory at which the file system of a path is mounted; empty if it is the root.
func mountPoint(path string) string {
	device := func(path string) uint64 {
		var s unix.Stat_t
		_ = unix.Stat(path, &s)
		return uint64(s.Dev)
	}
	for own := device(path); path != "/"; path = filepath.Dir(path) {
		if device(filepath.Dir(path)) != own {
			return path
		}
	}
	return ""
}

// nearest is the path, or the nearest directory above it that exists.
func nearest(path string) string {
	for path != "/" {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		path = filepath.Dir(path)
	}
	return path
}
