//go:build linux

package interop

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// shell starts a script, which ends with the test at the latest.
func shell(t *testing.T, script string) *Process {
	t.Helper()
	p, err := start(command{name: "script", dir: t.TempDir(), args: []string{"sh", "-c", script}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// waits starts a script that then waits for a signal: nobody writes to the pipe.
func waits(t *testing.T, script string) *Process {
	t.Helper()
	p := shell(t, script+`; mkfifo pipe; exec 3<>pipe; echo ready; read -r line <&3`)
	err := p.ready(t.Context(), func(context.Context) error {
		if !strings.Contains(p.LogTail(1<<10), "ready") {
			return errors.New("not ready")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStopAsksBeforeItKills(t *testing.T) {
	p := waits(t, `trap 'echo asked; exit 0' TERM`)
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if log := p.LogTail(1 << 10); !strings.Contains(log, "asked") {
		t.Errorf("the program was not asked; it wrote %q", log)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("stopping what has ended: %v", err)
	}
}

func TestStopKillsWhatDoesNotListen(t *testing.T) {
	p := waits(t, `trap '' TERM`)
	p.grace = 10 * time.Millisecond
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("error %v, want that it was killed", err)
	}
	select {
	case <-p.ended:
	default:
		t.Error("it still runs")
	}
}

func TestWaitTellsHowAProgramEnded(t *testing.T) {
	for script, fails := range map[string]bool{"exit 0": false, "exit 3": true} {
		if err := shell(t, script).Wait(t.Context()); (err != nil) != fails {
			t.Errorf("%q: error %v", script, err)
		}
	}
}

func TestReadyShowsTheLogOfAProgramThatEnded(t *testing.T) {
	p := shell(t, `echo the port is taken; exit 1`)
	err := p.ready(t.Context(), func(context.Context) error { return errors.New("no answer") })
	if err == nil || !strings.Contains(err.Error(), "the port is taken") || !strings.Contains(err.Error(), "no answer") {
		t.Errorf("error %v, want the last answer and the log", err)
	}
}

func TestLogTailStartsWithALine(t *testing.T) {
	p := shell(t, `echo first; echo second; echo third`)
	if err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := p.LogTail(int64(len("ond\nthird\n"))); got != "third\n" {
		t.Errorf("%q, want the last whole line", got)
	}
}

func TestAwaitTellsWhatWasMissing(t *testing.T) {
	missing := errors.New("no peers")
	err := Await(t.Context(), time.Millisecond, "a download", func(context.Context) error { return missing })
	if !errors.Is(err, missing) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "a download") {
		t.Errorf("error %v, want what was waited for, what was missing, and that the time was up", err)
	}
}
