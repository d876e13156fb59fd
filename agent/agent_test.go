package agent_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ebb/agent"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/build/lab"
	"ebb/webui"
)

func TestMain(m *testing.M) {
	if os.Getenv(childConfig) != "" {
		runChild()
		return
	}
	goleak.VerifyTestMain(m,
		// A meter of rain's metrics library that lives as long as the process.
		goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"),
		// rain's goodbye to a tracker, which may outlive its session by three seconds.
		goleak.IgnoreAnyFunction("github.com/cenkalti/rain/v2/internal/announcer.(*StopAnnouncer).Run.func1"),
	)
}

const (
	mib      = 1 << 20
	patience = 60 * time.Second // for a story that takes a few seconds
)

// newWorld makes a lab that ends with the test.
func newWorld(t *testing.T) (*lab.World, context.Context) {
	t.Helper()
	w, err := lab.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return w, ctx
}

// must ends the test unless everything went well.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func get[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// told waits until the agent tells an event of a kind about a content.
func told(t *testing.T, ctx context.Context, a *lab.Agent, kind string, c *lab.Content) {
	t.Helper()
	must(t, a.Follow(ctx, func(e swarm.Event) bool { return e.Kind == kind && e.Hash == c.Hash }))
}

// helper starts an agent that has downloaded the first content and helps the swarm of the second.
func helper(t *testing.T, ctx context.Context, w *lab.World, first, second *lab.Content) *lab.Agent {
	t.Helper()
	a := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	get[swarm.InfoHash](t)(a.AddBackground(ctx, webui.Source{File: second.Torrent}))
	get[swarm.InfoHash](t)(a.AddForeground(ctx, webui.Source{File: first.Torrent}, true))
	told(t, ctx, a, "complete", first)
	return a
}

// TestASwarmOutlivesItsSeeds is the whole of what ebb is for: Y, told only to download one torrent, hears of another
// from X, checks that this is so, joins, and serves it when everybody else has gone.
func TestASwarmOutlivesItsSeeds(t *testing.T) {
	w, ctx := newWorld(t)
	content := get[*lab.Content](t)
	first := content(w.Content("First Light", 4*mib, 256<<10))
	second := content(w.Content("Old Maps", 6*mib, 128<<10))
	seed := get[*lab.Peer](t)(w.Seed(ctx, first, second))

	x := helper(t, ctx, w, first, second)

	y := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	get[swarm.InfoHash](t)(y.AddForeground(ctx, webui.Source{File: first.Torrent}, true))
	told(t, ctx, y, "complete", first)
	told(t, ctx, y, "heard", second)
	told(t, ctx, y, "verified", second)
	told(t, ctx, y, "joined", second)
	told(t, ctx, y, "complete", second)

	why := get[webui.Why](t)(y.Why(ctx, second.Hash))
	if why.Introducer.Addr != x.Addr || why.Introducer.ViaHash != first.Hash || why.Introducer.Verified.IsZero() {
		t.Errorf("why names %v in %v, want %v in %v", why.Introducer.Addr, why.Introducer.ViaName, x.Addr, first.Name)
	}

	must(t, seed.Stop(), x.Stop())
	leecher := get[*lab.Peer](t)(w.Leech(ctx, second))
	must(t, leecher.Wait(ctx))
	swarm := get[webui.BackgroundSwarm](t)(y.BackgroundSwarm(ctx, second.Hash))
	if swarm.Uploaded < second.Size() {
		t.Errorf("%d bytes uploaded of a torrent of %d that only we had", swarm.Uploaded, second.Size())
	}
}

func TestNothingHappensBeforeAnAllotmentIsSet(t *testing.T) {
	w, ctx := newWorld(t)
	first := get[*lab.Content](t)(w.Content("First Light", mib, 64<<10))
	second := get[*lab.Content](t)(w.Content("Old Maps", mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, first, second))
	helper(t, ctx, w, first, second)

	y := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{}))
	get[swarm.InfoHash](t)(y.AddForeground(ctx, webui.Source{File: first.Torrent}, true))
	told(t, ctx, y, "complete", first)
	status := get[webui.Status](t)(y.Status(ctx))
	if status.State != webui.StateSetup || !strings.Contains(status.Why, "background.storage") {
		t.Errorf("state %q: %s; want setup, and what to set", status.State, status.Why)
	}

	// The yes of the owner is all that was missing.
	p := get[prefs.Preferences](t)(y.Preferences(ctx))
	must(t, p.Background.Storage.UnmarshalText([]byte("64MiB")), y.SetPreferences(ctx, p))
	told(t, ctx, y, "complete", second)
}

