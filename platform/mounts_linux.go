package platform

import (
	"bufio"
	"bytes"
	"io"
	"path/filepath"
	"strconv"
	"strings"
)

// mount is a line of /proc/self/mountinfo, as far as it matters here: proc_pid_mountinfo(5), and in the kernel's
// Documentation/filesystems/proc.rst section 3.5.
type mount struct {
	id      uint64
	device  string // "major:minor" of the file system's super block: the same for all its mounts, btrfs subvolumes included
	root    string // the directory of the file system that is mounted: "/", unless it is a bind mount or a subvolume
	point   string // where it is mounted
	kind    string // the file system's type
	source  string // a device, a data set, a server's directory, or just a word
	options string // of the super block, separated by commas, still escaped
}

// maxMountLine bounds a line, in bytes. An overlay of hundreds of layers has some ten thousand.
const maxMountLine = 1 << 20

// findMount looks for the mount with an id, or if the id is 0 for the one that a path without symbolic links is on: it
// has the longest mount point, and of those that are mounted over one another it is the last.
func findMount(mountinfo io.Reader, id uint64, path string) (found mount, ok bool) {
	prefix := append(strconv.AppendUint(nil, id, 10), ' ')
	lines := bufio.NewScanner(mountinfo)
	lines.Buffer(make([]byte, 0, 4096), maxMountLine)
	for lines.Scan() {
		if id != 0 && !bytes.HasPrefix(lines.Bytes(), prefix) {
			continue
		}
		m, parsed := parseMount(lines.Text())
		switch {
		case !parsed:
		case id != 0:
			return m, true
		case within(path, m.point) && len(m.point) >= len(found.point):
			found, ok = m, true
		}
	}
	return found, ok
}

// within reports whether a clean path is dir or below it.
func within(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == '/' || dir == "/")
}

// parseMount reads a line: id, parent, major:minor, root, mount point, options, any number of optional fields, "-",
// type, source and the super block's options. A field may be empty: a source is whatever mount(2) was told.
func parseMount(line string) (m mount, ok bool) {
	var fields [6]string
	for i := range fields {
		if fields[i], line, ok = strings.Cut(line, " "); !ok {
			return mount{}, false
		}
	}
	for optional := ""; optional != "-"; {
		if optional, line, ok = strings.Cut(line, " "); !ok {
			return mount{}, false
		}
	}
	rest := strings.Split(line, " ")
	if len(rest) != 3 {
		return mount{}, false
	}
	id, err := strconv.ParseUint(fields[0], 10, 64)
	device, ok := parseDevice(fields[2])
	if err != nil || !ok {
		return mount{}, false
	}
	return mount{
		id:      id,
		device:  device,
		root:    unescape(fields[3]),
		point:   unescape(fields[4]),
		kind:    unescape(rest[0]),
		source:  unescape(rest[1]),
		options: rest[2],
	}, true
}

// parseDevice checks a device number, which becomes part of a path in sysfs.
func parseDevice(text string) (device string, ok bool) {
	majorText, minorText, _ := strings.Cut(text, ":")
	major, err1 := strconv.ParseUint(majorText, 10, 32)
	minor, err2 := strconv.ParseUint(minorText, 10, 32)
	return deviceNumber(uint32(major), uint32(minor)), err1 == nil && err2 == nil
}

// unescape replaces a backslash and three octal digits by the byte that they stand for: the kernel writes blanks, line
// ends and backslashes so, and in options commas.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+4 <= len(text) {
			if b, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(b))
				i += 3
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}

// space names the free space that the file system draws on. The super block's number does that: all mounts of a file
// system have the same, bind mounts and btrfs subvolumes too. But the data sets of a ZFS pool are file systems of their
// own that share its space.
func (m mount) space() string {
	if pool, _, _ := strings.Cut(m.source, "/"); m.kind == "zfs" && pool != "" {
		return "zfs " + pool
	}
	return m.device
}

// below returns the directory that holds what is written to a file system that stands on another one; "" if there is
// none, or if it was named relative to where only mount(8) knew to be.
func (m mount) below() string {
	dir := ""
	switch m.kind {
	case "overlay", "overlayfs":
		dir, _ = m.option("upperdir")
	case "ecryptfs": // a NAS's encrypted folders
		dir = m.source
	}
	if !filepath.IsAbs(dir) {
		return ""
	}
	return dir
}

// stopped reports whether the file system stopped writing because of an error. With errors=remount-ro, ext4 used to set
// the flag that statfs(2) shows; since Linux 6.12 it says so in its options alone: "emergency_ro", or "shutdown".
func (m mount) stopped() bool {
	_, readOnly := m.option("emergency_ro")
	_, shutdown := m.option("shutdown")
	return readOnly || shutdown
}

// option returns an option of the super block.
func (m mount) option(name string) (value string, ok bool) {
	for option := range strings.SplitSeq(m.options, ",") {
		key, value, _ := strings.Cut(option, "=")
		if key == name {
			return unescape(value), true
		}
	}
	return "", false
}
