package agent_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"ebb/agent"
	"ebb/agent/swarm"
	"ebb/build/lab"
	"ebb/webui"
)

// kept waits until a removed download is gone.
func kept(t *testing.T, a *lab.Agent, c *lab.Content) func() bool {
	return func() bool {
		_, err := a.ForegroundTorrent(t.Context(), c.Hash)
		return errors.Is(err, webui.ErrNotFound)
	}
}

func TestARemovedDownloadIsHelpedOnFromItsOwnFiles(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("First Light", 6*mib, 64<<10, lab.InFiles(4)))
	seed := get[*lab.Peer](t)(w.Seed(ctx, c))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	get[swarm.InfoHash](t)(x.AddForeground(ctx, webui.Source{File: c.Torrent}, true))
	told(t, ctx, x, "complete", c)
	must(t, seed.Stop())

	must(t, x.RemoveForeground(ctx, c.Hash, webui.Removal{DeleteData: true, KeepHelping: true}))
	must(t, await(ctx, kept(t, x, c)))
	s := get[webui.BackgroundSwarm](t)(x.BackgroundSwarm(ctx, c.Hash))
	if s.Fragments != s.Pieces || s.Downloaded != 0 {
		t.Errorf("%d of %d pieces became fragments, %d bytes were fetched for it", s.Fragments, s.Pieces, s.Downloaded)
	}
	must(t, await(ctx, func() bool { // the files go after the entry in the list
		left, err := os.ReadDir(filepath.Join(x.State, "downloads"))
		return err == nil && len(left) == 0
	}))
	must(t, get[*lab.Peer](t)(w.Leech(ctx, c)).Wait(ctx))
}

func TestOnlyWhatFitsOfARemovedDownloadIsKept(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("First Light", 6*mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, c)) // whose pieces are seen, so that the choice need not wait
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "2MiB"}))
	get[swarm.InfoHash](t)(x.AddForeground(ctx, webui.Source{File: c.Torrent}, true))
	told(t, ctx, x, "complete", c)

	// The files stay: the owner only wants it off the list.
	must(t, x.RemoveForeground(ctx, c.Hash, webui.Removal{KeepHelping: true}))
	if err := x.StartForeground(ctx, c.Hash); !errors.Is(err, webui.ErrConflict) && !errors.Is(err, webui.ErrNotFound) {
		t.Errorf("starting what is being removed: %v", err)
	}
	must(t, await(ctx, kept(t, x, c)))
	s := get[webui.BackgroundSwarm](t)(x.BackgroundSwarm(ctx, c.Hash))
	if s.Fragments != 32 {
		t.Errorf("%d fragments of 64 KiB are kept within 2 MiB", s.Fragments)
	}
	must(t, c.Verify(filepath.Join(x.State, "downloads")))
}

func TestWithoutAnAllotmentNothingIsKept(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("First Light", mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, c))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{}))
	get[swarm.InfoHash](t)(x.AddForeground(ctx, webui.Source{File: c.Torrent}, true))
	told(t, ctx, x, "complete", c)
	if err := x.RemoveForeground(ctx, c.Hash, webui.Removal{DeleteData: true, KeepHelping: true}); !errors.Is(err, webui.ErrConflict) {
		t.Errorf("keeping on without an allotment: %v, want a conflict", err)
	}
	downloaded(t, ctx, x, c) // still there
}

func TestKillsWhileADownloadIsKeptLoseNothing(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("First Light", 24*mib, 64<<10, lab.InFiles(3)))
	seed := get[*lab.Peer](t)(w.Seed(ctx, c))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	get[swarm.InfoHash](t)(x.AddForeground(ctx, webui.Source{File: c.Torrent}, true))
	told(t, ctx, x, "complete", c)
	must(t, seed.Stop())
	interrupted(t, w, x, func(a *agent.Agent) error {
		return a.Owner().RemoveForeground(ctx, c.Hash, webui.Removal{DeleteData: true, KeepHelping: true})
	})
	must(t, await(ctx, kept(t, x, c)))
	s := get[webui.BackgroundSwarm](t)(x.BackgroundSwarm(ctx, c.Hash))
	if s.Fragments != s.Pieces {
		t.Errorf("%d of %d pieces are left", s.Fragments, s.Pieces)
	}
	must(t, get[*lab.Peer](t)(w.Leech(ctx, c)).Wait(ctx))
}
