package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"ebb/platform"
	"ebb/quota/memory"
)

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

func TestShortageOfProcessorsIsToldAfterThatOfMemory(t *testing.T) {
	const mebi = 1 << 20
	busy := machine(t, 40*mebi, map[string]string{"proc/pressure/cpu": "some avg10=90.00 avg60=0 avg300=0 total=1\n"})
	idle := machine(t, 40*mebi, map[string]string{"proc/pressure/memory": "some avg10=25.00 avg60=0 avg300=0 total=1\n"})
	a := &Agent{memory: memory.NewWatch(machine(t, mebi, nil), func(int) {}, slog.New(slog.DiscardHandler))}
	if got := a.shortage(busy); got != "processor time" {
		t.Errorf("the machine is short of %q", got)
	}
	if got := a.shortage(idle); got != "" {
		t.Errorf("the machine is short of %q, which its watch has to judge", got)
	}
	a.memory.Run(cancelledContext()) // one look
	if got := a.shortage(busy); got != "memory" {
		t.Errorf("the machine is short of %q", got)
	}
}

func cancelledContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