func TestPrivateTorrentsHaveNoPartInTheBackground(t *testing.T) {
	w, ctx := newWorld(t)
	private := get[*lab.Content](t)(w.Content("Members Only", mib, 64<<10, lab.Private()))
	get[*lab.Peer](t)(w.Seed(ctx, private))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))

	var bad *webui.BadRequest
	if _, err := x.AddBackground(ctx, webui.Source{File: private.Torrent}); !errors.As(err, &bad) {
		t.Errorf("adding a private .torrent: %v, want a bad request", err)
	}
	// By its magnet: that it is private shows when its metadata comes.
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{URI: private.Magnet()}))
	told(t, ctx, x, "refused", private)

	// As a download it is welcome, and nobody hears of it.
	get[swarm.InfoHash](t)(x.AddForeground(ctx, webui.Source{File: private.Torrent}, true))
	told(t, ctx, x, "complete", private)
	y := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	get[swarm.InfoHash](t)(y.AddForeground(ctx, webui.Source{File: private.Torrent}, true))
	told(t, ctx, y, "complete", private)
	if peers := w.Swarm(rendezvous(private.Hash)); len(peers) != 0 {
		t.Errorf("a private torrent has a rendezvous: %v", peers)
	}
}

func TestVetoedSwarmIsDeletedAndStaysAway(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, c))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	told(t, ctx, x, "complete", c)

	must(t, x.Veto(ctx, c.Hash))
	if files := fragmentFiles(t, x); len(files) != 0 {
		t.Errorf("fragments are left after the veto: %v", files)
	}
	must(t, x.Stop(), x.Start(nil))
	if _, err := x.AddBackground(ctx, webui.Source{File: c.Torrent}); !errors.Is(err, webui.ErrConflict) {
		t.Errorf("joining a vetoed swarm after a restart: %v, want a conflict", err)
	}
	if why := get[webui.Why](t)(x.Why(ctx, c.Hash)); why.State != "vetoed" {
		t.Errorf("state %q, want vetoed", why.State)
	}
}

func TestAskMeansThatACandidateWaitsForTheOwnersYes(t *testing.T) {
	w, ctx := newWorld(t)
	first := get[*lab.Content](t)(w.Content("First Light", mib, 64<<10))
	second := get[*lab.Content](t)(w.Content("Old Maps", mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, first, second))
	helper(t, ctx, w, first, second)

	y := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	p := get[prefs.Preferences](t)(y.Preferences(ctx))
	p.Sources.Peers = prefs.ModeAsk
	must(t, y.SetPreferences(ctx, p))
	get[swarm.InfoHash](t)(y.AddForeground(ctx, webui.Source{File: first.Torrent}, true))
	told(t, ctx, y, "verified", second)
	why := get[webui.Why](t)(y.Why(ctx, second.Hash))
	if why.State != swarm.CandidateWaiting {
		t.Errorf("the candidate is %q (%s), want it to wait", why.State, why.Sentence)
	}
	if swarms := get[[]webui.BackgroundSwarm](t)(y.Background(ctx)); len(swarms) != 0 {
		t.Errorf("joined before the owner's yes: %v", swarms)
	}
	must(t, y.Approve(ctx, second.Hash))
	told(t, ctx, y, "complete", second)
}

func TestDownloadOfASwarmThatWeHelpComesFirst(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, c))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	told(t, ctx, x, "complete", c)
	get[swarm.InfoHash](t)(x.AddForeground(ctx, webui.Source{File: c.Torrent}, true))
	if _, err := x.AddBackground(ctx, webui.Source{File: c.Torrent}); !errors.Is(err, webui.ErrConflict) {
		t.Errorf("helping what is becoming a download: %v, want a conflict", err)
	}
	downloaded(t, ctx, x, c)
	expectNoFragments(t, ctx, x, c)
	if _, err := x.AddBackground(ctx, webui.Source{File: c.Torrent}); !errors.Is(err, webui.ErrConflict) {
		t.Errorf("helping what is a download: %v, want a conflict", err)
	}
}

