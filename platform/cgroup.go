package platform

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// cgroupFiles is where the kernel tells about control groups.
type cgroupFiles struct {
	self string // the groups of this process, one hierarchy a line: cgroups(7), "/proc/[pid]/cgroup"
	root string // where the hierarchies are mounted
}

var systemCgroups = cgroupFiles{self: "/proc/self/cgroup", root: "/sys/fs/cgroup"}

// memoryLimit is the limit of one cgroup and its use, in bytes. Page cache that the kernel would drop is not counted as
// used, as it is not in the machine's own figures: for a program that serves files it is most of the memory.
type memoryLimit struct {
	limit, used int64
}

// cgroupVersion names the files of one version of the interface.
type cgroupVersion struct {
	limit, usage, droppable string
}

// Names from the kernel's Documentation/admin-guide: cgroup-v2.rst and cgroup-v1/memory.rst.
var (
	cgroup1 = cgroupVersion{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}
	cgroup2 = cgroupVersion{"memory.max", "memory.current", "inactive_file"}
)

// memoryLimits returns the limits of every group that the process is in, up to the root: each of them binds.
func (f cgroupFiles) memoryLimits() []memoryLimit {
	text, err := os.ReadFile(f.self)
	if err != nil {
		return nil // no cgroups
	}
	var limits []memoryLimit
	for line := range strings.Lines(string(text)) {
		// hierarchy-ID:controller-list:path, and version 2 is "0::path".
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch controllers, group := parts[1], parts[2]; {
		case parts[0] == "0" && controllers == "":
			limits = append(limits, cgroup2.limitsUpward(f.root, group)...)
		case controllers == "memory":
			limits = append(limits, cgroup1.limitsUpward(filepath.Join(f.root, "memory"), group)...)
		}
	}
	return limits
}

// limitsUpward reads the limits of group and of its parents. In a container the group's path may be the host's, which
// does not exist there; the container's own group is then the root of the mount, where the walk ends.
func (v cgroupVersion) limitsUpward(mount, group string) []memoryLimit {
	var limits []memoryLimit
	for group = filepath.Clean("/" + group); ; group = filepath.Dir(group) {
		if limit, ok := v.limitOf(filepath.Join(mount, group)); ok {
			limits = append(limits, limit)
		}
		if group == "/" {
			return limits
		}
	}
}

func (v cgroupVersion) limitOf(dir string) (memoryLimit, bool) {
	limit, ok := readBytes(filepath.Join(dir, v.limit))
	if !ok { // no such group, or "max": no limit. Version 1 says a number beyond any machine.
		return memoryLimit{}, false
	}
	// An unknown use is 0: the limit still holds.
	used, _ := readBytes(filepath.Join(dir, v.usage))
	return memoryLimit{limit, max(used-v.cacheOf(dir), 0)}, true
}

// cacheOf returns the droppable page cache of a group, from lines "name bytes" in memory.stat.
func (v cgroupVersion) cacheOf(dir string) int64 {
	text, err := os.ReadFile(filepath.Join(dir, "memory.stat"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name == v.droppable {
			n, _ := parseBytes(value)
			return n
		}
	}
	return 0
}

func readBytes(path string) (int64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	return parseBytes(string(text))
}

func parseBytes(text string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	return n, true
}
