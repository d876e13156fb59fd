package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"ebb/agent/records"
)

// runBriefly is 'ebb run' with preferences that do not let it start.
func runBriefly(t *testing.T) (limit int64) {
	t.Helper()
	before := debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetMemoryLimit(before)
	config := filepath.Join(t.TempDir(), "ebb.toml")
	if err := os.WriteFile(config, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errOut := ebb(t, "run", "-config", config); code != 1 {
		t.Fatalf("exit code %d: %s%s", code, out, errOut)
	}
	return debug.SetMemoryLimit(-1)
}

func TestRunLimitsItsMemoryUnlessItsOwnerDid(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	if limit := runBriefly(t); runtime.GOOS == "linux" && limit >= math.MaxInt64/2 {
		t.Error("Go's memory is not limited")
	}
	t.Setenv("GOMEMLIMIT", "off")
	if limit := runBriefly(t); limit != math.MaxInt64 {
		t.Errorf("Go's memory is limited to %d bytes, which its owner did not want", limit)
	}
}

// BenchmarkIdle runs the command itself. The budget: 25 MB, started and idle.
func BenchmarkIdle(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "ebb")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	var most int64
	for b.Loop() {
		most = max(most, idleMemory(b, binary))
	}
	b.ReportMetric(float64(most)/1e6, "rss-MB")
	if most > 25e6 {
		b.Errorf("ebb takes %d bytes when it does nothing", most)
	}
}

// idleMemory starts an agent, waits until it answers, and returns what it has in memory.
func idleMemory(b *testing.B, binary string) int64 {
	b.Helper()
	dir := b.TempDir()
	config := filepath.Join(dir, "ebb.toml")
	const preferences = `
[background]
storage = "64MiB"
[network]
peer_address = "127.0.0.1:0"
dht_bootstrap = []
[web]
address = "127.0.0.1:0"
`
	if err := os.WriteFile(config, []byte(preferences), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(binary, "run", "-config", config, "-state", dir)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	}()
	address := filepath.Join(dir, records.AddressFile)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(address); err == nil {
			break
		}
		if time.Now().After(deadline) {
			b.Fatalf("not started within %v", patience)
		}
	}
	if out, err := exec.Command(binary, "status", "-config", config, "-state", dir).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return resident(b, cmd.Process.Pid)
}

// resident returns what a process has in memory, in bytes.
func resident(b *testing.B, pid int) (kib int64) {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skipf("the system does not say: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if n, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 && err == nil {
			return kib << 10
		}
	}
	b.Fatalf("no VmRSS in\n%s", status)
	return 0
}
