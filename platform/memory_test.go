package platform

import (
	"os"
	"path/filepath"
	"testing"
)

const mib = 1 << 20

func TestMemoryOfThisMachineIsPlausible(t *testing.T) {
	total, available := Memory()
	if total < 16*mib || available <= 0 || available > total {
		t.Errorf("got %d available of %d", available, total)
	}
}

func TestMemoryIsTheLeastOfMachineAndCgroups(t *testing.T) {
	for name, c := range map[string]struct {
		self             string
		files            map[string]string
		total, available int64 // of a machine of 1024 MiB with 600 MiB available
	}{
		"no cgroups": {
			total: 1024 * mib, available: 600 * mib,
		},
		"v2, no limit": {
			self:  "0::/user.slice\n",
			files: map[string]string{"user.slice/memory.max": "max\n", "user.slice/memory.current": "1048576\n"},
			total: 1024 * mib, available: 600 * mib,
		},
		"v2, a container": {
			self:  "0::/\n",
			files: map[string]string{"memory.max": "268435456\n", "memory.current": "104857600\n"},
			total: 256 * mib, available: 156 * mib,
		},
		"v2, page cache counts as available": {
			self: "0::/\n",
			files: map[string]string{
				"memory.max": "268435456\n", "memory.current": "260046848\n",
				"memory.stat": "anon 10485760\nfile 249561088\ninactive_file 209715200\nactive_file 0\n",
			},
			total: 256 * mib, available: 208 * mib,
		},
		"v2, a parent's limit binds": {
			self: "0::/system.slice/ebb.service\n",
			files: map[string]string{
				"system.slice/ebb.service/memory.max": "max\n",
				"system.slice/memory.max":             "134217728\n",
				"system.slice/memory.current":         "33554432\n",
			},
			total: 128 * mib, available: 96 * mib,
		},
		"v2, the machine has less than the limit": {
			self:  "0::/\n",
			files: map[string]string{"memory.max": "8589934592\n", "memory.current": "0\n"},
			total: 1024 * mib, available: 600 * mib,
		},
		"v2, over its limit": {
			self:  "0::/\n",
			files: map[string]string{"memory.max": "1048576\n", "memory.current": "2097152\n"},
			total: mib, available: 0,
		},
		"v1, a container that sees the host's path": {
			self: "5:cpu,cpuacct:/docker/0123\n4:memory:/docker/0123\n0::/\n",
			files: map[string]string{
				"memory/memory.limit_in_bytes": "268435456\n", "memory/memory.usage_in_bytes": "209715200\n",
				"memory/memory.stat": "inactive_file 1\ntotal_inactive_file 104857600\n",
			},
			total: 256 * mib, available: 156 * mib,
		},
		"v1, no limit": {
			self:  "4:memory:/\n",
			files: map[string]string{"memory/memory.limit_in_bytes": "9223372036854771712\n"},
			total: 1024 * mib, available: 600 * mib,
		},
		"nonsense": {
			self:  "\n:\n4:memory:../../..\n0::\n",
			files: map[string]string{"memory.max": "-5\n", "memory/memory.limit_in_bytes": "lots\n", "memory.stat": "x"},
			total: 1024 * mib, available: 600 * mib,
		},
	} {
		t.Run(name, func(t *testing.T) {
			total, available := confined(1024*mib, 600*mib, cgroups(t, c.self, c.files))
			if total != c.total || available != c.available {
				t.Errorf("got %d MiB available of %d MiB, want %d of %d", available/mib, total/mib, c.available/mib, c.total/mib)
			}
		})
	}
}

func TestMemoryOfAnUnknownMachineIsThatOfItsCgroup(t *testing.T) {
	files := cgroups(t, "0::/\n", map[string]string{"memory.max": "268435456\n", "memory.current": "104857600\n"})
	if total, available := confined(0, 0, files); total != 256*mib || available != 156*mib {
		t.Errorf("got %d, %d", total, available)
	}
}

// cgroups lays out what the kernel would show; without a self file there are no cgroups.
func cgroups(t *testing.T, self string, files map[string]string) cgroupFiles {
	t.Helper()
	dir := t.TempDir()
	fake := cgroupFiles{self: filepath.Join(dir, "self"), root: filepath.Join(dir, "root")}
	if self != "" {
		write(t, fake.self, self)
	}
	for path, text := range files {
		write(t, filepath.Join(fake.root, path), text)
	}
	return fake
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
