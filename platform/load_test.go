package platform

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	gopsutil "github.com/shirou/gopsutil/v3/cpu"
)

func TestLoad(t *testing.T) {
	for text, want := range map[string]float64{"0.42 0.30 0.20 1/77 4242\n": 0.42, "17.00": 17, "": -1, "x 1 2": -1, "-1 0 0": -1, "NaN 0 0": -1, "1e300 0": -1} {
		got, err := tree(t, map[string]string{"proc/loadavg": text}).Load()
		if (err == nil) != (want >= 0) || (err == nil && got != want) {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	if _, err := tree(t, nil).Load(); err == nil {
		t.Error("no file, and no error")
	}
}

func TestCPUsAreThoseOfTheTightestGroup(t *testing.T) {
	all := float64(runtime.NumCPU())
	for name, c := range map[string]struct {
		files map[string]string
		want  float64
	}{
		"no groups": {nil, all},
		"no limit":  {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, all},
		"half of one": {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n"},
			0.5},
		"a parent's": {map[string]string{"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "25000 100000\n", "sys/fs/cgroup/a/b/cpu.max": "50000 100000\n"},
			0.25},
		"version 1": {map[string]string{"proc/self/cgroup": "3:cpu,cpuacct:/x\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "10000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
			0.1},
		"version 1, no limit": {map[string]string{"proc/self/cgroup": "3:cpu,cpuacct:/x\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
			all},
		"another controller's": {map[string]string{"proc/self/cgroup": "3:cpuset:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
			all},
		"more than there are": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9000000000 100000\n"}, all},
		"nonsense":            {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "5 0\n"}, all},
		"half a line":         {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "5\n"}, all},
	} {
		if got := tree(t, c.files).CPUs(); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestCPUMeter(t *testing.T) {
	f := tree(t, nil)
	m := f.CPUMeter()
	defer m.Close()
	if _, ok, err := m.Busy(); ok || err == nil {
		t.Errorf("no file: %v, %v", ok, err)
	}
	for _, step := range []struct {
		line  string
		share float64
		ok    bool
		bad   bool
	}{
		{line: "cpu  100 0 100 800 0 0 0 0 0 0"},
		{line: "cpu  100 0 100 800 0 0 0 0 0 0"}, // no tick since
		{line: "cpu  110 5 105 870 10 0 0 0 0 0", share: 0.2, ok: true},
		{line: "cpu  110 5 105 870 10 10 20 30 500 0", share: 1, ok: true}, // guests are in user's time already
		{line: "cpu  110 5 105 970 10 10 20 30 900 0", share: 0, ok: true},
		{line: "cpu  100 5 105 1000 20 10 20 30 900 0", share: 0, ok: true}, // a counter fell
		{line: "cpu  0 0 0 0 0 0 0 0 0 0"},                                  // all of them did
		{line: "cpu  50 0 0 50", share: 0.5, ok: true},                      // an old kernel
		{line: "cpu0 1 2 3 4", bad: true},
		{line: "cpu 1 2 3", bad: true},
		{line: "cpu 1 2 3 x", bad: true},
		{line: "cpu 1 2 3 18446744073709551615", bad: true},
		{line: "", bad: true},
		{line: "cpu  50 0 0 150", share: 0, ok: true},
	} {
		write(t, filepath.Join(f.Proc, "stat"), step.line+"\ncpu0 9 9 9 9 9 9 9\nintr 5\n")
		if step.line == "" {
			write(t, filepath.Join(f.Proc, "stat"), "")
		}
		share, ok, err := m.Busy()
		if math.Abs(share-step.share) > 1e-9 || ok != step.ok || (err != nil) != step.bad {
			t.Errorf("%q: got %v, %v, %v; want %v, %v", step.line, share, ok, err, step.share, step.ok)
		}
	}
}

func TestCPUMeterOfThisMachine(t *testing.T) {
	if _, err := os.Stat("/proc/stat"); err != nil {
		t.Logf("NOT COVERED HERE: %v", err)
		return
	}
	m := System.CPUMeter()
	defer m.Close()
	for range 10_000_000 { // until a tick has passed, which the loop sees to
		share, ok, err := m.Busy()
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			if share < 0 || share > 1 {
				t.Errorf("got %v", share)
			}
			return
		}
	}
	t.Error("no tick has passed")
}

func BenchmarkCPUMeter(b *testing.B) {
	m := System.CPUMeter()
	defer m.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := m.Busy(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCPUMeterByGopsutil(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gopsutil.Times(false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := System.Load(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemory(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Memory()
	}
}
