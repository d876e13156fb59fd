//go:build interop && linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestKilledAgentGoesOnWithWhatVerifies kills an agent (SIGKILL) again and again while it downloads A and fetches B,
// and damages fragments behind its back as a power cut would. It must start each time, finish A, and give a stock
// client no damaged byte of B.
func TestKilledAgentGoesOnWithWhatVerifies(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	tracker, err := StartOpentracker(ctx, w.place("opentracker"))
	started(t, tracker, err)
	files := w.place("content").Dir
	content := func(name string, seed byte, length int64) *Content {
		c, err := MakeContent(files, name, seed, 1*miB, []string{tracker.HTTP(), tracker.UDP()}, File{"", length})
		if err != nil {
			t.Fatal(err)
		}
		if err := tracker.Serve(ctx, c.Hash, rendezvous(c.Hash)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	contentA, contentB := content("A.iso", 'a', 24*miB), content("B.iso", 'b', 24*miB)
	seed, err := StartTransmission(ctx, w.place("transmission"))
	started(t, seed, err)
	step(t, "transmission seeds A and B", func() error {
		return errors.Join(
			seed.Seed(ctx, contentA, files, foregroundLimit), known(ctx, tracker, contentA, seed.Addr()),
			seed.Seed(ctx, contentB, files, foregroundLimit), known(ctx, tracker, contentB, seed.Addr()),
		)
	})

	place := w.place("agent")
	agent, err := StartAgent(ctx, builtEbb(t), place, AgentPreferences{Disk: place.Dir, Storage: "64MiB", Upload: "unlimited"})
	started(t, agent, err)
	if err := errors.Join(add(ctx, agent, contentA), add(ctx, agent, contentB, "-background")); err != nil {
		t.Fatal(err)
	}
	for _, fragments := range []int{1, contentB.Pieces() / 2} {
		step(t, fmt.Sprintf("killed with %d fragments or more, it starts again", fragments), func() error {
			if err := agent.holdsSome(ctx, contentB, fragments); err != nil {
				return err
			}
			return errors.Join(agent.Kill(), agent.Start(ctx))
		})
	}
	step(t, "it finishes A and B", func() error {
		return errors.Join(agent.Downloaded(ctx, contentA, foregroundLimit), agent.Holds(ctx, contentB, backgroundLimit))
	})

	step(t, "killed, with every second fragment damaged on disk, it starts again", func() error {
		return errors.Join(agent.Kill(), damage(agent, contentB), agent.Start(ctx))
	})
	asked := false // for a damaged fragment; of which piece aria2 asks whom is up to aria2
	for i := 1; i <= 5 && !asked; i++ {
		step(t, "aria2 downloads B, and is sent no damaged piece", func() error {
			aria2, err := StartAria2(w.place(fmt.Sprintf("aria2-%d", i)), contentB)
			started(t, aria2, err)
			if err := aria2.Downloaded(ctx, fromYLimit); err != nil {
				return err
			}
			if log := aria2.LogTail(1 << 30); strings.Contains(log, wrongPiece) {
				return fmt.Errorf("aria2 was sent a damaged piece: %s", log[strings.Index(log, wrongPiece):][:200])
			}
			return nil
		})
		left := stillDamaged(agent, contentB)
		t.Logf("%d of %d damaged fragments were not asked for, and are still on disk", left, contentB.Pieces()/2)
		asked = left < contentB.Pieces()/2
	}
	if !asked {
		t.Error("no aria2 asked for a damaged fragment: the test has shown nothing")
	}
	if err := agent.Downloaded(ctx, contentA, foregroundLimit); err != nil {
		t.Error(err)
	}
}

// wrongPiece is how aria2's log tells of a piece that does not match its hash.
const wrongPiece = "we got wrong piece"

// holdsSome waits until the agent has at least n fragments of a content.
func (a *Agent) holdsSome(ctx context.Context, c *Content, n int) error {
	return a.await(ctx, backgroundLimit, fmt.Sprintf("to hold %d fragments of %s", n, c.Name), func(ctx context.Context) error {
		s, err := a.Background(ctx, c.Hash)
		if err == nil && s.Fragments < n {
			err = fmt.Errorf("%s, %d fragments, %d peers", s.State, s.Fragments, s.Peers)
		}
		return err
	})
}

// damage flips the first byte of every second fragment on the disk of an agent that does not run.
func damage(a *Agent, c *Content) error {
	for i := 0; i < c.Pieces(); i += 2 {
		path := a.fragment(c, i)
		fragment, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fragment[0] ^= 1
		if err := os.WriteFile(path, fragment, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// stillDamaged counts the fragments that are on disk as damage left them.
func stillDamaged(a *Agent, c *Content) (n int) {
	for i := 0; i < c.Pieces(); i += 2 {
		if _, err := os.Stat(a.fragment(c, i)); err == nil && c.CheckPiece(i, a.fragment(c, i)) != nil {
			n++
		}
	}
	return n
}
