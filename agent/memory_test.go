package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ebb/platform"
	"ebb/quota/memory"
)

const mebi = 1 << 20

// machine lays out what a kernel would show of a machine of 120 MiB. Files that
// are not named do not exist.
func machine(t *testing.T, available int64, files map[string]string) platform.Files {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{"proc/meminfo": fmt.Sprintf("MemTotal: %d kB\nMemFree: 1024 kB\nMemAvailable: %d kB\n", 120<<10, available>>10)}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return platform.Files{Proc: filepath.Join(dir, "proc"), Sys: filepath.Join(dir, "sys"), Etc: filepath.Join(dir, "etc")}
}

const pressure = "some avg10=25.00 avg60=0 avg300=0 total=1\nfull avg10=0.00 avg60=0 avg300=0 total=0\n"

func TestMemoryIsSensedWithAndWithoutPressureAndCgroups(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  memory.Sample
	}{
		"a router's kernel": {nil, memory.Sample{Total: 120 * mebi, Available: 40 * mebi}},
		"one that measures pressure": {map[string]string{"proc/pressure/memory": pressure},
			memory.Sample{Total: 120 * mebi, Available: 40 * mebi, Waits: 0.25}},
		"a container, version 2": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "67108864\n", "sys/fs/cgroup/memory.current": "62914560\n"},
			memory.Sample{Total: 64 * mebi, Available: 4 * mebi}},
		"a container, version 1": {map[string]string{"proc/self/cgroup": "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "67108864\n", "sys/fs/cgroup/memory/memory.usage_in_bytes": "62914560\n"},
			memory.Sample{Total: 64 * mebi, Available: 4 * mebi}},
	} {
		if got := senseMemory(machine(t, 40*mebi, c.files)); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestShortMemoryMakesTheBackgroundYieldAndShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var left atomic.Int64
		done := make(chan string, 10)
		w := &memoryWatch{
			sense:    func() memory.Sample { return memory.Sample{Total: 120 * mebi, Available: left.Load()} },
			bound:    func(conns int) { done <- fmt.Sprint(conns) },
			giveBack: func() { done <- "give back" },
			log:      slog.New(slog.NewTextHandler(&log, nil)),
		}
		after := func(d time.Duration, available int64, short bool, want ...string) {
			t.Helper()
			left.Store(available)
			time.Sleep(d)
			synctest.Wait()
			var did []string
			for len(done) > 0 {
				did = append(did, <-done)
			}
			if !slices.Equal(did, want) {
				t.Errorf("with %d MiB available, done was %q, want %q", available/mebi, did, want)
			}
			if got := w.short.Load(); got != short {
				t.Errorf("with %d MiB available, the machine is short of memory: %v, want %v", available/mebi, got, short)
			}
		}
		left.Store(40 * mebi)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.run(ctx) })
		after(time.Second, 40*mebi, false, "120")
		after(time.Minute, 40*mebi, false)
		after(10*time.Second, 10*mebi, true, "60", "give back", "30")
		after(time.Minute, 13*mebi, true, "give back") // for those closed since the last time
		after(40*time.Second, 40*mebi, false, "60")
		after(30*time.Second, 40*mebi, false, "120")
		after(4*time.Second, 3*mebi, true, "0", "give back")
		cancel()
		running.Wait()
		if n := strings.Count(log.String(), "\n"); n != 3 {
			t.Errorf("%d lines were logged of three changes:\n%s", n, log.String())
		}
	})
}
