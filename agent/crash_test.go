package agent_test

import (
	"context"
	"crypto/sha1"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"ebb/agent"
	"ebb/agent/swarm"
	"ebb/build/lab"
	"ebb/webui"
)

// The child of a crash test is this test binary itself, run as an agent.
const (
	childConfig = "EBB_TEST_CHILD_CONFIG"
	childState  = "EBB_TEST_CHILD_STATE"
)

func runChild() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	a, err := agent.New(agent.Options{
		ConfigPath: os.Getenv(childConfig), StateDir: os.Getenv(childState), Log: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		err = a.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// startChild runs an agent in a process of its own.
func startChild(t *testing.T, config, state string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childConfig+"="+config, childState+"="+state)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	return cmd
}

// TestKillAtAnyMomentLosesNothing kills an agent that fetches fragments and a download, again and again, and then lets
// it finish: every fragment that it serves is good, and the download goes on to its end.
func TestKillAtAnyMomentLosesNothing(t *testing.T) {
	w, ctx := newWorld(t)
	first := get[*lab.Content](t)(w.Content("First Light", 24*mib, 256<<10))
	second := get[*lab.Content](t)(w.Content("Old Maps", 24*mib, 128<<10))
	seed := get[*lab.Peer](t)(w.Seed(ctx, first, second))

	config, state, _, err := w.WriteConfig(lab.AgentConfig{Storage: "64MiB"})
	must(t, err)
	// The owner's wishes, and then a stop in good order.
	a := get[*agent.Agent](t)(agent.New(agent.Options{ConfigPath: config, StateDir: state, Log: slog.New(slog.DiscardHandler)}))
	get[swarm.InfoHash](t)(a.Owner().AddBackground(ctx, webui.Source{File: second.Torrent}))
	get[swarm.InfoHash](t)(a.Owner().AddForeground(ctx, webui.Source{File: first.Torrent}, true))
	must(t, a.Run(cancelled()))

	for range 8 {
		child := startChild(t, config, state)
		alive := time.NewTimer(200*time.Millisecond + rand.N(1200*time.Millisecond))
		<-alive.C
		must(t, child.Process.Kill())
		child.Wait()
		checkFragments(t, state, second)
	}

	child := startChild(t, config, state)
	defer func() {
		must(t, child.Process.Signal(syscall.SIGTERM))
		if err := child.Wait(); err != nil {
			t.Errorf("the agent ended with %v", err)
		}
	}()
	must(t, await(ctx, func() bool { return checkFragments(t, state, second) == second.Info.NumPieces() }))
	must(t, await(ctx, func() bool { return first.Verify(filepath.Join(state, "downloads")) == nil }))
	must(t, seed.Stop())
	must(t, get[*lab.Peer](t)(w.Leech(ctx, second)).Wait(ctx))
}

// checkFragments hashes what lies under the names of fragments, and returns their number.
func checkFragments(t *testing.T, state string, c *lab.Content) (n int) {
	t.Helper()
	hash := c.Hash.String()
	dir := filepath.Join(state, "fragments", hash[:2], hash)
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return 0
	}
	must(t, err)
	for _, e := range entries {
		index, err := strconv.Atoi(e.Name())
		must(t, err)
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if os.IsNotExist(err) {
			continue // the agent, at its start, found it missing in its index
		}
		must(t, err)
		if sum := sha1.Sum(data); string(sum[:]) != string(c.Info.Pieces[index*20:index*20+20]) {
			t.Fatalf("fragment %d does not have its hash", index)
		}
		n++
	}
	return n
}

// await looks again and again until something is so.
func await(ctx context.Context, so func() bool) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// rendezvous is the info-hash under which agents in a swarm find each other.
func rendezvous(h swarm.InfoHash) swarm.InfoHash {
	return sha1.Sum(append([]byte("ebb rendezvous 1"), h[:]...))
}
