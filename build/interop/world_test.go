//go:build interop && linux

package interop

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A world is where one test's programs live: a directory and a network, gone when the test ends.
type world struct {
	t   *testing.T
	dir string
	net *Loopback
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "ebb-interop-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			if err := keepLogs(dir); err != nil {
				t.Error(err)
			}
			t.Log("the whole logs are in build/out/interop-logs")
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil { // for opentracker, which runs as nobody
		t.Fatal(err)
	}
	return &world{t: t, dir: dir, net: NewLoopback()}
}

// keptLogs is where the logs of the last failed test are, beside what make builds.
const keptLogs = "../out/interop-logs"

func keepLogs(world string) error {
	logs, err := filepath.Glob(filepath.Join(world, "*", "*.log"))
	if err != nil {
		return err
	}
	if err := os.RemoveAll(keptLogs); err != nil {
		return err
	}
	if err := os.MkdirAll(keptLogs, 0o755); err != nil {
		return err
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(keptLogs, filepath.Base(log)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// place is a new host for one program.
func (w *world) place(name string) Place {
	w.t.Helper()
	at, err := NewPlace(w.net.Next(), w.dir, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

// stopper is a running program: a driver.
type stopper interface {
	Name() string
	Stop() error
	LogTail(n int64) string
}

// started ends the test if the program did not start. Otherwise the program is stopped when the test ends, if not
// before, and its log is shown if the test failed.
func started[P stopper](t *testing.T, program P, err error) P {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := program.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the end of what %s wrote:\n%s", program.Name(), program.LogTail(logTail))
		}
	})
	return program
}

// logTail is how much of each program's log a failed test shows, in bytes.
const logTail = 6 << 10

// step logs what was done, and how long it took.
func step(t *testing.T, what string, do func() error) {
	t.Helper()
	began := time.Now()
	if err := do(); err != nil {
		t.Fatalf("%s: %v (after %.1f s)", what, err, time.Since(began).Seconds())
	}
	t.Logf("%6.1f s  %s", time.Since(began).Seconds(), what)
}
