package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

func driveOf(path string) (Drive, error) { return linux.driveOf(path) }

func (k kernel) driveOf(path string) (Drive, error) {
	m, _, err := k.fileSystem(path)
	if err != nil {
		return Drive{}, err
	}
	if m.kind == "ubifs" || m.kind == "jffs2" {
		// Raw flash is not a block device. It has names such as "/dev/ubi0_1" and "ubi0:rootfs_data".
		return Drive{Name: filepath.Base(m.source)}, nil
	}
	s := search{kernel: k, seen: map[string]bool{}, drives: map[string]bool{}}
	if err := s.mount(m); err != nil {
		return Drive{}, err
	}
	d := Drive{standby: k.standby}
	var names []string
	for name, rotational := range s.drives {
		names = append(names, deviceName(name))
		if rotational {
			d.spinning = append(d.spinning, name)
		}
	}
	slices.Sort(names)
	slices.Sort(d.spinning)
	d.Name, d.Rotational = strings.Join(names, ", "), len(d.spinning) > 0
	return d, nil
}

// deviceName is how /dev calls what sysfs does, where a name cannot have a slash.
func deviceName(name string) string { return strings.ReplaceAll(name, "!", "/") }

// maxDevices bounds what stands on one another below a file system: partitions, arrays, volumes, drives.
const maxDevices = 256

// search goes down from a file system to its drives, by what the kernel's Documentation/ABI names under sysfs-block and
// Documentation/filesystems/sysfs.rst.
type search struct {
	kernel
	seen   map[string]bool // directories of block devices in sysfs
	drives map[string]bool // what was found: name, and whether it spins
}

func (s *search) mount(m mount) error {
	if major, _, _ := strings.Cut(m.device, ":"); major != "0" {
		return s.device(filepath.Join(s.Sys, "dev", "block", m.device))
	}
	// The file system has a number of its own, so its devices are known by name. Only bcachefs names all of them.
	sources := []string{m.source}
	if m.kind == "bcachefs" {
		sources = strings.Split(m.source, ":")
	}
	for _, source := range sources {
		if !strings.HasPrefix(source, "/dev/") {
			return fmt.Errorf("this machine does not tell what drive a file system of type %q on %q is on", m.kind, m.source)
		}
		dir, err := s.named(source)
		if err != nil {
			return err
		}
		for _, member := range s.members(m, dir) {
			if err := s.device(member); err != nil {
				return err
			}
		}
	}
	return nil
}

// named returns the directory in sysfs of the block device that a path such as "/dev/mapper/data" stands for.
func (s *search) named(path string) (string, error) {
	path = filepath.Join(s.dev, strings.TrimPrefix(path, "/dev/"))
	var node unix.Stat_t
	if err := unix.Stat(path, &node); err == nil && node.Mode&unix.S_IFMT == unix.S_IFBLK {
		rdev := uint64(node.Rdev)
		return filepath.Join(s.Sys, "dev", "block", deviceNumber(unix.Major(rdev), unix.Minor(rdev))), nil
	}
	// A container has the host's names and not its nodes.
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	class, name := filepath.Join(s.Sys, "class", "block"), filepath.Base(path)
	if dir := filepath.Join(class, name); exists(dir) {
		return dir, nil
	}
	// Of logical volumes and encrypted devices /dev/mapper has the name, and sysfs a number.
	mapped, err := filepath.Glob(filepath.Join(class, "dm-*", "dm", "name"))
	if err != nil {
		return "", err
	}
	for _, file := range mapped {
		if text, err := attribute(file); err == nil && text == name {
			return filepath.Dir(filepath.Dir(file)), nil
		}
	}
	return "", fmt.Errorf("%s, which the file system is on, is not known here", path)
}

// members returns the devices of the btrfs that has one in dir, or for others just that one.
func (s *search) members(m mount, dir string) []string {
	real, err := filepath.EvalSymlinks(dir)
	if m.kind != "btrfs" || err != nil {
		return []string{dir}
	}
	// /sys/fs/btrfs/<UUID>/devices/<name>
	devices, err := filepath.Glob(filepath.Join(s.Sys, "fs", "btrfs", "*", "devices", filepath.Base(real)))
	if err != nil || len(devices) != 1 {
		return []string{dir}
	}
	members, err := entries(filepath.Dir(devices[0]), "", maxDevices)
	if err != nil {
		return []string{dir}
	}
	for i, name := range members {
		members[i] = filepath.Join(s.Sys, "class", "block", name)
	}
	return members
}

// device looks below a block device: what it is a part of, is made from, or is a file on. If that is nothing, it is a
// drive.
func (s *search) device(dir string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("this machine tells nothing of the device: %v", err) // not that the path asked about is missing
	}
	if err != nil || s.seen[dir] {
		return err
	}
	if len(s.seen) == maxDevices {
		return fmt.Errorf("it is made of more than %d devices", maxDevices)
	}
	s.seen[dir] = true

	if exists(filepath.Join(dir, "partition")) {
		return s.device(filepath.Dir(dir))
	}
	slaves := filepath.Join(dir, "slaves")
	names, err := entries(slaves, "", maxDevices+1)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range names {
		if err := s.device(filepath.Join(slaves, name)); err != nil {
			return err
		}
	}
	if len(names) > 0 || s.backing(dir) {
		return nil
	}
	rotational, err := attribute(filepath.Join(dir, "queue", "rotational"))
	s.drives[filepath.Base(dir)] = err == nil && rotational == "1"
	return nil
}

// backing looks below a loop device, and reports whether it is one and what it is a file or device on can be seen.
func (s *search) backing(dir string) bool {
	path, err := attribute(filepath.Join(dir, "loop", "backing_file"))
	if err != nil {
		return false
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		m, _, err := s.fileSystem(path)
		return err == nil && s.mount(m) == nil
	}
	// OpenWrt's overlay is in a part of another device, whose name was made when there was no /dev yet: "/mmcblk0p2".
	if filepath.Dir(path) == "/" {
		path = "/dev" + path
	}
	if !strings.HasPrefix(path, "/dev/") {
		return false
	}
	below, err := s.named(path)
	return err == nil && s.device(below) == nil
}
