package platform

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// cgroupFiles is where the kernel tells about control groups.
type cgroupFiles struct {
	self string // the groups of this process, one hierarchy a line: cgroups(7), "/proc/[pid]/cgroup"
	root string // where the hierarchies are mounted
}

func (f Files) cgroups() cgroupFiles {
	return cgroupFiles{self: filepath.Join(f.Proc, "self", "cgroup"), root: filepath.Join(f.Sys, "fs", "cgroup")}
}

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
	var limits []memoryLimit
	for _, h := range f.hierarchies("memory") {
		for _, dir := range h.upward() {
			if limit, ok := h.memory().limitOf(dir); ok {
				limits = append(limits, limit)
			}
		}
	}
	return limits
}

// cpuLimits returns how many processors the groups that the process is in may keep busy.
func (f cgroupFiles) cpuLimits() []float64 {
	var limits []float64
	for _, h := range f.hierarchies("cpu") {
		for _, dir := range h.upward() {
			if limit, ok := h.cpuLimitOf(dir); ok {
				limits = append(limits, limit)
			}
		}
	}
	return limits
}

// own returns the directory of the process's own group of version 2, which has the files of pressure.
func (f cgroupFiles) own() (dir string, ok bool) {
	for _, h := range f.hierarchies("") {
		for _, dir := range h.upward() { // in a container, the first that exists may be the root of the mount
			if exists(dir) {
				return dir, true
			}
		}
	}
	return "", false
}

// hierarchy is a tree of groups, and where in it the process is.
type hierarchy struct {
	version2     bool
	mount, group string
}

// hierarchies returns those that have to do with a controller: its own of version 1, and that of version 2.
func (f cgroupFiles) hierarchies(controller string) []hierarchy {
	text, err := readAtMost(f.self, attributeSize)
	if err != nil {
		return nil // no cgroups
	}
	var found []hierarchy
	for line := range strings.Lines(string(text)) {
		// hierarchy-ID:controller-list:path, and version 2 is "0::path".
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch controllers, group := parts[1], parts[2]; {
		case parts[0] == "0" && controllers == "":
			found = append(found, hierarchy{true, f.root, group})
		case controller != "" && slices.Contains(strings.Split(controllers, ","), controller):
			// Where several controllers share a mount ("cpu,cpuacct"), each has a link to it.
			found = append(found, hierarchy{false, filepath.Join(f.root, controller), group})
		}
	}
	return found
}

// upward returns the directories of the group and of its parents. In a container the group's path may be the host's,
// which does not exist there; the container's own group is then the root of the mount, where the walk ends.
func (h hierarchy) upward() []string {
	var dirs []string
	for group := filepath.Clean("/" + h.group); ; group = filepath.Dir(group) {
		dirs = append(dirs, filepath.Join(h.mount, group))
		if group == "/" {
			return dirs
		}
	}
}

func (h hierarchy) memory() cgroupVersion {
	if h.version2 {
		return cgroup2
	}
	return cgroup1
}

// cpuLimitOf reads the share of time that a group has in each period: "cpu.max" of version 2 is "max 100000" or
// "50000 100000"; version 1 has a file for each number, and -1 for no limit.
func (h hierarchy) cpuLimitOf(dir string) (float64, bool) {
	var quota, period int64
	if h.version2 {
		// What is missing, or "max", is no number: 0.
		text, _ := attribute(filepath.Join(dir, "cpu.max"))
		first, second, _ := strings.Cut(text, " ")
		quota, _ = parseBytes(first)
		period, _ = parseBytes(second)
	} else {
		quota, _ = readBytes(filepath.Join(dir, "cpu.cfs_quota_us"))
		period, _ = readBytes(filepath.Join(dir, "cpu.cfs_period_us"))
	}
	if quota <= 0 || period <= 0 {
		return 0, false
	}
	return float64(quota) / float64(period), true
}

func (v cgroupVersion) limitOf(dir string) (memoryLimit, bool) {
	limit, ok := readBytes(filepath.Join(dir, v.limit))
	const beyond = 1 << 60     // any machine: version 1 says such a number for no limit
	if !ok || limit > beyond { // or there is no such group, or it says "max"
		return memoryLimit{}, false
	}
	// An unknown use is 0: the limit still holds.
	used, _ := readBytes(filepath.Join(dir, v.usage))
	return memoryLimit{limit, max(used-v.cacheOf(dir), 0)}, true
}

// cacheOf returns the droppable page cache of a group, from lines "name bytes" in memory.stat.
func (v cgroupVersion) cacheOf(dir string) int64 {
	text, err := readAtMost(filepath.Join(dir, "memory.stat"), 4*attributeSize)
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
	text, err := readAtMost(path, attributeSize)
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
