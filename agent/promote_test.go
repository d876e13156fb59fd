package agent_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ebb/agent"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/build/lab"
	"ebb/webui"
)

// allot changes what an agent may store.
func allot(t *testing.T, ctx context.Context, a *lab.Agent, storage string) {
	t.Helper()
	p := get[prefs.Preferences](t)(a.Preferences(ctx))
	must(t, p.Background.Storage.UnmarshalText([]byte(storage)), a.SetPreferences(ctx, p))
}

// downloaded waits until a download is complete, compares it with the original, and returns how it stands.
func downloaded(t *testing.T, ctx context.Context, a *lab.Agent, c *lab.Content) webui.ForegroundTorrent {
	t.Helper()
	var d webui.ForegroundTorrent
	must(t, await(ctx, func() bool {
		var err error
		d, err = a.ForegroundTorrent(ctx, c.Hash)
		return err == nil && d.Length > 0 && d.Completed == d.Length
	}))
	must(t, c.Verify(filepath.Join(a.State, "downloads")))
	return d
}

// expectNoFragments wants that nothing is left of a swarm in the background.
func expectNoFragments(t *testing.T, ctx context.Context, a *lab.Agent, c *lab.Content) {
	t.Helper()
	must(t, await(ctx, func() bool {
		_, err := a.BackgroundSwarm(ctx, c.Hash)
		return errors.Is(err, webui.ErrNotFound)
	}))
	if files := fragmentFiles(t, a); len(files) > 0 {
		t.Errorf("fragments are left: %v", files)
	}
	if s := get[webui.Status](t)(a.Status(ctx)); s.Background.StorageUsed != 0 {
		t.Errorf("%d bytes are still counted as fragments", s.Background.StorageUsed)
	}
}

func TestPromotionDownloadsOnlyWhatIsMissing(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", 6*mib, 64<<10, lab.InFiles(5)))
	get[*lab.Peer](t)(w.Seed(ctx, c))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "2MiB"}))
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	var held int64
	must(t, await(ctx, func() bool {
		s, err := x.BackgroundSwarm(ctx, c.Hash)
		held = int64(s.Fragments) * 64 << 10
		return err == nil && held == 2*mib
	}))
	must(t, x.Promote(ctx, c.Hash))
	d := downloaded(t, ctx, x, c)
	if want := c.Size() - held; d.Downloaded != want {
		t.Errorf("%d bytes were downloaded, want the %d that no fragment had", d.Downloaded, want)
	}
	expectNoFragments(t, ctx, x, c)
}

func TestPromotionNeedsNobodyWhenAllIsHeld(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", 3*mib, 64<<10))
	seed := get[*lab.Peer](t)(w.Seed(ctx, c))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	told(t, ctx, x, "complete", c)
	must(t, seed.Stop())

	// The owner asks for it as for any other download.
	get[swarm.InfoHash](t)(x.AddForeground(ctx, webui.Source{URI: c.Magnet()}, true))
	if d := downloaded(t, ctx, x, c); d.Downloaded != 0 {
		t.Errorf("%d bytes were downloaded of what was here", d.Downloaded)
	}
	expectNoFragments(t, ctx, x, c)
	if err := x.Promote(ctx, c.Hash); !errors.Is(err, webui.ErrNotFound) {
		t.Errorf("promoting a download: %v", err)
	}
}

func TestPromotionThatCannotBeLeavesTheSwarmHelped(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", 3*mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, c))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	told(t, ctx, x, "complete", c)

	// Something of the owner's has that name already.
	theirs := filepath.Join(x.State, "downloads", c.Name)
	must(t, os.WriteFile(theirs, []byte("a letter"), 0o600))
	must(t, x.Promote(ctx, c.Hash))
	told(t, ctx, x, "failed", c)
	s := get[webui.BackgroundSwarm](t)(x.BackgroundSwarm(ctx, c.Hash))
	if s.Fragments != s.Pieces {
		t.Errorf("%d of %d fragments are left", s.Fragments, s.Pieces)
	}
	if text := get[[]byte](t)(os.ReadFile(theirs)); string(text) != "a letter" {
		t.Errorf("the owner's file reads %q", text)
	}
	must(t, get[*lab.Peer](t)(w.Leech(ctx, c)).Wait(ctx))
}

// interrupted kills an agent again and again while it makes a move, and then starts it for good. At last nobody else
// has the content: what the kills cost cannot be had again.
func interrupted(t *testing.T, w *lab.World, x *lab.Agent, begin func(*agent.Agent) error) {
	t.Helper()
	must(t, x.Stop())
	a := get[*agent.Agent](t)(agent.New(agent.Options{ConfigPath: x.Config, StateDir: x.State, Log: slog.New(slog.DiscardHandler)}))
	must(t, begin(a))
	must(t, a.Run(cancelled()))
	for range 12 {
		child := startChild(t, x.Config, x.State)
		alive := time.NewTimer(100*time.Millisecond + rand.N(500*time.Millisecond))
		<-alive.C
		must(t, child.Process.Kill())
		child.Wait()
	}
	must(t, x.Start(nil))
}

func TestKillsDuringAPromotionLoseNothing(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", 24*mib, 64<<10, lab.InFiles(3)))
	seed := get[*lab.Peer](t)(w.Seed(ctx, c))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	told(t, ctx, x, "complete", c)
	must(t, seed.Stop())
	interrupted(t, w, x, func(a *agent.Agent) error { return a.Owner().Promote(ctx, c.Hash) })
	downloaded(t, ctx, x, c)
	expectNoFragments(t, ctx, x, c)
}
