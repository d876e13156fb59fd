//go:build netlab && linux

package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLinkIsOnTime loads the link with more than the line ever carries, and asks what that does to the time that a
// packet takes:
//
//	lan ─ router ──────── isp ════ 10 ms ════ net ─ server
//	       wide line      60 Mbit/s of UDP each way
func TestLinkIsOnTime(t *testing.T) {
	c := Home()
	c.Line = Line{Up: 200 * MBit, Down: 200 * MBit, Buffer: 100 * time.Millisecond}
	w, made := newWorld(t, c)
	if !made {
		return
	}
	d := Short()
	d.Flow = 5 * time.Second
	h, err := NewHouse(t.Context(), w, d)
	if err != nil {
		t.Fatal(err)
	}
	pid := w.link.cmd.Process.Pid
	busyBefore, began := cpuTime(t, pid), time.Now()
	o, err := h.observe(t.Context(), Call{Rate: 60 * MBit})
	if err != nil {
		t.Fatal(err)
	}
	cores := float64(cpuTime(t, pid)-busyBefore) / float64(o.Ended.Sub(o.Began))
	t.Logf("silent: p50 %v, p95 %v, max %v", h.Silent.P50, h.Silent.P95, h.Silent.Max)
	t.Logf("60 Mbit/s each way: p50 %v, p95 %v, max %v; lost %.2f %%; the link used %.1f %% of a core (measured over %v)",
		o.Ping.P50, o.Ping.P95, o.Ping.Max, 100*o.Lost, 100*cores, time.Since(began).Round(time.Second))
	if busy, err := h.Busy(); err != nil {
		t.Fatal(err)
	} else if busy > 0.9 {
		t.Logf("NOT COVERED HERE: the machine's cores are %.0f %% busy, so that packets wait for them", 100*busy)
		return
	}
	if added := o.Ping.P95 - h.Silent.P95; added > 2*time.Millisecond {
		t.Errorf("the load adds %v to the p95, want at most 2 ms", added)
	}
	if o.Speed < 59*MBit || o.Lost > 0.01 {
		t.Errorf("%.1f of 60 Mbit/s arrived in the worse direction, %.1f %% lost", o.Speed/MBit, 100*o.Lost)
	}
}

// cpuTime is the CPU time that a process has used (proc_pid_stat(5); its unit is 10 ms).
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	var user, system int64
	fields := strings.Fields(rest)
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// TestPathChangesWhileRunning changes what the link does to packets:
//
//	lan ─ router ─ isp ════ 10 ms, then 40 ms, then half of all packets lost ════ net ─ server
func TestPathChangesWhileRunning(t *testing.T) {
	w, made := newWorld(t, Home())
	if !made {
		return
	}
	d := Short()
	d.Quiet = 3 * time.Second
	h, err := NewHouse(t.Context(), w, d)
	if err != nil {
		t.Fatal(err)
	}
	look := func(p Path) Ping {
		t.Helper()
		if err := w.SetPath(p); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := pause(t.Context(), 3*time.Second); err != nil {
			t.Fatal(err)
		}
		return h.prober.Ping(began, time.Now().Add(-time.Second))
	}
	if p := look(Path{Delay: 40 * time.Millisecond}); p.P50 < 79*time.Millisecond || p.P50 > 83*time.Millisecond {
		t.Errorf("40 ms each way: ping %v", p.P50)
	}
	if p := look(Path{Delay: 10 * time.Millisecond, Loss: 0.5, Seed: 1}); p.Lost < 0.5 || p.Lost > 0.95 {
		t.Errorf("half of the packets lost each way, %.0f %% of the pings: want about 75 %%", 100*p.Lost)
	}
}

// TestPeersReachNobodyButTheLine: what a leecher gets has passed the line.
//
//	nas ─ router ─ isp ════ net ─┬─ peer1
//	                             ├─ peer2   not from peer1
//	                             └─ server
func TestPeersReachNobodyButTheLine(t *testing.T) {
	w, made := newWorld(t, Home())
	if !made {
		return
	}
	for _, c := range []struct {
		from, to *Host
		reaches  bool
	}{{w.Peers[0], w.NAS, true}, {w.Peers[0], w.Router, true}, {w.LAN, w.NAS, true}, {w.LAN, w.Server, true}, {w.Peers[0], w.Peers[1], false}} {
		p, err := StartProber(c.from, c.to.Addr)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := pause(t.Context(), time.Second); err != nil {
			t.Fatal(err)
		}
		ping := p.Ping(began, began.Add(time.Second/2))
		if _, err := p.Stop(); err != nil {
			t.Error(err)
		}
		if reaches := ping.Lost < 0.5; reaches != c.reaches {
			t.Errorf("%s reaches %s: %v, want %v (%+v)", c.from.Role, c.to.Role, reaches, c.reaches, ping)
		}
	}
}

// TestNothingIsLeft: neither by a world that was closed, nor by one whose process was killed.
func TestNothingIsLeft(t *testing.T) {
	if err := Available(); err != nil {
		t.Logf("NOT COVERED HERE: %v", err)
		return
	}
	// A process that has ended and was waited for: nobody has its number for now.
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	left := fmt.Sprintf("%s%d-1", prefix, gone.Process.Pid)
	dir := filepath.Join(shmDir, left)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := run("ip", "netns", "add", left+"-lan"); err != nil {
		t.Fatal(err)
	}
	stray := exec.Command("ip", "netns", "exec", left+"-lan", "sleep", "60")
	if err := stray.Start(); err != nil {
		t.Fatal(err)
	}
	var reap sync.WaitGroup
	var ended error
	reap.Go(func() { ended = stray.Wait() })
	inside := &Process{name: "sleep", cmd: stray, ended: make(chan struct{})}
	if err := inside.await(t.Context(), readyLimit, "to be in the namespace", func() error {
		pids, err := exec.Command("ip", "netns", "pids", left+"-lan").Output()
		if err == nil && len(pids) == 0 {
			err = fmt.Errorf("it is not")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}

	w, err := New(Home())
	if err != nil {
		t.Fatal(err)
	}
	reap.Wait()
	if ended == nil {
		t.Error("the stray process was not killed")
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s: %v, want that it is gone", dir, err)
	}
	own := w.dir
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	namespaces, err := os.ReadDir(netnsDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range namespaces {
		if pid, ours := owner(ns.Name()); ours && (pid == os.Getpid() || pid == gone.Process.Pid) {
			t.Errorf("namespace %s is left", ns.Name())
		}
	}
	if _, err := os.Stat(own); !os.IsNotExist(err) {
		t.Errorf("%s: %v, want that it is gone", own, err)
	}
}