func TestForegroundResumesAfterARestart(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("First Light", 2*mib, 64<<10))
	seed := get[*lab.Peer](t)(w.Seed(ctx, c))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{}))
	get[swarm.InfoHash](t)(x.AddForeground(ctx, webui.Source{URI: c.Magnet()}, true))
	told(t, ctx, x, "complete", c)
	must(t, seed.Stop(), x.Stop(), x.Start(nil))
	leecher := get[*lab.Peer](t)(w.Leech(ctx, c))
	torrent := get[webui.ForegroundTorrent](t)(x.ForegroundTorrent(ctx, c.Hash))
	if torrent.Length != c.Size() {
		t.Errorf("after the restart the torrent has %d bytes, want %d", torrent.Length, c.Size())
	}
	must(t, leecher.Wait(ctx))
}

func fragmentFiles(t *testing.T, a *lab.Agent) (files []string) {
	t.Helper()
	must(t, filepath.WalkDir(filepath.Join(a.State, "fragments"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// config writes preferences for an agent outside any lab.
func config(t *testing.T, text string) agent.Options {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "ebb.toml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return agent.Options{ConfigPath: path, StateDir: filepath.Join(dir, "state"), Log: slog.New(slog.DiscardHandler)}
}

const onLoopback = "[network]\npeer_address = \"127.0.0.1:0\"\ndht = false\n[web]\naddress = \"127.0.0.1:0\"\n"

// cancelled is the context of an agent that is to stop at once.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// expectError wants New to fail with one line that contains all of the words.
func expectError(t *testing.T, o agent.Options, words ...string) {
	t.Helper()
	a, err := agent.New(o)
	if err == nil {
		a.Run(cancelled())
		t.Fatal("the agent started")
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("an error of several lines: %q", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

func TestSecondAgentOnTheSameStateIsRefused(t *testing.T) {
	o := config(t, onLoopback)
	a := get[*agent.Agent](t)(agent.New(o))
	expectError(t, o, "another ebb is running", o.StateDir, "-state")
	must(t, a.Run(cancelled()))
	a = get[*agent.Agent](t)(agent.New(o)) // and once the first has stopped it is free again
	must(t, a.Run(cancelled()))
}

func TestBusyPortsAreNamedWithTheirPreference(t *testing.T) {
	o := config(t, onLoopback)
	a := get[*agent.Agent](t)(agent.New(o))
	defer a.Run(cancelled())
	peers := a.PeerAddr().String()
	expectError(t, config(t, "[network]\npeer_address = \""+peers+"\"\n[web]\naddress = \"127.0.0.1:0\"\n"), peers, "in use", "network.peer_address")
	page := netip.MustParseAddrPort(strings.Trim(strings.TrimPrefix(a.URL(), "http://"), "/")).String()
	expectError(t, config(t, strings.Replace(onLoopback, "[web]\naddress = \"127.0.0.1:0\"", "[web]\naddress = \""+page+"\"", 1)), page, "in use", "web.address")
}

func TestUnusableStateDirectoryIsExplained(t *testing.T) {
	o := config(t, onLoopback)
	must(t, os.WriteFile(o.StateDir, nil, 0o600)) // a file is where the directory should be
	expectError(t, o, o.StateDir, "choose another", "-state")
}

func TestFirstPreferencesAreSavedWhereThereIsNothingYet(t *testing.T) {
	o := config(t, "")
	ready := config(t, onLoopback)
	p := get[prefs.Preferences](t)(prefs.Load(ready.ConfigPath))
	o.ConfigPath = filepath.Join(t.TempDir(), "not", "there", "ebb.toml")
	p.State.Directory = o.StateDir
	must(t, os.MkdirAll(filepath.Dir(o.ConfigPath), 0o700), prefs.Save(o.ConfigPath, p))
	a := get[*agent.Agent](t)(agent.New(o))
	defer a.Run(cancelled())
	must(t, os.RemoveAll(filepath.Dir(o.ConfigPath))) // as if it had never been
	must(t, p.Background.Storage.UnmarshalText([]byte("1GiB")), a.Owner().SetPreferences(context.Background(), p))
	if saved := get[prefs.Preferences](t)(prefs.Load(o.ConfigPath)); !saved.Equal(p) {
		t.Errorf("saved %+v, want %+v", saved, p)
	}
}

func TestBadPreferencesAreExplained(t *testing.T) {
	expectError(t, config(t, "[background]\nstorrage = \"1GiB\"\n"), "line 2", "storrage", "storage")
	expectError(t, config(t, "[background]\nstorage = \"much\"\n"), "background.storage", "much", "20GiB")
}
