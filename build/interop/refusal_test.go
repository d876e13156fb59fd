//go:build interop && linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// refusalLimit bounds how long `ebb run` may take to find that it cannot run.
const refusalLimit = 20 * time.Second

// TestCannotRunIsOneLine checks that an ebb that cannot run says so in one line that names what is in the way, and ends
// with an exit status other than 0; and that an ebb that could run is none the worse for it.
func TestCannotRunIsOneLine(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	place := w.place("running")
	running, err := StartAgent(ctx, builtEbb(t), place, AgentPreferences{Disk: place.Dir, Storage: "64MiB", Upload: "4MiB/s"})
	started(t, running, err)

	listen := func(at netip.AddrPort) {
		l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
	for _, test := range []struct {
		name string
		// ruin puts something in the way of an agent that has never run, and returns what the line must name.
		ruin func(a *Agent) string
	}{
		{"second ebb on one state directory", func(a *Agent) string {
			a.disk = running.disk
			return running.state()
		}},
		{"busy peer port", func(a *Agent) string {
			listen(a.peers)
			return a.peers.String()
		}},
		{"busy page port", func(a *Agent) string {
			page := netip.AddrPortFrom(a.peers.Addr(), a.peers.Port()+1)
			listen(page)
			a.replace(t, fmt.Sprintf("%v:0", page.Addr()), page.String())
			return page.String()
		}},
		{"unwritable state directory", func(a *Agent) string {
			if err := os.Chmod(a.state(), 0o555); err != nil {
				t.Fatal(err)
			}
			if os.Geteuid() == 0 { // root may write anywhere
				a.user = nobodyOrFail(t)
				if err := os.Chmod(a.config, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			return a.state()
		}},
		{"full disk", func(a *Agent) string {
			unmount, err := MountDisk(a.state(), 1*miB)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := unmount(); err != nil {
					t.Error(err)
				}
			})
			fill(t, filepath.Join(a.state(), "filler"))
			return a.state()
		}},
		{"unknown preference", func(a *Agent) string {
			a.replace(t, "keep_free", "keep_fre")
			return "keep_fre"
		}},
		{"preference that makes no sense", func(a *Agent) string {
			a.replace(t, "64MiB", "64 elephants")
			return "64 elephants"
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			place := w.place(strings.ReplaceAll(test.name, " ", "-"))
			agent, err := newAgent(builtEbb(t), place, AgentPreferences{Disk: place.Dir, Storage: "64MiB", Upload: "4MiB/s"})
			if err != nil {
				t.Fatal(err)
			}
			want := test.ruin(agent)
			process, err := start(agent.run())
			started(t, process, err)
			ctx, cancel := context.WithTimeout(ctx, refusalLimit)
			defer cancel()
			if err := process.Wait(ctx); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it ended with %v, want an exit status other than 0", err)
			}
			said := process.LogTail(64 * kiB)
			t.Logf("it said: %s", said)
			if strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "ebb: ") || !strings.Contains(said, want) {
				t.Errorf("want one line that begins with ebb: and names %s", want)
			}
		})
	}
	if _, err := running.Status(ctx); err != nil {
		t.Errorf("the ebb that ran before no longer answers: %v", err)
	}
}

// replace changes the preferences file.
func (a *Agent) replace(t *testing.T, old, with string) {
	t.Helper()
	text, err := os.ReadFile(a.config)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%q is not in the preferences", old)
	}
	if err := os.WriteFile(a.config, []byte(strings.Replace(string(text), old, with, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func nobodyOrFail(t *testing.T) *syscall.Credential {
	t.Helper()
	user, err := nobody()
	if err != nil {
		t.Fatal(err)
	}
	return user
}

// fill makes a file as long as the disk allows.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4*kiB))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
